//! The application of the simulation: lists with todos with notes, each of one user; seats that all share.
//!
//! The server is stricter than the clients, so that writes are rejected: it knows CHECK constraints that
//! they do not, and slugs are unique across users.

use super::cell::{Cell, Row, Table, Tables};
use rusqlite::Connection;
use seaworthy_server::storage::{Migration, TableConfig, Tables as Served};
use seaworthy_store::Schema;

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
];

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
";

/// What the clients declare.
pub fn client() -> Schema {
    Schema::from_json(CLIENT).expect("the schema is good")
}

/// What the server's operator wrote.
pub fn migrations() -> Vec<Migration> {
    vec![Migration { number: 1, name: "0001_create.sql".into(), sql: SERVER.into() }]
}

/// What the server serves to whom.
pub fn served() -> Served {
    let config = |shape: &Shape| TableConfig { owner: shape.owner.map(str::to_owned), open: shape.owner.is_none(), ..TableConfig::default() };
    SHAPES.iter().map(|shape| (shape.name.to_owned(), config(shape))).collect()
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
    let user = Cell::text(user);
    let sees = |shape: &Shape, row: &Row| shape.owner.is_none_or(|owner| row[owner] == user);
    SHAPES
        .iter()
        .map(|shape| (shape.name, all[shape.name].iter().filter(|(_, row)| sees(shape, row)).map(|(key, row)| (key.clone(), row.clone())).collect()))
        .collect()
}

/// No rows at all.
pub fn empty() -> Tables {
    SHAPES.iter().map(|shape| (shape.name, Table::new())).collect()
}
