//! Scenarios 4 and 5: keys of every kind, and keys that change.

use crate::fixture::{Fixture, open};
use rusqlite::Connection;

#[test]
fn a_key_that_changes_is_a_delete_and_an_insert() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('a', 'A'), ('b', 'B')"]);
    f.exec(&["UPDATE lists SET id = 'c' WHERE id = 'a'"]);
    assert_eq!(f.last_changes(), ["delete lists a", "insert lists c"]);
}

#[test]
fn swapped_keys_and_swapped_unique_values_survive_undo_and_replay() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title, slug) VALUES ('a', 'A', 's'), ('b', 'B', 't')"]);
    let swap = ["UPDATE todos SET id = '-' WHERE id = 'a'", "UPDATE todos SET id = 'a' WHERE id = 'b'", "UPDATE todos SET id = 'b' WHERE id = '-'"];
    f.exec(&swap);
    f.exec(&["UPDATE todos SET slug = NULL WHERE id = 'a'", "UPDATE todos SET slug = 't' WHERE id = 'b'", "UPDATE todos SET slug = 's' WHERE id = 'a'"]);
    const STATE: &str = "SELECT id || title || slug FROM todos ORDER BY id";
    assert_eq!(f.rows(STATE), ["aBs", "bAt"]);
    // A remote row in the same table with a UNIQUE value that a pending row holds forces undo and replay.
    let rows = f.todos(&[("a", "remote")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.rows(STATE), ["aBs", "bAt"]);
    assert_eq!(f.store.counts().unwrap().blocked, 0);
}

#[test]
fn keys_of_every_usable_kind_are_captured_applied_and_undone() {
    let schema = r#"{ "tables": [
        { "name": "composite", "primary_key": ["b", "a"], "columns": [{ "name": "a", "type": "TEXT" }, { "name": "b", "type": "INTEGER" }, { "name": "v", "type": "TEXT" }] },
        { "name": "numbers", "primary_key": ["n"], "keys": "application", "columns": [{ "name": "n", "type": "INTEGER" }, { "name": "v", "type": "TEXT" }] },
        { "name": "blobs", "primary_key": ["k"], "columns": [{ "name": "k", "type": "BLOB" }, { "name": "v", "type": "TEXT" }] },
        { "name": "select", "primary_key": ["or\"der"], "columns": [{ "name": "or\"der", "type": "TEXT" }, { "name": "group by", "type": "TEXT" }] }
    ] }"#;
    let mut f = Fixture::with_schema(schema);
    f.exec(&[
        "INSERT INTO composite VALUES ('x', 1, 'v')",
        "INSERT INTO numbers VALUES (-9223372036854775808, 'v')",
        "INSERT INTO blobs VALUES (x'00ff', 'v')",
        r#"INSERT INTO "select" VALUES ('k', 'v')"#,
    ]);
    f.exec(&["UPDATE composite SET v = 'w'", "UPDATE numbers SET v = 'w'", "UPDATE blobs SET v = 'w'", r#"UPDATE "select" SET "group by" = 'w'"#]);
    assert_eq!(f.last_changes().len(), 4);
    // Everything is undone by a reset that names nothing, since both transactions are rejected.
    f.decide(1, crate::fixture::rejected);
    f.decide(2, crate::fixture::rejected);
    let ended = f.checkpoint(&[]);
    assert_eq!(ended.rejected.len(), 2);
    assert_eq!(
        f.rows(r#"SELECT (SELECT count(*) FROM composite) + (SELECT count(*) FROM numbers) + (SELECT count(*) FROM blobs) + (SELECT count(*) FROM "select")"#),
        ["0"]
    );
}

#[test]
fn a_table_of_two_hundred_columns_is_synchronised() {
    let columns: Vec<_> = (0..200).map(|n| format!(r#"{{ "name": "c{n}", "type": "INTEGER", "nullable": {} }}"#, n > 0)).collect();
    let schema = format!(r#"{{ "tables": [{{ "name": "wide", "primary_key": ["c0"], "keys": "application", "columns": [{}] }}] }}"#, columns.join(","));
    let mut f = Fixture::with_schema(&schema);
    f.exec(&["INSERT INTO wide (c0, c199) VALUES (1, 7)", "UPDATE wide SET c199 = 8"]);
    f.exec(&["UPDATE wide SET c150 = 1"]);
    assert_eq!(f.last_changes(), ["update wide 1 c150:NULL>1"]);
}

#[test]
fn keys_that_cannot_be_used_are_refused_with_what_to_change() {
    let cases = [
        ("CREATE TABLE t (id TEXT, PRIMARY KEY (id))", "NOT NULL"),
        ("CREATE TABLE t (id TEXT NOT NULL)", "primary key"),
        ("CREATE TABLE t (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY)", "NOCASE"),
        ("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY)", "two offline replicas"),
    ];
    for (sql, words) in cases {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        let kind = if sql.contains("INTEGER") { "INTEGER" } else { "TEXT" };
        let error = open(conn, &format!(r#"{{ "tables": [{{ "name": "t", "primary_key": ["id"], "columns": [{{ "name": "id", "type": "{kind}" }}] }}] }}"#))
            .err()
            .unwrap();
        assert_eq!(error.code(), "SchemaMismatch", "{sql}");
        assert!(error.to_string().contains(words), "{sql}: {error}");
    }
    let error =
        open(Connection::open_in_memory().unwrap(), r#"{ "tables": [{ "name": "t", "primary_key": [], "columns": [{ "name": "a", "type": "TEXT" }] }] }"#)
            .err()
            .unwrap();
    assert!(error.to_string().contains("primary key"), "{error}");
}

#[test]
fn a_table_without_rowid_is_synchronised() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v TEXT, twice INTEGER GENERATED ALWAYS AS (id * 2)) WITHOUT ROWID").unwrap();
    let schema = r#"{ "tables": [{ "name": "t", "primary_key": ["id"], "columns": [{ "name": "id", "type": "INTEGER" }, { "name": "v", "type": "TEXT", "nullable": true }] }] }"#;
    let mut f = Fixture::on(conn, schema);
    f.exec(&["INSERT INTO t (id, v) VALUES (3, 'x')"]);
    assert_eq!(f.last_changes(), ["insert t 3"], "an integer key without rowid is never chosen by SQLite; the generated column stays here");
}
