//! The policy `rebase`: what becomes of writes that meet.

use super::{
    Bench, Client,
    bench::{code, open},
};
use seaworthy_protocol::{Outcome, RowKey, Value};

const LISTS: &str = "INSERT INTO lists VALUES ('l1', 'One', 'alice', 'one'); INSERT INTO lists VALUES ('l2', 'Two', 'alice', 'two');";
const TODO: &str = "INSERT INTO todos VALUES ('t1', 'l1', 'Milk', 'alice', 0);";

/// A server with rows, and two devices of one user that have them.
fn two_devices() -> (Bench, Client, Client) {
    let mut server = Bench::new();
    let mut phone = Client::new("alice", 1);
    assert_eq!(code(&phone.sync(&mut server, &format!("{LISTS}{TODO}"))), "applied");
    (server, phone, Client::new("alice", 2).given(LISTS).given(TODO))
}

#[test]
fn different_columns_of_a_row_are_merged_and_the_last_push_wins_on_the_same() {
    let (mut server, mut phone, mut laptop) = two_devices();
    phone.sync(&mut server, "UPDATE todos SET title = 'Oat milk', done = 1");
    assert_eq!(code(&laptop.sync(&mut server, "UPDATE todos SET title = 'Soy milk'")), "applied");
    assert_eq!(server.rows("SELECT title, done FROM todos"), ["Soy milk|1"]);
}

#[test]
fn an_update_of_a_row_that_is_gone_is_dropped_and_named() {
    let (mut server, mut phone, mut laptop) = two_devices();
    phone.sync(&mut server, "DELETE FROM todos");
    let outcome = laptop.sync(&mut server, "UPDATE todos SET title = 'Soy milk'");
    let gone = RowKey { table: "todos".to_owned(), key: vec![Value::from("t1")] };
    assert!(matches!(outcome, Outcome::Merged { dropped, .. } if dropped == [gone]));
    assert_eq!(server.rows("SELECT * FROM todos"), [""; 0]);
}

#[test]
fn an_update_of_a_row_that_is_gone_rejects_the_changes_that_would_stand_without_it() {
    let (mut server, mut phone, mut laptop) = two_devices();
    phone.sync(&mut server, "DELETE FROM todos");
    assert_eq!(code(&laptop.sync(&mut server, "UPDATE todos SET title = 'Soy milk'; UPDATE lists SET name = 'L' WHERE id = 'l1'")), "row_deleted");
    assert_eq!(server.rows("SELECT name FROM lists WHERE id = 'l1'"), ["One"]);
}

#[test]
fn an_indirect_update_of_a_row_that_is_gone_does_not_reject() {
    let (mut server, mut phone, mut laptop) = two_devices();
    phone.sync(&mut server, "DELETE FROM todos");
    // ON UPDATE CASCADE rewrites the todo that the server no longer has.
    let outcome = laptop.sync(&mut server, "UPDATE lists SET id = 'l9' WHERE id = 'l1'");
    assert_eq!(code(&outcome), "merged");
    assert_eq!(server.rows("SELECT id FROM lists ORDER BY id"), ["l2", "l9"]);
}

#[test]
fn a_delete_deletes_and_deleting_what_is_gone_does_nothing() {
    let (mut server, mut phone, mut laptop) = two_devices();
    phone.sync(&mut server, "UPDATE todos SET title = 'Oat milk'");
    assert_eq!(code(&laptop.sync(&mut server, "DELETE FROM todos")), "applied");
    assert_eq!(code(&phone.sync(&mut server, "DELETE FROM todos")), "applied");
    assert_eq!(server.rows("SELECT * FROM todos"), [""; 0]);
}

#[test]
fn an_insert_of_an_existing_key_becomes_an_update() {
    let (mut server, mut phone, mut laptop) = two_devices();
    phone.sync(&mut server, "INSERT INTO todos VALUES ('t2', 'l1', 'Bread', 'alice', 1)");
    assert_eq!(code(&laptop.sync(&mut server, "INSERT INTO todos VALUES ('t2', 'l2', 'Rye', 'alice', 0)")), "applied");
    assert_eq!(server.rows("SELECT list_id, title, done FROM todos WHERE id = 't2'"), ["l2|Rye|0"]);
}

