//! A stream is what SQLite says of its query: rows of opened buckets, buckets of rows, and what a change touches.
//!
//! A condition is drawn as a tree and written twice: for the stream, and for SQLite with named parameters, where
//! what asks for a claim that is missing is false.

use super::{Definition, Row, StreamConfig, StreamError, user};
use crate::storage::{
    binding::{Bound, value},
    table::{TableConfig, Tables},
};
use proptest::prelude::*;
use rusqlite::Connection;
use seaworthy_protocol::Value;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const SCHEMA: &str = "
    CREATE TABLE items (id INTEGER PRIMARY KEY, t TEXT, c TEXT COLLATE NOCASE, s TEXT COLLATE RTRIM, n INTEGER, r REAL, b);
    CREATE TABLE members (id INTEGER PRIMARY KEY, t TEXT, c TEXT COLLATE NOCASE, s TEXT COLLATE RTRIM, n INTEGER, r REAL, b);";
const COLUMNS: [&str; 6] = ["t", "c", "s", "n", "r", "b"];

/// What is asked: for the stream, for SQLite, and the claim that it needs.
const ASKED: [(&str, &str, Option<&str>); 6] = [
    ("auth.user_id()", ":user", None),
    ("auth.claim('text')", ":text", Some("text")),
    ("auth.claim('number', 'number')", ":number", Some("number")),
    ("auth.claim('flag', 'boolean')", ":flag", Some("flag")),
    ("params.p", ":p", None),
    ("params.q", ":q", None),
];
const ROWS: [&str; 7] =
    ["n > 1", "t IS NULL", "c LIKE 'a%'", "n BETWEEN 0 AND 1 AND b = 1", "s = 'a' OR r < 1.2", "CASE WHEN n THEN t = '7' END", "b IN (1, 'a')"];

#[derive(Clone, Debug)]
enum Query {
    All(Vec<Query>),
    Any(Vec<Query>),
    Not(Box<Query>),
    Row(usize),
    Equal { column: usize, asked: usize, reversed: bool },
    OneOf { column: usize, asked: [usize; 2] },
    Asked { asked: usize, is: &'static str },
    Within { column: usize, out: usize, inner: Box<Query> },
    Among { asked: usize, out: usize, inner: Box<Query> },
}

impl Query {
    /// As text, for the stream or for SQLite.
    fn text(&self, missing: Option<&[&str]>, negated: bool) -> String {
        let name = |asked: usize| if missing.is_some() { ASKED[asked].1 } else { ASKED[asked].0 };
        let many = |parts: &[Self], word: &str, other: &str| {
            let parts: Vec<String> = parts.iter().map(|part| part.text(missing, negated)).collect();
            format!("({})", parts.join(if negated && missing.is_some() { other } else { word }))
        };
        let leaf = |text: String, asked: &[usize]| match missing {
            Some(missing) if asked.iter().any(|asked| ASKED[*asked].2.is_some_and(|claim| missing.contains(&claim))) => "0".to_owned(),
            Some(_) if negated => format!("NOT ({text})"),
            _ => text,
        };
        match self {
            Self::All(parts) => many(parts, " AND ", " OR "),
            Self::Any(parts) => many(parts, " OR ", " AND "),
            Self::Not(part) => {
                if missing.is_some() {
                    part.text(missing, !negated)
                } else {
                    format!("NOT ({})", part.text(None, false))
                }
            }
            Self::Row(at) => leaf(format!("({})", ROWS[*at]), &[]),
            Self::Equal { column, asked, reversed: false } => leaf(format!("{} = {}", COLUMNS[*column], name(*asked)), &[*asked]),
            Self::Equal { column, asked, .. } => leaf(format!("{} = {}", name(*asked), COLUMNS[*column]), &[*asked]),
            Self::OneOf { column, asked } if missing.is_some() => {
                let one = |asked: usize| Self::Equal { column: *column, asked, reversed: false }.text(missing, negated);
                format!("({} OR {} OR {} IN ('7'))", one(asked[0]), one(asked[1]), COLUMNS[*column])
            }
            Self::OneOf { column, asked } => format!("{} IN ({}, {}, '7')", COLUMNS[*column], name(asked[0]), name(asked[1])),
            Self::Asked { asked, is } => leaf(format!("{} {is}", name(*asked)), &[*asked]),
            Self::Within { column, out, inner } => {
                format!("{} IN (SELECT {} FROM members WHERE {})", COLUMNS[*column], COLUMNS[*out], inner.text(missing, false))
            }
            Self::Among { asked, out, inner } => {
                let all = if negated { [vec![*asked], inner.asked()].concat() } else { vec![*asked] };
                leaf(format!("{} IN (SELECT {} FROM members WHERE {})", name(*asked), COLUMNS[*out], inner.text(missing, false)), &all)
            }
        }
    }

