//! Streams from text to rows.

mod property;
mod refusals;

use super::{Bucket, Definition, Row, StreamConfig, StreamError};
use crate::storage::table::{TableConfig, Tables};
use rusqlite::Connection;
use seaworthy_engine::{client::User, session::Principal};
use seaworthy_protocol::Value;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

const SCHEMA: &str = "
    CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id TEXT, owner TEXT COLLATE NOCASE, rank INTEGER, done INTEGER, twice AS (rank * 2));
    CREATE TABLE members (list_id TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT, PRIMARY KEY (list_id, user_id));
    CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, team TEXT, size INTEGER);
    CREATE TABLE keyless (list_id TEXT);
    CREATE VIEW shown AS SELECT * FROM lists;
    INSERT INTO todos (id, list_id, owner, rank, done) VALUES ('1', 'a', 'Alice', 1, 0), ('2', 'b', 'bob', 7, 1), ('3', NULL, NULL, NULL, NULL);
    INSERT INTO members VALUES ('a', 'alice', 'owner'), ('b', 'bob', 'owner'), ('b', 'alice', 'guest');
    INSERT INTO lists VALUES ('a', 'red', 1), ('b', 'blue', 2);";

fn database() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    conn
}

fn tables() -> Tables {
    [("todos".to_owned(), TableConfig::default()), ("lists".to_owned(), TableConfig::default())].into()
}

fn compile(conn: &Connection, query: &str, public: bool) -> Result<Definition, StreamError> {
    let config = StreamConfig { query: query.to_owned(), auto: false, public, priority: 1 };
    Definition::compile(conn, "mine", &config, &tables()).map(|definition| Definition { number: 3, ..definition })
}

fn user(subject: &str, claims: serde_json::Value) -> Principal {
    let serde_json::Value::Object(claims) = claims else { panic!("claims are an object") };
    Principal { user: User { issuer: "i".to_owned(), subject: subject.to_owned() }, claims: Arc::new(claims) }
}