#[test]
fn constraints_reject_the_whole_transaction() {
    let (mut server, _, _) = two_devices();
    let loose = "CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name, owner_id, slug);
                 CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id, title, owner_id, done)";
    let mut client = Client::with(loose, "alice", 3);
    let good = "INSERT INTO lists VALUES ('l7', 'Seven', 'alice', 'seven');";
    for (bad, expected) in [
        ("INSERT INTO lists VALUES ('l8', 'Eight', 'alice', 'one')", "constraint"),
        ("INSERT INTO lists VALUES ('l8', NULL, 'alice', NULL)", "constraint"),
        ("INSERT INTO todos VALUES ('t8', 'l1', '', 'alice', 0)", "constraint"),
        ("INSERT INTO todos VALUES ('t8', 'nowhere', 'Milk', 'alice', 0)", "foreign_key"),
    ] {
        assert_eq!(code(&client.sync(&mut server, &format!("{good}{bad}"))), expected, "{bad}");
        client.conn.execute_batch("DELETE FROM lists; DELETE FROM todos").unwrap();
    }
    assert_eq!(server.rows("SELECT id FROM lists ORDER BY id"), ["l1", "l2"]);
    assert_eq!(code(&client.sync(&mut server, good)), "applied");
}

#[test]
fn a_child_may_come_before_its_parent_within_a_transaction() {
    let (mut server, mut phone, _) = two_devices();
    let write = "INSERT INTO todos VALUES ('t5', 'l5', 'Milk', 'alice', 0); INSERT INTO lists VALUES ('l5', 'Five', 'alice', NULL)";
    assert_eq!(code(&phone.sync(&mut server, write)), "applied");
}

#[test]
fn a_value_that_a_strict_column_refuses_is_a_bad_value() {
    let strict = [("n".to_owned(), open())].into();
    let mut server = Bench::with("CREATE TABLE n (id INTEGER NOT NULL PRIMARY KEY DESC, v INTEGER) STRICT", &strict).unwrap();
    let mut client = Client::with("CREATE TABLE n (id NOT NULL PRIMARY KEY, v)", "alice", 1);
    assert_eq!(code(&client.sync(&mut server, "INSERT INTO n VALUES (1, 'one')")), "bad_value");
    assert_eq!(code(&client.sync(&mut server, "INSERT INTO n VALUES ('k', 1)")), "bad_value");
}

#[test]
fn what_the_servers_triggers_do_enters_the_log_and_reaches_the_writer() {
    let schema = "
        CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, v TEXT);
        CREATE TABLE b (id TEXT NOT NULL PRIMARY KEY, n INTEGER);
        CREATE TABLE audit (line TEXT);
        CREATE TRIGGER a_insert AFTER INSERT ON a BEGIN
            UPDATE a SET v = upper(new.v) WHERE id = new.id;
            INSERT INTO b VALUES (new.id, 1);
            INSERT INTO audit VALUES (new.id);
        END;
        CREATE TRIGGER a_delete BEFORE DELETE ON a BEGIN SELECT RAISE(ABORT, 'a stays'); END;";
    let mut server = Bench::with(schema, &[("a".to_owned(), open()), ("b".to_owned(), open())].into()).unwrap();
    let mut client = Client::with("CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, v TEXT)", "alice", 1);
    assert_eq!(code(&client.sync(&mut server, "INSERT INTO a VALUES ('k', 'v')")), "applied");
    let pulled = server.pull("alice", None).rows;
    assert_eq!(pulled[0].rows, [vec![Value::from("k"), Value::from("V")]]);
    assert_eq!(pulled[1].rows, [vec![Value::from("k"), Value::from(1)]]);
    let refused = client.sync(&mut server, "DELETE FROM a");
    assert!(matches!(&refused, Outcome::Rejected { code, message, .. } if code == "constraint" && message == "a stays"), "{refused:?}");
}