    fn asked(&self) -> Vec<usize> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::asked).collect(),
            Self::Not(part) => part.asked(),
            Self::Row(_) => vec![],
            Self::Equal { asked, .. } | Self::Asked { asked, .. } => vec![*asked],
            Self::OneOf { asked, .. } => asked.to_vec(),
            Self::Within { inner, .. } => inner.asked(),
            Self::Among { asked, inner, .. } => [vec![*asked], inner.asked()].concat(),
        }
    }
}

fn query() -> impl Strategy<Value = Query> {
    let alone = prop_oneof![
        (0..ROWS.len()).prop_map(Query::Row),
        (0..4_usize, prop_oneof![Just("= 'a'"), Just("IN (1, 'A')"), Just("> 0")]).prop_map(|(asked, is)| Query::Asked { asked, is }),
    ];
    let leaf = prop_oneof![
        2 => alone.clone(),
        1 => alone.prop_map(|part| Query::Not(Box::new(part))),
        4 => (0..6_usize, 0..6_usize, any::<bool>()).prop_map(|(column, asked, reversed)| Query::Equal { column, asked, reversed }),
        1 => (0..6_usize, 0..6_usize, 0..6_usize).prop_map(|(column, one, other)| Query::OneOf { column, asked: [one, other] }),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let among = (0..6_usize, 0..6_usize, boxed.clone()).prop_map(|(asked, out, inner)| Query::Among { asked, out, inner });
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(Query::All),
            2 => prop::collection::vec(inner, 2..3).prop_map(Query::Any),
            3 => (0..6_usize, 0..6_usize, boxed).prop_map(|(column, out, inner)| Query::Within { column, out, inner }),
            1 => among.clone(),
            1 => among.prop_map(|part| Query::Not(Box::new(part))),
        ]
    })
}

fn cell() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec!["a", "A", "a ", "7", " 7", "07", "1.0", "1e0", "x", "", "a\0b", "A\0c"]).prop_map(super::text);
    prop_oneof![
        4 => texts,
        3 => prop::sample::select(vec![0, 1, 7]).prop_map(Value::Integer),
        2 => prop::sample::select(vec![1.0, 1.5, -0.0, 7.0, 1e300, f64::INFINITY]).prop_map(Value::Real),
        1 => Just(Value::Blob(b"a".to_vec())),
        1 => Just(Value::Null),
    ]
}

fn insert(conn: &Connection, table: &str, id: usize, cells: &[Value]) {
    let sql = format!("INSERT OR REPLACE INTO {table} VALUES ({id}, ?, ?, ?, ?, ?, ?)");
    conn.execute(&sql, rusqlite::params_from_iter(cells.iter().map(Bound))).unwrap();
}

fn member(conn: &Connection, id: usize) -> Option<Row> {
    let mut statement = conn.prepare("SELECT * FROM members WHERE id = ?1").unwrap();
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([id as i64]).unwrap();
    rows.next().unwrap().map(|row| names.into_iter().enumerate().map(|(at, name)| (name, value(row.get_ref(at).unwrap()))).collect())
}