fn params(given: &[(&str, Value)]) -> BTreeMap<String, Value> {
    given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The buckets that alice opens, and the ids of their rows.
fn opened(query: &str, public: bool, given: &[(&str, Value)]) -> (Vec<String>, Vec<String>) {
    let conn = database();
    let definition = compile(&conn, query, public).unwrap_or_else(|error| panic!("{error}"));
    let alice = user("alice", json!({ "role": "admin", "level": 7, "teams": ["red"] }));
    let buckets = definition.open(&conn, &alice, &params(given)).unwrap().buckets;
    let mut ids = Vec::new();
    for bucket in &buckets {
        assert!(definition.may_open(&conn, &alice, bucket).unwrap(), "{query}: {bucket}");
        let each = |key: Vec<Value>, _| match key.as_slice() {
            [Value::Text(id)] => {
                ids.push(id.clone());
                Ok(())
            }
            other => panic!("{other:?}"),
        };
        definition.rows(&conn, bucket, each).unwrap();
    }
    ids.sort();
    ids.dedup();
    (buckets.into_iter().map(|bucket| bucket.0).collect(), ids)
}

#[test]
fn a_query_names_buckets_by_values() {
    for (query, given, buckets, ids) in [
        ("SELECT * FROM todos WHERE owner = auth.user_id()", vec![], vec!["3.0[\"alice\"]"], vec!["1"]),
        ("select t.* from Todos as t where auth.user_id() == (t.owner)", vec![], vec!["3.0[\"alice\"]"], vec!["1"]),
        ("SELECT * FROM todos WHERE rank = auth.claim('level', 'number') AND done = 1", vec![], vec!["3.0[7]"], vec!["2"]),
        ("SELECT * FROM todos WHERE list_id = params.l AND auth.claim('role') IN ('admin', 'x')", vec![("l", text("a"))], vec!["3.0[\"a\"]"], vec!["1"]),
        ("SELECT * FROM todos WHERE rank = params.n AND auth.user_id() <> 'bob'", vec![("n", text(" 7 "))], vec!["3.0[7]"], vec!["2"]),
        ("SELECT * FROM todos WHERE list_id IN (auth.user_id(), 'b')", vec![], vec!["3.0[\"alice\"]", "3.1[]"], vec!["2"]),
        (
            "SELECT * FROM todos WHERE twice = auth.claim('level', 'number') OR done AND NOT (auth.user_id() = 'bob' OR false)",
            vec![],
            vec!["3.0[7]", "3.1[]"],
            vec!["2"],
        ),
        (
            "SELECT * FROM todos WHERE list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())",
            vec![],
            vec!["3.0[\"a\"]", "3.0[\"b\"]"],
            vec!["1", "2"],
        ),
        (
            "SELECT * FROM todos WHERE list_id = params.l AND list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id() AND role = 'owner')",
            vec![("l", text("b"))],
            vec![],
            vec![],
        ),
        (
            "SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE team = params.team AND id IN (SELECT list_id FROM members WHERE user_id = auth.user_id()))",
            vec![("team", text("red"))],
            vec!["3.0[\"a\"]"],
            vec!["1"],
        ),
        ("SELECT * FROM todos WHERE done = 0 AND auth.user_id() NOT IN (SELECT user_id FROM members WHERE role = 'banned')", vec![], vec!["3.0[]"], vec!["1"]),
        ("SELECT * FROM todos WHERE rank BETWEEN 5 AND 9 AND auth.user_id() = 'alice' -- comment", vec![], vec!["3.0[]"], vec!["2"]),
    ] {
        let found = opened(query, false, &given);
        assert_eq!(found, (buckets.into_iter().map(str::to_owned).collect(), ids.into_iter().map(str::to_owned).collect()), "{query}");
    }
    assert_eq!(opened("SELECT * FROM todos", true, &[]).1, ["1", "2", "3"]);
}

#[test]
fn a_claim_that_is_missing_or_of_another_type_opens_nothing() {
    for query in [
        "SELECT * FROM todos WHERE list_id = auth.claim('level')",
        "SELECT * FROM todos WHERE auth.claim('nobody') IS NULL",
        "SELECT * FROM todos WHERE NOT auth.claim('nobody') = 'x'",
        "SELECT * FROM todos WHERE auth.claim('role', 'number') <> 4",
        "SELECT * FROM todos WHERE auth.user_id() NOT IN (SELECT user_id FROM members WHERE role = auth.claim('nobody'))",
        "SELECT * FROM todos WHERE list_id IN (SELECT list_id FROM members WHERE role = auth.claim('teams'))",
    ] {
        assert_eq!(opened(query, false, &[]), (vec![], vec![]), "{query}");
    }
    assert_eq!(opened("SELECT * FROM todos WHERE auth.claim('nobody') = 'x' OR owner = auth.user_id()", false, &[]).1, ["1"]);
}

#[test]
fn parameters_are_values_and_all_of_them_are_given() {
    let conn = database();
    let definition = compile(&conn, "SELECT * FROM todos WHERE list_id = params.l AND auth.user_id() = 'alice'", false).unwrap();
    let alice = user("alice", json!({}));
    let missing = definition.open(&conn, &alice, &params(&[])).unwrap_err().to_string();
    assert!(missing.contains("needs the parameter l"), "{missing}");
    let unknown = definition.open(&conn, &alice, &params(&[("l", text("a")), ("L", text("a"))])).unwrap_err().to_string();
    assert!(unknown.contains("no parameter L"), "{unknown}");
    let evil = definition.open(&conn, &alice, &params(&[("l", text("a' OR 1=1 --"))])).unwrap();
    definition.rows(&conn, &evil.buckets[0], |key, _| panic!("{key:?}")).unwrap();
    for nothing in [Value::Null, Value::Blob(b"a".to_vec())] {
        for bucket in definition.open(&conn, &alice, &params(&[("l", nothing)])).unwrap().buckets {
            definition.rows(&conn, &bucket, |key, _| panic!("{key:?}")).unwrap();
        }
    }
}

#[test]
fn an_id_that_was_guessed_opens_nothing_unless_it_is_a_bucket_of_the_user() {
    let conn = database();
    let definition = compile(&conn, "SELECT * FROM todos WHERE owner = auth.user_id() AND rank = params.n", false).unwrap();
    let alice = user("alice", json!({}));
    let may = |id: &str| definition.may_open(&conn, &alice, &Bucket(id.to_owned())).unwrap();
    assert!(may("3.0[\"alice\",7]") && may("3.0[\"alice\",\"x\"]"));
    for id in [
        "",
        "3.0",
        "3.0[",
        "[]",
        "3.0[]",
        "3.0[\"alice\"]",
        "3.0[\"alice\",7,7]",
        "3.0[\"bob\",7]",
        "3.0[\"Alice\",7]",
        "3.0[\"alice\",\"7\"]",
        "3.0[\"alice\",7.0]",
        "3.0[\"alice\", 7]",
        "3.1[\"alice\",7]",
        "4.0[\"alice\",7]",
        "03.0[\"alice\",7]",
        "3.0[\"alice\",null]",
        "3.0[[\"alice\"],7]",
        "3.0[\"alice\",7]x",
        "3.0[\"\\u0061lice\",7]",
    ] {
        assert!(!may(id), "{id}");
        definition.rows(&conn, &Bucket(id.to_owned()), |key, _| if id.contains("bob") { Ok(()) } else { panic!("{id} {key:?}") }).unwrap();
    }
}

#[test]
fn a_change_of_a_membership_touches_those_who_are_concerned() {
    let conn = database();
    let definition = compile(&conn, "SELECT * FROM todos WHERE list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())", false).unwrap();
    let row = |list: &str, user: &str, role: &str| -> Row {
        [("list_id".to_owned(), text(list)), ("user_id".to_owned(), text(user)), ("role".to_owned(), text(role))].into()
    };
    let keys = |before: Option<&Row>, after: Option<&Row>| definition.touched("members", before, after).into_iter().map(|key| key.0).collect::<Vec<_>>();
    assert_eq!(keys(None, Some(&row("a", "carol", "x"))), ["3.0.0[\"carol\"]"]);
    assert_eq!(keys(Some(&row("a", "alice", "x")), Some(&row("a", "carol", "x"))), ["3.0.0[\"alice\"]", "3.0.0[\"carol\"]"]);
    assert!(keys(Some(&row("a", "alice", "x")), Some(&row("a", "alice", "y"))).is_empty());
    let depends = definition.open(&conn, &user("alice", json!({})), &params(&[])).unwrap().depends;
    assert_eq!(depends.iter().map(|key| key.0.as_str()).collect::<Vec<_>>(), ["3.0.0[\"alice\"]"]);
}

#[test]
fn a_row_on_which_a_condition_fails_is_in_no_bucket_and_hides_no_other() {
    let conn = database();
    let definition = compile(&conn, "SELECT * FROM todos WHERE json_extract(owner, '$.x') IS NULL AND auth.user_id() = 'alice'", false).unwrap();
    conn.execute("UPDATE todos SET owner = '{}' WHERE id = '2'", []).unwrap();
    let mut ids = Vec::new();
    definition
        .rows(&conn, &Bucket("3.0[]".to_owned()), |key, _| {
            ids.push(key);
            Ok(())
        })
        .unwrap();
    assert_eq!(ids, [[text("2")], [text("3")]]);
    assert!(definition.buckets_of_row(&conn, &[text("1")]).unwrap().is_empty());
}

#[test]
fn what_is_slow_is_named() {
    let conn = database();
    let warnings = |query| compile(&conn, query, false).unwrap().warnings(&conn).unwrap();
    let found = warnings("SELECT * FROM todos WHERE list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())");
    assert!(found.len() == 2 && found[0].contains("ON todos (list_id)") && found[1].contains("ON members (user_id)"), "{found:?}");
    assert!(warnings("SELECT * FROM todos WHERE id = auth.user_id()").is_empty());
}

#[test]
fn owner_and_open_are_streams_too() {
    let conn = database();
    let mut tables = tables();
    tables.insert("todos".to_owned(), TableConfig { owner: Some("owner".to_owned()), ..TableConfig::default() });
    tables.insert("lists".to_owned(), TableConfig { open: true, ..TableConfig::default() });
    let streams = super::definitions(&conn, &tables, &BTreeMap::new()).unwrap();
    let seen: Vec<_> = streams.iter().map(|stream| (stream.number, stream.name.as_str(), stream.auto, stream.public)).collect();
    assert_eq!(seen, [(1, "lists", true, true), (2, "todos", true, false)]);
    let taken = [("todos".to_owned(), StreamConfig { query: String::new(), auto: false, public: false, priority: 1 })].into();
    assert!(matches!(super::definitions(&conn, &tables, &taken), Err(StreamError::SameName { .. })));
}
