//! Rules of SQL: which rows may be written, before a transaction and after it.

mod indirect;
mod model;

use super::{
    Bench, Client,
    bench::{code, open, owned},
};
use crate::storage::{EachWrite, TableConfig, Tables, WriteConfig};
use seaworthy_protocol::{Outcome, Policy, Sequence};
use serde_json::{Value as Json, json};
use std::sync::Arc;

const SCHEMA: &str = "
    CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner_id TEXT NOT NULL);
    CREATE TABLE members (list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE, user_id TEXT NOT NULL, PRIMARY KEY (list_id, user_id));
    CREATE TABLE todos (
        id TEXT NOT NULL PRIMARY KEY,
        list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
        title TEXT,
        locked INTEGER NOT NULL DEFAULT 0
    );";

const MEMBER: &str = "list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())";
const OWNER: &str = "EXISTS (SELECT 1 FROM lists WHERE lists.id = members.list_id AND lists.owner_id = auth.user_id())";

const ROWS: &str = "
    INSERT INTO lists VALUES ('a', 'A', 'alice'), ('b', 'B', 'bob');
    INSERT INTO members VALUES ('a', 'alice'), ('b', 'bob');
    INSERT INTO todos VALUES ('in_a', 'a', 'Milk', 0), ('in_b', 'b', 'Bread', 0);";

fn ruled(rule: &str) -> TableConfig {
    TableConfig { write: Some(WriteConfig::All(rule.to_owned())), ..open() }
}

fn each(insert: Option<&str>, update: Option<&str>, delete: Option<&str>) -> TableConfig {
    let [insert, update, delete] = [insert, update, delete].map(|rule| rule.map(str::to_owned));
    TableConfig { write: Some(WriteConfig::Each(EachWrite { insert, update, delete })), ..open() }
}

fn with_todos(todos: TableConfig) -> Bench {
    with(SCHEMA, [("lists", owned()), ("members", ruled(OWNER)), ("todos", todos)])
}

fn with<const N: usize>(schema: &str, tables: [(&str, TableConfig); N]) -> Bench {
    let tables: Tables = tables.into_iter().map(|(name, config)| (name.to_owned(), config)).collect();
    let server = Bench::with(schema, &tables).unwrap_or_else(|error| panic!("{error}"));
    server.sql(ROWS);
    server
}

/// A client that holds the server's rows.
fn client(subject: &str, replica: u8) -> Client {
    Client::with(SCHEMA, subject, replica).given(ROWS)
}

fn claiming(mut client: Client, name: &str, value: Json) -> Client {
    client.principal.claims = Arc::new([(name.to_owned(), value)].into_iter().collect());
    client
}

#[test]
fn a_rule_is_asked_for_every_kind_of_change() {
    let writes =
        ["INSERT INTO todos VALUES ('new', 'a', 'Oats', 0)", "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'", "DELETE FROM todos WHERE id = 'in_a'"];
    let mut server = with_todos(ruled(MEMBER));
    for (replica, write) in (1..).zip(writes) {
        assert_eq!(code(&client("bob", replica).sync(&mut server, write)), "forbidden", "{write}");
    }
    assert_eq!(server.rows("SELECT id, title FROM todos ORDER BY id"), ["in_a|Milk", "in_b|Bread"]);
    for (replica, write) in (11..).zip(writes) {
        assert_eq!(code(&client("alice", replica).sync(&mut server, write)), "applied", "{write}");
    }
    assert_eq!(server.rows("SELECT id, title FROM todos ORDER BY id"), ["in_b|Bread", "new|Oats"]);
}

#[test]
fn a_refusal_names_the_table_and_no_value() {
    let mut server = with_todos(ruled(MEMBER));
    let outcome = client("bob", 1).sync(&mut server, "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'");
    assert!(
        matches!(&outcome, Outcome::Rejected { message, data: None, .. } if message == "the write rule of todos does not allow this update"),
        "{outcome:?}"
    );
}

#[test]
fn a_row_can_be_moved_neither_into_someone_elses_list_nor_out_of_it() {
    let mut server = with_todos(ruled(MEMBER));
    let mut bob = client("bob", 1);
    assert_eq!(code(&bob.sync(&mut server, "UPDATE todos SET list_id = 'a' WHERE id = 'in_b'")), "forbidden");
    assert_eq!(code(&bob.sync(&mut server, "UPDATE todos SET list_id = 'b' WHERE id = 'in_a'")), "forbidden");
    assert_eq!(code(&bob.sync(&mut server, "INSERT INTO members VALUES ('a', 'bob')")), "forbidden");
    assert_eq!(server.rows("SELECT id, list_id FROM todos ORDER BY id"), ["in_a|a", "in_b|b"]);
}

