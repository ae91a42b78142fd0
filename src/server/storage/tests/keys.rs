//! Keys and UNIQUE values that move, and the children that depend on them.

use super::{
    Bench, Client,
    bench::{code, open, rows},
};

const LISTS: &str = "
    INSERT INTO lists VALUES ('l1', 'One', 'alice', 'one');
    INSERT INTO lists VALUES ('l2', 'Two', 'alice', 'two');
    INSERT INTO lists VALUES ('l3', 'Three', 'alice', 'three');
    INSERT INTO todos VALUES ('t1', 'l1', 'Milk', 'alice', 0);
    INSERT INTO todos VALUES ('t2', 'l2', 'Bread', 'alice', 0);";

const ALL: &str = "SELECT 'l', id, name, slug, '' FROM lists UNION ALL SELECT 't', id, list_id, title, done FROM todos ORDER BY 1, 2";

/// Pushes one transaction and checks that the server's tables are the client's.
fn arrives(sql: &str) {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    assert_eq!(code(&alice.sync(&mut server, LISTS)), "applied");
    let cursor = server.pull("alice", None).checkpoint.cursor;
    assert_eq!(code(&alice.sync(&mut server, sql)), "applied", "{sql}");
    assert_eq!(server.rows(ALL), rows(&alice.conn, ALL), "{sql}");
    // What is tracked is what there is, so that others get the same.
    let tracked = "SELECT name, count(*) FROM seaworthy_rows JOIN seaworthy_streams ON stream = number WHERE NOT gone GROUP BY name ORDER BY name";
    let there = "SELECT * FROM (SELECT 'lists', count(*) AS n FROM lists UNION ALL SELECT 'todos', count(*) FROM todos) WHERE n > 0";
    assert_eq!(server.rows(tracked), server.rows(there), "{sql}");
    assert!(!server.pull("alice", Some(cursor)).rows.is_empty(), "{sql}");
}

#[test]
fn unique_values_swap_between_two_rows() {
    arrives("UPDATE lists SET slug = 'x' WHERE id = 'l1'; UPDATE lists SET slug = 'one' WHERE id = 'l2'; UPDATE lists SET slug = 'two' WHERE id = 'l1'");
}

#[test]
fn unique_values_go_round_between_three_rows_and_their_children_stay() {
    arrives("UPDATE lists SET slug = NULL; UPDATE lists SET slug = CASE id WHEN 'l1' THEN 'two' WHEN 'l2' THEN 'three' ELSE 'one' END");
}

#[test]
fn a_unique_value_passes_from_a_deleted_row_to_a_new_one() {
    arrives("DELETE FROM lists WHERE id = 'l3'; INSERT INTO lists VALUES ('l4', 'Four', 'alice', 'three')");
}

#[test]
fn a_unique_value_passes_along_a_chain_to_a_new_row() {
    arrives(
        "UPDATE lists SET slug = 'new' WHERE id = 'l1'; UPDATE lists SET slug = 'one' WHERE id = 'l2';
         UPDATE lists SET slug = 'two' WHERE id = 'l3'; INSERT INTO lists VALUES ('l0', 'Zero', 'alice', 'three')",
    );
}

#[test]
fn a_swap_and_an_insert_into_a_freed_value_in_one_transaction() {
    arrives(
        "UPDATE lists SET slug = NULL; UPDATE lists SET slug = 'one' WHERE id = 'l2'; UPDATE lists SET slug = 'two' WHERE id = 'l1';
         INSERT INTO lists VALUES ('l0', 'Zero', 'alice', 'three')",
    );
}

#[test]
fn a_key_changes_and_its_children_follow() {
    arrives("UPDATE lists SET id = 'l9' WHERE id = 'l1'");
}

#[test]
fn two_keys_swap_with_their_unique_values_and_children() {
    arrives("UPDATE lists SET id = 'x' WHERE id = 'l1'; UPDATE lists SET id = 'l1' WHERE id = 'l2'; UPDATE lists SET id = 'l2' WHERE id = 'x'");
}

#[test]
fn a_child_moves_away_before_its_parent_is_deleted() {
    arrives("UPDATE todos SET list_id = 'l2' WHERE id = 't1'; DELETE FROM lists WHERE id = 'l1'");
}

#[test]
fn a_parent_is_replaced_by_another_and_keeps_the_children() {
    arrives(
        "INSERT INTO lists VALUES ('l9', 'Nine', 'alice', 'nine'); UPDATE todos SET list_id = 'l9' WHERE id = 't1';
         DELETE FROM lists WHERE id = 'l1'; UPDATE lists SET slug = 'one' WHERE id = 'l9'",
    );
}

#[test]
fn a_cascade_over_a_table_without_a_condition() {
    arrives("DELETE FROM lists");
}

#[test]
fn a_replace_evicts_another_row_by_its_unique_value() {
    arrives("INSERT OR REPLACE INTO lists VALUES ('l8', 'Eight', 'alice', 'one')");
}

