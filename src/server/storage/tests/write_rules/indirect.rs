//! Changes that a client calls the effect of a trigger or cascade: they permit nothing, and the server's own are not judged.

use super::{MEMBER, ROWS, SCHEMA, client, each, ruled, with, with_todos};
use crate::storage::tests::{
    Bench, Client,
    bench::{code, owned},
};
use seaworthy_protocol::{Transaction, Value};

fn indirectly(mut transaction: Transaction) -> Transaction {
    transaction.changes.tables.iter_mut().flat_map(|table| &mut table.rows).for_each(|row| row.indirect = true);
    transaction
}

#[test]
fn calling_a_change_indirect_gets_round_no_rule() {
    for write in [
        "INSERT INTO todos VALUES ('new', 'a', 'Oats', 0)",
        "UPDATE todos SET title = 'Soy' WHERE id = 'in_a'",
        "UPDATE todos SET list_id = 'b' WHERE id = 'in_a'",
        "UPDATE todos SET list_id = 'a' WHERE id = 'in_b'",
        "DELETE FROM todos WHERE id = 'in_a'",
        // The cascade of the list that is not Bob's does not happen on the server.
        "DELETE FROM lists WHERE id = 'a'",
    ] {
        let mut server = with_todos(ruled(MEMBER));
        let mut bob = client("bob", 1);
        let transaction = indirectly(bob.write(write));
        assert_eq!(code(&bob.push(&mut server, &[transaction])[0]), "forbidden", "{write}");
        assert_eq!(server.rows("SELECT id, list_id, title FROM todos ORDER BY id"), ["in_a|a|Milk", "in_b|b|Bread"], "{write}");
    }
}

#[test]
fn what_the_server_has_done_itself_is_not_judged() {
    // Nobody may delete a todo, but whoever deletes a list takes its todos along, here as on the client.
    let mut server = with_todos(each(Some(MEMBER), Some(MEMBER), None));
    let mut alice = client("alice", 1);
    assert_eq!(code(&alice.sync(&mut server, "DELETE FROM todos WHERE id = 'in_a'")), "forbidden");
    let mut alice = client("alice", 2);
    let delete = alice.write("DELETE FROM lists WHERE id = 'a'");
    assert!(delete.changes.tables.iter().any(|table| table.name == "todos" && table.rows.iter().all(|row| row.indirect)));
    assert_eq!(code(&alice.push(&mut server, &[delete])[0]), "applied");
    assert_eq!(server.rows("SELECT id FROM todos"), ["in_b"]);
}

#[test]
fn a_trigger_on_both_sides_may_write_what_the_user_may_not() {
    let trigger = "CREATE TRIGGER renamed AFTER UPDATE OF name ON lists BEGIN UPDATE todos SET title = new.name WHERE list_id = new.id; END;";
    let schema = format!("{SCHEMA}{trigger}");
    let mut server = with(&schema, [("lists", owned()), ("todos", ruled("false"))]);
    let mut alice = Client::with(&schema, "alice", 1).given(ROWS);
    assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET name = 'Same' WHERE id = 'a'")), "applied");
    assert_eq!(server.rows("SELECT title FROM todos WHERE id = 'in_a'"), ["Same"]);
    // What the client's trigger made otherwise is the client's.
    let mut forged = alice.write("UPDATE lists SET name = 'Other' WHERE id = 'a'");
    let todos = forged.changes.tables.iter_mut().find(|table| table.name == "todos").unwrap();
    todos.rows[0].new.iter_mut().flatten().for_each(|value| *value = "forged".into());
    assert_eq!(code(&alice.push(&mut server, &[forged])[0]), "forbidden");
    assert_eq!(server.rows("SELECT title FROM todos WHERE id = 'in_a'"), ["Same"]);
}

#[test]
fn rows_that_a_cascade_lets_go_are_not_judged_on_either_side() {
    let schema = "
        CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner_id TEXT NOT NULL);
        CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id TEXT REFERENCES lists (id) ON DELETE SET NULL ON UPDATE CASCADE, title TEXT, locked INTEGER);";
    let rows = "INSERT INTO lists VALUES ('a', 'A', 'alice'); INSERT INTO todos VALUES ('t', 'a', 'Milk', 0);";
    let in_her_list = "EXISTS (SELECT 1 FROM lists WHERE lists.id = todos.list_id AND lists.owner_id = auth.user_id())";
    // Without its list the todo is nobody's; or it never was hers to write.
    for rule in [in_her_list, "false"] {
        let delete = "DELETE FROM lists WHERE id = 'a'";
        let tables = [("lists".to_owned(), owned()), ("todos".to_owned(), ruled(rule))].into();
        let mut server = Bench::with(&format!("{schema}{rows}"), &tables).unwrap();
        let mut alice = Client::with(schema, "alice", 1).given(rows);
        let mut forged = alice.write(delete);
        let todos = forged.changes.tables.iter_mut().find(|table| table.name == "todos").unwrap();
        todos.rows[0].new.iter_mut().flatten().for_each(|value| *value = "elsewhere".into());
        assert_eq!(code(&alice.push(&mut server, &[forged])[0]), "forbidden", "{rule}");
        let before = server.pull("alice", None).checkpoint.cursor;
        let mut alice = Client::with(schema, "alice", 2).given(rows);
        assert_eq!(code(&alice.sync(&mut server, delete)), "applied", "{rule}");
        let pulled = server.pull("alice", Some(before));
        assert_eq!((&pulled.rows[0].gone[0][0], &pulled.rows[1].rows[0][..2]), (&Value::from("a"), &[Value::from("t"), Value::Null][..]), "{rule}");
    }
}

#[test]
fn a_todo_that_may_not_be_written_keeps_its_list_from_changing_its_key() {
    let cascades = SCHEMA.replace("ON DELETE CASCADE,\n        title", "ON DELETE CASCADE ON UPDATE CASCADE,\n        title");
    for (rule, expected) in [("false", "forbidden"), ("true", "applied")] {
        let mut server = with(&cascades, [("lists", owned()), ("todos", ruled(rule))]);
        server.sql("DELETE FROM members");
        let mut alice = Client::with(&cascades, "alice", 1).given(ROWS).given("DELETE FROM members");
        assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET id = 'z' WHERE id = 'a'")), expected);
        let list = if expected == "applied" { "z" } else { "a" };
        assert_eq!(server.rows("SELECT list_id FROM todos WHERE id = 'in_a'"), [list]);
    }
}