#[test]
fn an_insert_of_a_key_that_is_there_is_judged_as_the_update_that_it_becomes() {
    let fresh = || Client::with(SCHEMA, "bob", 1).given("INSERT INTO lists VALUES ('b', 'B', 'bob')");
    let mut server = with_todos(ruled(MEMBER));
    assert_eq!(code(&fresh().sync(&mut server, "INSERT INTO todos VALUES ('in_a', 'b', 'Mine', 0)")), "forbidden");
    let mut server = with_todos(each(Some("true"), None, None));
    assert_eq!(code(&fresh().sync(&mut server, "INSERT INTO todos VALUES ('in_a', 'b', 'Mine', 0)")), "forbidden");
    assert_eq!(server.rows("SELECT title FROM todos WHERE id = 'in_a'"), ["Milk"]);
}

#[test]
fn a_kind_of_change_without_a_rule_is_nobodys() {
    let writes =
        ["INSERT INTO todos VALUES ('new', 'a', 'Oats', 0)", "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'", "DELETE FROM todos WHERE id = 'in_b'"];
    for permitted in 0..3 {
        let rule = |nth: usize| (nth == permitted).then_some("true");
        for (nth, write) in writes.iter().enumerate() {
            let mut server = with_todos(each(rule(0), rule(1), rule(2)));
            let expected = if nth == permitted { "applied" } else { "forbidden" };
            assert_eq!(code(&client("alice", 1).sync(&mut server, write)), expected, "{permitted} {write}");
        }
    }
}

#[test]
fn only_what_is_true_permits() {
    for (rule, expected) in [
        ("true", "applied"),
        ("2", "applied"),
        ("false", "forbidden"),
        ("NULL", "forbidden"),
        ("title = NULL", "forbidden"),
        ("NOT (title = NULL)", "forbidden"),
        ("'no'", "forbidden"),
        ("'1'", "applied"),
        ("false -- true", "forbidden"),
        ("true /* OR */ OR\n false -- )", "applied"),
        // It fails on the values of this row.
        ("json_extract(title, '$.x') IS NULL", "forbidden"),
    ] {
        let mut server = with_todos(ruled(rule));
        let mut alice = client("alice", 1);
        assert_eq!(code(&alice.sync(&mut server, "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'")), expected, "{rule}");
        assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET name = 'next' WHERE id = 'a'")), "applied", "{rule}");
    }
}

#[test]
fn a_claim_that_is_missing_or_of_another_type_denies() {
    let kinds = ["auth.claim('c')", "auth.claim('c', 'text')", "auth.claim('c', 'number')", "auth.claim('c', 'boolean')"];
    let values = [json!("3"), json!(3), json!(3.5), json!(true), json!(null), json!(["3"]), json!({ "3": 3 }), json!(u64::MAX)];
    let fits = |kind: &str, value: &Json| match kind {
        "auth.claim('c', 'number')" => value.is_i64() || value.is_f64(),
        "auth.claim('c', 'boolean')" => value.is_boolean(),
        _ => value.is_string(),
    };
    for kind in kinds {
        // Both are true of NULL, of every text and of every number.
        for rule in [format!("{kind} IS NULL OR {kind} IS NOT NULL"), format!("true OR {kind} >= 3")] {
            let mut server = with_todos(ruled(&rule));
            let write = "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'";
            assert_eq!(code(&client("alice", 99).sync(&mut server, write)), "forbidden", "{rule}");
            for (replica, value) in (1..).zip(&values) {
                let outcome = claiming(client("alice", replica), "c", value.clone()).sync(&mut server, write);
                assert_eq!(code(&outcome), if fits(kind, value) { "applied" } else { "forbidden" }, "{rule} {value}");
            }
        }
    }
}

#[test]
fn what_is_known_of_the_user_is_a_value_and_never_sql() {
    let mut server = with_todos(ruled("title = auth.user_id() OR title = auth.claim('it''s')"));
    let write = "UPDATE todos SET locked = 1 WHERE id = 'in_a'";
    for (replica, hostile) in (1..).zip(["' OR true --", "Milk' --", "?1", "title"]) {
        let outcome = claiming(client(hostile, replica), "it's", json!(hostile)).sync(&mut server, write);
        assert_eq!(code(&outcome), "forbidden", "{hostile}");
    }
    assert_eq!(code(&claiming(client("alice", 11), "it's", json!("Milk")).sync(&mut server, write)), "applied");
    assert_eq!(code(&claiming(client("Milk", 12), "it's", json!("")).sync(&mut server, write)), "applied");
}