fn check(
    query: &Query,
    items: &[Vec<Value>],
    members: &[Vec<Value>],
    has: [bool; 3],
    given: [Value; 2],
    change: (usize, Option<Vec<Value>>),
) -> Result<bool, TestCaseError> {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    items.iter().enumerate().for_each(|(id, cells)| insert(&conn, "items", id, cells));
    members.iter().enumerate().for_each(|(id, cells)| insert(&conn, "members", id, cells));
    let tables: Tables = [("items".to_owned(), TableConfig::default())].into();
    let text = format!("SELECT * FROM items WHERE {}", query.text(None, false));
    let config = |public| StreamConfig { query: text.clone(), auto: false, public, priority: 0 };
    let compiled = match Definition::compile(&conn, "s", &config(false), &tables) {
        Err(StreamError::Public { .. }) => Definition::compile(&conn, "s", &config(true), &tables),
        other => other,
    };
    let definition = match compiled {
        Ok(definition) => definition,
        Err(error) => {
            let expected = ["alternatives", "stand in each other", "Declare both alike", "different types", "used once", "more than 8 columns"];
            prop_assert!(expected.iter().any(|words| error.to_string().contains(words)), "{error}");
            return Ok(false);
        }
    };
    let claims = json!({ "text": if has[0] { json!("A") } else { json!(1) }, "number": if has[1] { json!(7) } else { json!("7") }, "flag": if has[2] { json!(true) } else { json!(null) } });
    let missing: Vec<&str> = ["text", "number", "flag"].into_iter().zip(has).filter(|(_, has)| !has).map(|(name, _)| name).collect();
    let principal = user("a", claims);
    let params: BTreeMap<String, Value> = definition.params.iter().map(|name| (name.clone(), given[usize::from(name == "q")].clone())).collect();

    let mut statement = conn.prepare(&format!("SELECT id FROM items WHERE {}", query.text(Some(&missing), false))).unwrap();
    let bound = [
        (":user", super::text("a")),
        (":text", super::text("A")),
        (":number", Value::Integer(7)),
        (":flag", Value::Integer(1)),
        (":p", given[0].clone()),
        (":q", given[1].clone()),
    ];
    for (name, value) in &bound {
        if let Some(at) = statement.parameter_index(name).unwrap() {
            statement.raw_bind_parameter(at, Bound(value)).unwrap();
        }
    }
    let (mut expected, mut rows) = (BTreeSet::new(), statement.raw_query());
    while let Some(row) = rows.next().unwrap() {
        expected.insert(row.get::<_, i64>(0).unwrap());
    }

    let opened = definition.open(&conn, &principal, &params).unwrap();
    let mut found = BTreeSet::new();
    for bucket in &opened.buckets {
        prop_assert!(definition.may_open(&conn, &principal, bucket).unwrap(), "{text}: {bucket} was opened, and may not be");
        let each = |key: Vec<Value>, _| {
            if let [Value::Integer(id)] = key.as_slice() {
                found.insert(*id);
            }
            Ok(())
        };
        definition.rows(&conn, bucket, each).unwrap();
    }
    prop_assert_eq!(&found, &expected, "{}", text);
    for id in 0..items.len() as i64 {
        let buckets = definition.buckets_of_row(&conn, &[Value::Integer(id)]).unwrap();
        prop_assert_eq!(buckets.iter().any(|bucket| opened.buckets.contains(bucket)), expected.contains(&id), "{}: row {} is in {:?}", text, id, buckets);
        if definition.params.is_empty() {
            for bucket in &buckets {
                prop_assert_eq!(definition.may_open(&conn, &principal, bucket).unwrap(), opened.buckets.contains(bucket), "{}: {}", text, bucket);
            }
        }
    }

    let (id, cells) = change;
    let before = member(&conn, id);
    match cells {
        Some(cells) => insert(&conn, "members", id, &cells),
        None => drop(conn.execute("DELETE FROM members WHERE id = ?1", [id as i64]).unwrap()),
    }
    let touched = definition.touched("members", before.as_ref(), member(&conn, id).as_ref());
    let now = definition.open(&conn, &principal, &params).unwrap();
    prop_assert!(now.buckets == opened.buckets || opened.depends.iter().any(|key| touched.contains(key)), "{text}: {:?} missed {touched:?}", opened.depends);
    Ok(!expected.is_empty())
}

#[test]
fn a_stream_is_what_sqlite_says_of_its_query() {
    let row = || prop::collection::vec(cell(), 6);
    let rows = || prop::collection::vec(row(), 0..7);
    let inputs = (query(), rows(), rows(), any::<[bool; 3]>(), [cell(), cell()], (0..7_usize, prop::option::weighted(0.7, row())));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() });
    let met = std::cell::Cell::new(0);
    let outcome = runner.run(&inputs, |(query, items, members, has, given, change)| {
        met.set(met.get() + usize::from(check(&query, &items, &members, has, given, change)?));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(met.get() > 100, "only {} queries found a row", met.get());
}
