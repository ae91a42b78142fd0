//! The application of the simulation: lists with todos with notes, each of one user; seats and accounts that all share.
//!
//! The server is stricter than the clients, so that writes are rejected: it knows CHECK constraints that
//! they do not, slugs are unique across users, and it writes in capitals who sits where.

use super::cell::{Cell, Row, Table, Tables};
use rusqlite::Connection;
use seaworthy_protocol::Policy;
use seaworthy_server::storage::{Migration, TableConfig, Tables as Served};
use seaworthy_store::Schema;
use std::collections::BTreeMap;

/// A synchronised table.
pub struct Shape {
    pub name: &'static str,
    pub columns: &'static [&'static str],
    pub key: &'static [&'static str],
    pub owner: Option<&'static str>,
    pub unique: Option<&'static str>,
}

pub const SHAPES: &[Shape] = &[
    Shape { name: "lists", columns: &["id", "name", "owner"], key: &["id"], owner: Some("owner"), unique: None },
    Shape { name: "todos", columns: &["id", "list", "title", "done", "slug", "owner"], key: &["id"], owner: Some("owner"), unique: Some("slug") },
    Shape { name: "notes", columns: &["id", "todo", "body", "owner"], key: &["id"], owner: Some("owner"), unique: None },
    Shape { name: "seats", columns: &["room", "seat", "who", "price"], key: &["room", "seat"], owner: None, unique: None },
    Shape { name: "accounts", columns: &["id", "balance"], key: &["id"], owner: None, unique: None },
];

/// How many accounts there are, and what is on each of them at first.
pub const ACCOUNTS: usize = 5;
pub const BALANCE: i64 = 100;

const CLIENT: &str = r#"{
  "version": 1,
  "tables": [
    { "name": "lists", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" }, { "name": "name", "type": "TEXT" }, { "name": "owner", "type": "TEXT" } ] },
    { "name": "todos", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" },
      { "name": "list", "type": "TEXT", "nullable": true, "references": { "table": "lists", "column": "id", "on_delete": "cascade" } },
      { "name": "title", "type": "TEXT" },
      { "name": "done", "type": "INTEGER" },
      { "name": "slug", "type": "TEXT", "nullable": true, "unique": true },
      { "name": "owner", "type": "TEXT" } ] },
    { "name": "notes", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" },
      { "name": "todo", "type": "TEXT", "references": { "table": "todos", "column": "id", "on_delete": "cascade" } },
      { "name": "body", "type": "BLOB", "nullable": true },
      { "name": "owner", "type": "TEXT" } ] },
    { "name": "seats", "primary_key": ["room", "seat"], "columns": [
      { "name": "room", "type": "TEXT" }, { "name": "seat", "type": "INTEGER" },
      { "name": "who", "type": "TEXT" }, { "name": "price", "type": "REAL" } ] },
    { "name": "accounts", "primary_key": ["id"], "columns": [ { "name": "id", "type": "TEXT" }, { "name": "balance", "type": "INTEGER" } ] },
    { "name": "drafts", "primary_key": ["id"], "local_only": true, "columns": [
      { "name": "id", "type": "TEXT" }, { "name": "body", "type": "TEXT" } ] }
  ]
}"#;

const SERVER: &str = "
    CREATE TABLE lists (
        id TEXT NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        owner TEXT NOT NULL
    );
    CREATE TABLE todos (
        id TEXT NOT NULL PRIMARY KEY,
        list TEXT REFERENCES lists (id) ON DELETE CASCADE,
        title TEXT NOT NULL CHECK (title <> 'refused'),
        done INTEGER NOT NULL,
        slug TEXT UNIQUE,
        owner TEXT NOT NULL
    );
    CREATE TABLE notes (
        id TEXT NOT NULL PRIMARY KEY,
        todo TEXT NOT NULL REFERENCES todos (id) ON DELETE CASCADE,
        body BLOB,
        owner TEXT NOT NULL
    );
    CREATE TABLE seats (
        room TEXT NOT NULL,
        seat INTEGER NOT NULL,
        who TEXT NOT NULL CHECK (who <> 'refused'),
        price REAL NOT NULL,
        PRIMARY KEY (room, seat)
    );
    CREATE TRIGGER seats_in_capitals AFTER UPDATE OF who ON seats WHEN new.who <> upper(new.who) BEGIN
        UPDATE seats SET who = upper(new.who) WHERE room = new.room AND seat = new.seat;
    END;
    CREATE TABLE accounts (id TEXT NOT NULL PRIMARY KEY, balance INTEGER NOT NULL);
    INSERT INTO accounts VALUES ('a0', 100), ('a1', 100), ('a2', 100), ('a3', 100), ('a4', 100);
";

/// What the clients declare.
pub fn client() -> Schema {
    Schema::from_json(CLIENT).expect("the schema is good")
}

/// What the server's operator wrote.
pub fn migrations() -> Vec<Migration> {
    vec![Migration { number: 1, name: "0001_create.sql".into(), sql: SERVER.into() }]
}

/// Policies by table.
pub type Policies = BTreeMap<&'static str, Policy>;

/// What the server serves to whom.
pub fn served(policies: &Policies) -> Served {
    let config = |shape: &Shape| TableConfig {
        owner: shape.owner.map(str::to_owned),
        open: shape.owner.is_none(),
        conflict: policies[shape.name],
        ..TableConfig::default()
    };
    SHAPES.iter().map(|shape| (shape.name.to_owned(), config(shape))).collect()
}

/// The table of this name.
pub fn shape(name: &str) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.name == name)
}

/// A column by its name.
pub fn column(shape: &Shape, name: &str) -> Option<&'static str> {
    shape.columns.iter().copied().find(|column| *column == name)
}

/// Whether a user may see a row.
pub fn sees(shape: &Shape, row: &Row, user: &str) -> bool {
    shape.owner.is_none_or(|owner| row[owner] == Cell::text(user))
}

/// The tables as a connection sees them.
pub fn read(conn: &Connection) -> rusqlite::Result<Tables> {
    let mut tables = Tables::new();
    let snapshot = conn.unchecked_transaction()?;
    for shape in SHAPES {
        let mut statement = snapshot.prepare_cached(&format!("SELECT {} FROM {}", shape.columns.join(", "), shape.name))?;
        let mut rows = statement.query([])?;
        let mut table = Table::new();
        while let Some(found) = rows.next()? {
            let mut row = Row::new();
            for (at, column) in shape.columns.iter().enumerate() {
                row.insert(column, Cell::from(found.get_ref(at)?));
            }
            table.insert(shape.key.iter().map(|column| row[column].clone()).collect(), row);
        }
        tables.insert(shape.name, table);
    }
    Ok(tables)
}

/// What a user may see of the server's tables.
pub fn visible(all: &Tables, user: &str) -> Tables {
    let of_shape = |shape: &'static Shape| all[shape.name].iter().filter(|(_, row)| sees(shape, row, user)).map(|(key, row)| (key.clone(), row.clone()));
    SHAPES.iter().map(|shape| (shape.name, of_shape(shape).collect())).collect()
}

/// No rows at all.
pub fn empty() -> Tables {
    SHAPES.iter().map(|shape| (shape.name, Table::new())).collect()
}