#[test]
fn a_row_that_the_user_may_not_read_is_never_judged() {
    // Reading is by the owner; the rule would refuse every row that is locked, and permit the others.
    let schema = "CREATE TABLE notes (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT NOT NULL, locked INTEGER NOT NULL);";
    let notes = TableConfig { write: Some(WriteConfig::All("NOT locked".to_owned())), ..owned() };
    for policy in [Policy::Rebase, Policy::Fail] {
        let answers = |rows: &str| {
            let mut server = Bench::with(schema, &[("notes".to_owned(), TableConfig { conflict: policy, ..notes.clone() })].into()).unwrap();
            server.sql(rows);
            let guessed = "INSERT INTO notes VALUES ('n', 'bob', 0)";
            let bob = |replica| Client::with(schema, "bob", replica).given(guessed);
            let update = bob(1).sync(&mut server, "UPDATE notes SET locked = 2");
            let delete = bob(2).sync(&mut server, "DELETE FROM notes");
            let insert = Client::with(schema, "bob", 3).sync(&mut server, guessed);
            (format!("{update:?} {delete:?}").replace(|c: char| c.is_ascii_digit(), ""), code(&insert).to_owned())
        };
        let missing = answers("");
        let locked = answers("INSERT INTO notes VALUES ('n', 'alice', 1)");
        let unlocked = answers("INSERT INTO notes VALUES ('n', 'alice', 0)");
        assert_eq!((&missing.0, &locked), (&locked.0, &unlocked), "{policy:?}");
        assert_eq!((missing.1.as_str(), locked.1.as_str()), ("applied", "key_exists"));
    }
}

#[test]
fn a_rule_takes_the_place_of_ownership_for_writing_only() {
    let mut server = with(SCHEMA, [("lists", TableConfig { write: Some(WriteConfig::All("name <> 'fixed'".to_owned())), ..owned() })]);
    let mut alice = client("alice", 1);
    assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET name = 'fixed' WHERE id = 'a'")), "forbidden");
    assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET name = 'B' WHERE id = 'b'; UPDATE lists SET name = 'theirs' WHERE id = 'b'")), "merged");
    assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET owner_id = 'bob' WHERE id = 'a'")), "applied");
    assert_eq!(server.rows("SELECT id, name, owner_id FROM lists ORDER BY id"), ["a|A|bob", "b|B|bob"]);
}

#[test]
fn the_row_is_judged_as_the_servers_triggers_leave_it() {
    let trigger = "CREATE TRIGGER mark AFTER UPDATE OF title ON todos BEGIN UPDATE todos SET locked = (new.title = 'lock') WHERE id = new.id; END;";
    let mut server = with(&format!("{SCHEMA}{trigger}"), [("todos", ruled("NOT locked"))]);
    let mut alice = client("alice", 1);
    assert_eq!(code(&alice.sync(&mut server, "UPDATE todos SET title = 'lock' WHERE id = 'in_a'")), "forbidden");
    assert_eq!(code(&alice.sync(&mut server, "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'")), "applied");
    assert_eq!(server.rows("SELECT title, locked FROM todos WHERE id = 'in_a'"), ["Soy|0"]);
}

#[test]
fn a_row_that_a_trigger_makes_within_the_transaction_was_not_there_to_be_changed() {
    let trigger = "CREATE TRIGGER welcome AFTER INSERT ON lists WHEN new.id = 'c' BEGIN INSERT INTO todos VALUES ('first', new.id, 'Welcome', 1); END;";
    let mut server = with(&format!("{SCHEMA}{trigger}"), [("lists", owned()), ("todos", each(None, Some("true"), Some("true")))]);
    let mut alice = client("alice", 1).given("INSERT INTO lists VALUES ('c', 'C', 'alice'); INSERT INTO todos VALUES ('first', 'c', 'Welcome', 1)");
    let mut transaction = alice.write("UPDATE todos SET locked = 0 WHERE id = 'first'");
    let mut other = Client::with(SCHEMA, "alice", 2);
    transaction.changes.tables.extend(other.write("INSERT INTO lists VALUES ('c', 'C', 'alice')").changes.tables);
    assert_eq!(code(&alice.push(&mut server, &[transaction])[0]), "row_deleted");
    assert_eq!(server.rows("SELECT id FROM lists ORDER BY id"), ["a", "b"]);
}

