//! Changesets as SQLite's own session extension writes them.

use rusqlite::{Connection, session::Session};
use std::collections::BTreeMap;

pub struct Sample {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    /// The columns of each table, in its order.
    pub columns: BTreeMap<String, Vec<String>>,
}

/// Name, schema and rows before, and what is recorded.
const SAMPLES: [(&str, &str, &str); 6] = [
    (
        "insert_update_delete",
        "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, title TEXT NOT NULL, done INTEGER NOT NULL);
         INSERT INTO todos VALUES ('t1', 'Buy milk', 0), ('t2', 'Old', 1)",
        "INSERT INTO todos VALUES ('t3', 'New', 0);
         UPDATE todos SET done = 1 WHERE id = 't1';
         DELETE FROM todos WHERE id = 't2'",
    ),
    (
        "composite_key_in_another_order",
        "CREATE TABLE members (user TEXT NOT NULL, role TEXT, list TEXT NOT NULL, PRIMARY KEY (list, user)) WITHOUT ROWID;
         INSERT INTO members VALUES ('bob', 'reader', 'l1')",
        "UPDATE members SET role = 'writer';
         INSERT INTO members VALUES ('eve', NULL, 'l1')",
    ),
    (
        "cascade",
        "CREATE TABLE lists (id TEXT PRIMARY KEY NOT NULL);
         CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL, list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE);
         INSERT INTO lists VALUES ('l1');
         INSERT INTO todos VALUES ('t1', 'l1')",
        "DELETE FROM lists",
    ),
    (
        "values",
        "CREATE TABLE things (id INTEGER PRIMARY KEY NOT NULL, value)",
        "INSERT INTO things VALUES
           (1, NULL), (2, 9007199254740993), (3, -9223372036854775808), (4, 1), (5, 1.0), (6, -0.0), (7, 5e-324),
           (8, 9e999), (9, ''), (10, 'a' || char(0) || 'b'), (11, x''), (12, x'00ff80'), (13, '🌊')",
    ),
    (
        "quoted_names",
        r#"CREATE TABLE "select ""from""" ("order" BLOB PRIMARY KEY NOT NULL, "naïve group" TEXT)"#,
        r#"INSERT INTO "select ""from""" VALUES (x'01', 'where')"#,
    ),
    ("nothing", "CREATE TABLE todos (id TEXT PRIMARY KEY NOT NULL); INSERT INTO todos VALUES ('t1')", "UPDATE todos SET id = 't1'"),
];

pub fn samples() -> Vec<Sample> {
    SAMPLES.into_iter().map(|(name, before, recorded)| record(name, before, recorded)).collect()
}

fn record(name: &'static str, before: &str, recorded: &str) -> Sample {
    let db = Connection::open_in_memory().unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    db.execute_batch(before).unwrap();
    let mut session = Session::new(&db).unwrap();
    session.attach::<&str>(None).unwrap();
    db.execute_batch(recorded).unwrap();
    let mut bytes = Vec::new();
    session.changeset_strm(&mut bytes).unwrap();
    drop(session);
    Sample { name, bytes, columns: columns(&db) }
}

fn columns(db: &Connection) -> BTreeMap<String, Vec<String>> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid";
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        columns.entry(row.get(0).unwrap()).or_default().push(row.get(1).unwrap());
    }
    columns
}
