//! Agreement with SQLite's own session extension, byte for byte.

use crate::arbitrary::{key_value, value};
use proptest::prelude::*;
use rusqlite::{Connection, ToSql, session::Session, types::ToSqlOutput, types::ValueRef};
use seaworthy_protocol::*;
use std::collections::BTreeMap;

const SCHEMA: &str = r#"
    CREATE TABLE items (id NOT NULL PRIMARY KEY, a, b INTEGER, c REAL) WITHOUT ROWID;
    CREATE TABLE pairs (x NOT NULL, note TEXT, y NOT NULL, PRIMARY KEY (y, x));
    CREATE TABLE "strange ""name""" (k BLOB NOT NULL PRIMARY KEY, "order", "naïve");
    CREATE TABLE parents (id NOT NULL PRIMARY KEY);
    CREATE TABLE children (id NOT NULL PRIMARY KEY, parent REFERENCES parents (id) ON DELETE CASCADE);
    PRAGMA foreign_keys = ON;
"#;

/// What is done to the database: key or keys, then values.
const STATEMENTS: [&str; 14] = [
    "INSERT OR REPLACE INTO items VALUES (?1, ?3, ?4, ?3)",
    "UPDATE items SET a = ?3 WHERE id = ?1",
    "UPDATE items SET b = ?3, c = ?4 WHERE id IN (?1, ?2)",
    "UPDATE OR REPLACE items SET id = ?2 WHERE id = ?1",
    "DELETE FROM items WHERE id = ?1",
    "DELETE FROM items",
    "INSERT OR REPLACE INTO pairs VALUES (?1, ?3, ?2)",
    "UPDATE pairs SET note = ?3 WHERE x = ?1",
    "DELETE FROM pairs WHERE y = ?2",
    r#"INSERT OR REPLACE INTO "strange ""name""" VALUES (?1, ?3, ?4)"#,
    r#"UPDATE "strange ""name""" SET "order" = ?4"#,
    "INSERT OR REPLACE INTO parents VALUES (?1)",
    "INSERT OR REPLACE INTO children VALUES (?1, ?2)",
    "DELETE FROM parents WHERE id = ?1",
];

struct Bound<'a>(&'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

type Statement = (usize, [Value; 4]);

fn statement() -> impl Strategy<Value = Statement> {
    (0..STATEMENTS.len(), [key_value().boxed(), key_value().boxed(), value().boxed(), value().boxed()])
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    proptest::collection::vec(statement(), 0..20)
}

fn open() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db
}

/// Statements that break a constraint do nothing, as in an application that goes on. None is cached:
/// a DELETE without WHERE that was prepared while no session listened is never seen by one.
fn run(db: &Connection, statements: &[Statement]) {
    for (nth, values) in statements {
        let mut statement = db.prepare(STATEMENTS[*nth]).unwrap();
        for (nth, value) in (1..=statement.parameter_count()).zip(values) {
            statement.raw_bind_parameter(nth, Bound(value)).unwrap();
        }
        let _ = statement.raw_execute();
    }
}

fn record(db: &Connection, statements: &[Statement]) -> Vec<u8> {
    let mut session = Session::new(db).unwrap();
    session.attach::<&str>(None).unwrap();
    run(db, statements);
    let mut bytes = Vec::new();
    session.changeset_strm(&mut bytes).unwrap();
    bytes
}

fn columns(table: &str) -> Option<Vec<String>> {
    let db = open();
    let mut statement = db.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid").unwrap();
    let names: Vec<String> = statement.query_map([table], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (!names.is_empty()).then_some(names)
}

fn parse(bytes: &[u8]) -> Changes {
    Changes::from_changeset(bytes, columns).unwrap()
}

/// Applies with foreign keys off, as a replica does: the cascade's rows are in the changeset.
fn apply(db: &Connection, bytes: &[u8]) {
    db.pragma_update(None, "foreign_keys", false).unwrap();
    let mut input = bytes;
    db.apply_strm(&mut input, None::<fn(&str) -> bool>, |kind, _| panic!("conflict {kind:?}")).unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
}

fn content(db: &Connection) -> BTreeMap<String, Vec<String>> {
    let mut content = BTreeMap::new();
    for table in ["items", "pairs", "strange \"name\"", "parents", "children"] {
        let cells: Vec<String> = columns(table).unwrap().iter().map(|name| format!("typeof(\"{name}\") || ':' || quote(\"{name}\")")).collect();
        let sql = format!("SELECT {} FROM \"{}\" ORDER BY 1", cells.join(" || '|' || "), table.replace('"', "\"\""));
        let mut statement = db.prepare(&sql).unwrap();
        content.insert(table.to_owned(), statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect());
    }
    content
}

proptest! {
    #[test]
    fn what_sqlite_captured_is_encoded_to_the_same_bytes(before in statements(), recorded in statements()) {
        let db = open();
        run(&db, &before);
        let bytes = record(&db, &recorded);
        prop_assert_eq!(parse(&bytes).to_changeset(), bytes);
    }

    #[test]
    fn sqlite_applies_our_bytes_and_their_inverse(before in statements(), recorded in statements()) {
        let (here, there) = (open(), open());
        run(&here, &before);
        run(&there, &before);
        let start = content(&here);
        let changes = parse(&record(&here, &recorded));
        apply(&there, &changes.to_changeset());
        prop_assert_eq!(content(&there), content(&here));
        apply(&there, &changes.inverted().to_changeset());
        prop_assert_eq!(content(&there), start);
    }

    #[test]
    fn our_inverse_is_sqlite_s(before in statements(), recorded in statements()) {
        let db = open();
        run(&db, &before);
        let bytes = record(&db, &recorded);
        let mut inverse = Vec::new();
        rusqlite::session::invert_strm(&mut bytes.as_slice(), &mut inverse).unwrap();
        prop_assert_eq!(parse(&bytes).inverted().to_changeset(), inverse);
    }
}

/// SQLite compares the order of the key, not only its columns, and skips a table where it differs.
#[test]
fn the_declared_order_of_a_composite_key_is_kept() {
    let db = open();
    let bytes = record(&db, &[(6, ["x".into(), "y".into(), "note".into(), Value::Null])]);
    let changes = parse(&bytes);
    assert_eq!(changes.tables[0].key, [2, 0, 1]);
    assert_eq!(changes.tables[0].key_columns(), ["x", "y"]);
    let other = open();
    apply(&other, &changes.to_changeset());
    assert_eq!(content(&other), content(&db));
    assert_eq!(content(&other)["pairs"].len(), 1);
}
