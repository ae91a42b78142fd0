//! Which tables may be synchronised.

use super::{
    Bench,
    bench::{open, owned},
};
use crate::storage::{Keys, OpenError, TableConfig};

fn refusal(schema: &str, table: &str, config: TableConfig) -> String {
    match Bench::with(schema, &[(table.to_owned(), config)].into()) {
        Err(OpenError::Table(error)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => "accepted".to_owned(),
    }
}

#[test]
fn a_table_that_cannot_be_synchronised_is_refused_with_what_to_change() {
    let listed = |columns: &[&str]| TableConfig { columns: Some(columns.iter().map(|c| (*c).to_owned()).collect()), ..open() };
    let both = TableConfig { open: true, ..owned() };
    for (schema, table, config, expected) in [
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY)", "t", TableConfig::default(), "no stream reads it"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT)", "t", both, "Keep one"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY)", "T", open(), "no table of this name"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY)", "seaworthy_log", open(), "Rename"),
        ("CREATE VIEW t AS SELECT 1", "t", open(), "is a view"),
        ("CREATE VIRTUAL TABLE t USING fts5(x)", "t", open(), "is a virtual"),
        ("CREATE TABLE t (id TEXT)", "t", open(), "Declare one"),
        ("CREATE TABLE t (id TEXT PRIMARY KEY)", "t", open(), "NOT NULL"),
        ("CREATE TABLE t (a TEXT NOT NULL, b TEXT, PRIMARY KEY (a, b))", "t", open(), "key column b may be NULL"),
        ("CREATE TABLE t (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY)", "t", open(), "COLLATE BINARY"),
        ("CREATE TABLE t (id TEXT COLLATE RTRIM PRIMARY KEY) WITHOUT ROWID", "t", open(), "COLLATE BINARY"),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY)", "t", open(), "keys = \"application\""),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY)", "t", owned(), "no column owner_id"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, owner_id INTEGER)", "t", owned(), "Declare it TEXT"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT COLLATE NOCASE)", "t", owned(), "COLLATE BINARY"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT AS ('x'))", "t", owned(), "generated"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, v)", "t", listed(&["v"]), "Add it"),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, v)", "t", listed(&["id", "V"]), "no column V"),
        (
            "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT raise ( Rollback, 'x'); END",
            "t",
            open(),
            "Use RAISE(ABORT)",
        ),
    ] {
        let message = refusal(schema, table, config);
        assert!(message.contains(expected), "{schema}: {message}");
    }
}

#[test]
fn tables_that_can_be_synchronised_are_accepted() {
    for (schema, config) in [
        ("CREATE TABLE t (id TEXT PRIMARY KEY) WITHOUT ROWID", open()),
        ("CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, owner_id VARCHAR(20))", owned()),
        ("CREATE TABLE t (id BLOB NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (n, id))", open()),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY)", TableConfig { keys: Some(Keys::Application), ..open() }),
        ("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY DESC)", open()),
    ] {
        assert_eq!(refusal(schema, "t", config), "accepted", "{schema}");
    }
}