#[test]
fn a_value_passes_to_a_row_whose_former_parent_goes() {
    arrives("UPDATE lists SET slug = NULL WHERE id = 'l3'; DELETE FROM lists WHERE id = 'l1'; UPDATE lists SET slug = 'one' WHERE id = 'l2'");
}

#[test]
fn children_are_deleted_before_the_parent_that_they_restrict() {
    let schema = "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY); CREATE TABLE b (id TEXT NOT NULL PRIMARY KEY, a TEXT REFERENCES a (id) ON DELETE RESTRICT)";
    let mut server = Bench::with(schema, &[("a".to_owned(), open()), ("b".to_owned(), open())].into()).unwrap();
    let mut client = Client::with(schema, "alice", 1);
    client.sync(&mut server, "INSERT INTO a VALUES ('a1'); INSERT INTO b VALUES ('b1', 'a1')");
    assert_eq!(code(&client.sync(&mut server, "DELETE FROM b; DELETE FROM a")), "applied");
    server.sql("INSERT INTO a VALUES ('a1'); INSERT INTO b VALUES ('hidden', 'a1')");
    let mut other = Client::with(schema, "alice", 2).given("INSERT INTO a VALUES ('a1')");
    assert_eq!(code(&other.sync(&mut server, "DELETE FROM a")), "foreign_key");
}

#[test]
fn a_swap_that_leaves_a_child_without_its_parent_is_rejected() {
    let schema = "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, u TEXT UNIQUE)";
    let with_child = format!("{schema}; CREATE TABLE c (id INTEGER PRIMARY KEY, u TEXT REFERENCES a (u))");
    let mut server = Bench::with(&with_child, &[("a".to_owned(), open())].into()).unwrap();
    let mut client = Client::with(schema, "alice", 1);
    client.sync(&mut server, "INSERT INTO a VALUES ('1', 'x'); INSERT INTO a VALUES ('2', 'y'); INSERT INTO a VALUES ('3', 'z')");
    server.sql("INSERT INTO c VALUES (1, 'z')");
    let rotate = "UPDATE a SET u = NULL; UPDATE a SET u = CASE id WHEN '1' THEN 'y' WHEN '2' THEN 'x' ELSE 'w' END";
    assert_eq!(code(&client.sync(&mut server, rotate)), "foreign_key");
    assert_eq!(server.rows("SELECT u FROM a ORDER BY id"), ["x", "y", "z"]);
    // Foreign keys look again afterwards.
    assert!(server.core.connection().execute("DELETE FROM a WHERE u = 'z'", []).is_err());
}

#[test]
fn a_shuffled_row_keeps_its_rowid_and_what_does_not_replicate() {
    let schema = "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, u TEXT UNIQUE, secret TEXT DEFAULT 's', twice TEXT GENERATED ALWAYS AS (u || u) STORED)";
    let mut config = open();
    config.columns = Some(vec!["id".to_owned(), "u".to_owned()]);
    let mut server = Bench::with(schema, &[("a".to_owned(), config)].into()).unwrap();
    let mut client = Client::with("CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, u TEXT UNIQUE)", "alice", 1);
    client.sync(&mut server, "INSERT INTO a VALUES ('1', 'x'); INSERT INTO a VALUES ('2', 'y')");
    server.sql("UPDATE a SET secret = 'kept' || id");
    let before = server.rows("SELECT rowid, id, secret FROM a ORDER BY id");
    assert_eq!(code(&client.sync(&mut server, "UPDATE a SET u = NULL; UPDATE a SET u = CASE id WHEN '1' THEN 'y' ELSE 'x' END")), "applied");
    assert_eq!(server.rows("SELECT rowid, id, secret FROM a ORDER BY id"), before);
    assert_eq!(server.rows("SELECT twice FROM a ORDER BY id"), ["yy", "xx"]);
}

#[test]
fn integer_keys_that_the_application_assigns() {
    let schema = "CREATE TABLE n (id INTEGER PRIMARY KEY, u TEXT UNIQUE)";
    let mut config = open();
    config.keys = Some(crate::storage::Keys::Application);
    let mut server = Bench::with(schema, &[("n".to_owned(), config)].into()).unwrap();
    let mut client = Client::with(schema, "alice", 1);
    client.sync(&mut server, "INSERT INTO n VALUES (1, 'x'), (2, 'y'), (9007199254740993, 'z')");
    assert_eq!(code(&client.sync(&mut server, "UPDATE n SET u = NULL; UPDATE n SET u = CASE id WHEN 1 THEN 'y' ELSE 'x' END WHERE id < 3")), "applied");
    assert_eq!(code(&client.sync(&mut server, "UPDATE n SET id = -id")), "applied");
    assert_eq!(server.rows("SELECT * FROM n ORDER BY id"), rows(&client.conn, "SELECT * FROM n ORDER BY id"));
}