#[test]
fn before_is_before_the_transaction_and_after_is_behind_it() {
    let mut server = with_todos(ruled(MEMBER));
    server.sql("INSERT INTO lists VALUES ('c', 'C', 'alice'); INSERT INTO todos VALUES ('in_c', 'c', 'Tea', 0)");
    let given = "INSERT INTO lists VALUES ('c', 'C', 'alice'); INSERT INTO todos VALUES ('in_c', 'c', 'Tea', 0)";
    let mut alice = client("alice", 1).given(given);
    let join = "INSERT INTO members VALUES ('c', 'alice');";
    // She owns the list and may join it. A new row is judged as a member's, a former one as nobody's yet.
    assert_eq!(code(&alice.sync(&mut server, &format!("{join} UPDATE todos SET title = 'Rum' WHERE id = 'in_c'"))), "forbidden");
    let mut alice = client("alice", 2).given(given);
    assert_eq!(code(&alice.sync(&mut server, &format!("{join} INSERT INTO todos VALUES ('new', 'c', 'Cake', 0)"))), "applied");
    // Whoever leaves may not leave a change behind.
    let leave = "UPDATE todos SET title = 'Bye' WHERE id = 'in_c'; DELETE FROM members WHERE list_id = 'c'";
    assert_eq!(code(&alice.sync(&mut server, leave)), "forbidden");
    assert_eq!(server.rows("SELECT title FROM todos WHERE list_id = 'c' ORDER BY id"), ["Tea", "Cake"]);
}

#[test]
fn a_user_who_loses_permission_has_pending_writes_rejected_and_the_later_ones_decided() {
    let mut server = with_todos(ruled(MEMBER));
    let mut bob = client("bob", 1);
    let accepted = bob.write("UPDATE todos SET title = 'Rye' WHERE id = 'in_b'");
    assert_eq!(code(&bob.push(&mut server, std::slice::from_ref(&accepted))[0]), "applied");
    let first = bob.write("UPDATE todos SET title = 'Spelt' WHERE id = 'in_b'");
    let mut second = bob.write("UPDATE todos SET locked = 1 WHERE id = 'in_b'");
    second.after = vec![first.sequence];
    let third = bob.write("UPDATE lists SET name = 'Mine still' WHERE id = 'b'");
    server.sql("DELETE FROM members WHERE user_id = 'bob'");
    let outcomes = bob.push(&mut server, &[accepted, first, second, third]);
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["applied", "forbidden", "depends_on", "applied"]);
    assert_eq!(server.rows("SELECT title, locked FROM todos WHERE id = 'in_b'"), ["Rye|0"]);
    assert_eq!(server.core.admit(&bob.principal.user, bob.replica, 0).unwrap().last_sequence, Sequence(4));
}

#[test]
fn what_may_not_be_written_is_refused_before_conflicts_are_looked_for() {
    let mut server = with_todos(TableConfig { conflict: Policy::Fail, ..ruled(MEMBER) });
    server.sql("UPDATE todos SET title = 'changed'");
    let outcome = client("bob", 1).sync(&mut server, "UPDATE todos SET title = 'x'");
    assert!(matches!(&outcome, Outcome::Rejected { code, data: None, .. } if code == "forbidden"), "{outcome:?}");
    assert_eq!(code(&client("bob", 2).sync(&mut server, "UPDATE todos SET title = 'x' WHERE id = 'in_b'")), "conflict");
}

#[test]
fn unique_values_that_are_swapped_are_judged_like_any_other() {
    let schema = "CREATE TABLE seats (id TEXT NOT NULL PRIMARY KEY, place INTEGER NOT NULL UNIQUE, held_by TEXT);";
    let rows = "INSERT INTO seats VALUES ('x', 1, 'alice'), ('y', 2, 'alice'), ('z', 3, 'bob');";
    let mut server = Bench::with(schema, &[("seats".to_owned(), ruled("held_by = auth.user_id() AND place < 3"))].into()).unwrap();
    server.sql(rows);
    let swap = |one: u8, other: u8| {
        format!("UPDATE seats SET place = -place; UPDATE seats SET place = CASE place WHEN -{one} THEN {other} WHEN -{other} THEN {one} ELSE -place END")
    };
    let alice = |replica| Client::with(schema, "alice", replica).given(rows);
    assert_eq!(code(&alice(1).sync(&mut server, &swap(1, 3))), "forbidden");
    assert_eq!(code(&alice(2).sync(&mut server, &swap(1, 2))), "applied");
    assert_eq!(server.rows("SELECT id, place FROM seats ORDER BY id"), ["x|2", "y|1", "z|3"]);
}
