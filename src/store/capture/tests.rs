//! The capture against SQLite's session extension: the same statements in two databases, one of which each listens to.

use super::{Capture, Shape};
use crate::schema::TableSchema;
use crate::table::Table;
use proptest::prelude::*;
use rusqlite::session::Session;
use rusqlite::{Connection, ffi};
use seaworthy_protocol::{Changes, ChangesetError, Op, RowChange};
use std::collections::BTreeMap;
use std::sync::Arc;

const TABLES: [&str; 5] = ["cells", "child", "numbered", "pairs", "parent"];
const SCHEMA: &str = "PRAGMA foreign_keys = ON;
    CREATE TABLE parent (id TEXT NOT NULL PRIMARY KEY, name TEXT UNIQUE, up TEXT REFERENCES parent (id) ON DELETE SET NULL);
    CREATE TABLE child (body TEXT, id TEXT NOT NULL PRIMARY KEY, of TEXT REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE pairs (b TEXT NOT NULL, v ANY, a INTEGER NOT NULL, n REAL UNIQUE, PRIMARY KEY (a, b)) WITHOUT ROWID;
    CREATE TABLE numbered (v INTEGER, id INTEGER PRIMARY KEY NOT NULL, w TEXT);
    CREATE TABLE cells (made TEXT AS (v || 'x') VIRTUAL, id TEXT NOT NULL, v, r REAL, kept AS (r + 1) STORED, i INTEGER, PRIMARY KEY (id));
    CREATE TABLE log (what TEXT);
    INSERT INTO parent VALUES ('a', 'x', NULL), ('b', 'y', 'a');
    INSERT INTO child VALUES ('1', 'a', 'a'), ('2', 'b', 'b'), ('3', 'c', 'a');
    INSERT INTO pairs VALUES ('a', 1, 1, 1), ('b', 2, 1, NULL);
    INSERT INTO numbered VALUES (1, 1, 'a'), (2, 2, 'b');
    INSERT INTO cells (id, v, r, i) VALUES ('a', 1, 1, 1), ('b', 'x', 0.5, 2);
    ALTER TABLE cells ADD COLUMN late INTEGER DEFAULT 7;
    ALTER TABLE child ADD COLUMN late REAL DEFAULT 7;
    CREATE TRIGGER follow AFTER UPDATE OF name ON parent BEGIN UPDATE child SET body = new.name WHERE of = new.id; END;
    CREATE TRIGGER refuse BEFORE DELETE ON pairs WHEN old.b = 'c' BEGIN SELECT RAISE (ABORT, 'kept'); END;
    CREATE TRIGGER late_refusal AFTER INSERT ON pairs WHEN new.b = 'c' AND new.a = 2 BEGIN SELECT RAISE (FAIL, 'kept'); END;
    CREATE TRIGGER pass_over BEFORE UPDATE ON cells WHEN old.id = 'c' BEGIN SELECT RAISE (IGNORE); END;
    CREATE TRIGGER gone AFTER DELETE ON child BEGIN INSERT INTO log VALUES (old.id); INSERT OR IGNORE INTO numbered VALUES (9, 9, old.id); END;";

fn database(recursive: bool) -> (Connection, BTreeMap<String, Table>) {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    conn.execute_batch(&format!("PRAGMA recursive_triggers = {recursive}")).unwrap();
    let inspect = |name: &str| {
        let schema = serde_json::json!({ "name": name, "columns": [], "primary_key": [], "keys": "application" });
        Table::inspect(&conn, &serde_json::from_value::<TableSchema>(schema).unwrap()).unwrap()
    };
    let tables = TABLES.iter().map(|name| ((*name).to_owned(), inspect(name))).collect();
    (conn, tables)
}

/// Runs them as an interactive transaction does: one that fails leaves what came before standing.
fn run(conn: &Connection, statements: &[String], mut doubt: impl FnMut()) {
    for sql in statements {
        let blob = sql.strip_prefix("blob ");
        let failed = blob.map_or_else(|| conn.execute_batch(sql).is_err(), |id| !write_blob(conn, id));
        if failed || sql.starts_with("ROLLBACK") {
            doubt();
        }
    }
}

/// Overwrites the first byte of a value in place.
fn write_blob(conn: &Connection, id: &str) -> bool {
    let Ok(rowid) = conn.query_row("SELECT rowid FROM cells WHERE id = ?1", [id], |row| row.get(0)) else { return false };
    let mut blob = std::ptr::null_mut();
    // SAFETY: the names are C strings; `blob` is opened, written and closed once.
    unsafe {
        let opened = ffi::sqlite3_blob_open(conn.handle(), c"main".as_ptr(), c"cells".as_ptr(), c"v".as_ptr(), rowid, 1, &mut blob);
        let written = opened == ffi::SQLITE_OK && ffi::sqlite3_blob_write(blob, c"z".as_ptr().cast(), 1, 0) == ffi::SQLITE_OK;
        ffi::sqlite3_blob_close(blob);
        written
    }
}

/// Changes without an order of rows; `None` where a text among them is not UTF-8.
fn in_order(bytes: &[u8], tables: &BTreeMap<String, Table>) -> Option<Changes> {
    let mut changes = match Changes::from_changeset(bytes, |name| tables.get(name).map(Table::column_names)) {
        Err(ChangesetError::NotUtf8 { .. }) => return None,
        changes => changes.unwrap(),
    };
    let key = |row: &RowChange| format!("{row:?}");
    changes.tables.iter_mut().for_each(|table| table.rows.sort_by_key(key));
    Some(changes)
}

fn by_session(statements: &[String], recursive: bool) -> Option<Changes> {
    let (conn, tables) = database(recursive);
    conn.execute_batch("BEGIN").unwrap();
    let mut session = Session::new(&conn).unwrap();
    TABLES.iter().for_each(|name| session.attach(Some(*name)).unwrap());
    run(&conn, statements, || {});
    let mut bytes = Vec::new();
    session.changeset_strm(&mut bytes).unwrap();
    in_order(&bytes, &tables)
}

fn by_capture(statements: &[String], recursive: bool) -> Option<Changes> {
    let (conn, tables) = database(recursive);
    let shapes: Arc<[Shape]> = tables.values().map(Shape::of).collect();
    conn.execute_batch("BEGIN").unwrap();
    let mut capture = Capture::begin(&conn, &shapes);
    run(&conn, statements, || capture.doubt());
    in_order(&capture.changeset(&conn).unwrap(), &tables)
}

fn statement() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec!["a", "b", "c", "d"]);
    let value = prop::sample::select(vec!["NULL", "0", "1", "-0.0", "2.5", "1e300", "'1'", "'x'", "'é'", "CAST(x'ff' AS TEXT)", "x'00'", "zeroblob(3)", "''"]);
    let or = prop::sample::select(vec!["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT"]);
    let name = prop::sample::select(vec!["s", "t"]);
    let number = 0..4;
    (0..24, id.clone(), id, value.clone(), value, or, name, number).prop_map(|(kind, id, other, value, second, or, name, n)| match kind {
        0 => format!("INSERT {or} INTO parent VALUES ('{id}', {value}, '{other}')"),
        1 => format!("INSERT {or} INTO child VALUES ({value}, '{id}', '{other}', {second})"),
        2 => format!("INSERT {or} INTO pairs VALUES ('{id}', {value}, {n}, {second}), ('{other}', {second}, 2, {value})"),
        3 => format!("INSERT {or} INTO numbered VALUES ({value}, {n}, {second}), ({second}, {n} + 1, 'w')"),
        4 => format!("INSERT {or} INTO cells (id, v, r, i) VALUES ('{id}', {value}, {second}, {n})"),
        5 => format!("UPDATE {or} parent SET name = {value} WHERE id <= '{id}'"),
        6 => format!("UPDATE {or} parent SET id = '{other}' WHERE id = '{id}'"),
        7 => format!("UPDATE {or} child SET body = {value}, late = {second} WHERE id >= '{id}'"),
        8 => format!("UPDATE {or} child SET id = '{other}', of = '{id}' WHERE id = '{id}'"),
        9 => format!("UPDATE {or} pairs SET v = {value}, n = {second} WHERE b = '{id}'"),
        10 => format!("UPDATE {or} pairs SET a = {n}, b = '{other}' WHERE b = '{id}'"),
        11 => format!("UPDATE {or} numbered SET id = id + {n}, v = {value}"),
        12 => format!("UPDATE {or} cells SET v = {value}, r = {second}, i = {value} WHERE id <> '{id}'"),
        13 => format!("UPDATE {or} cells SET id = '{other}', late = {value} WHERE id = '{id}'"),
        14 => format!("DELETE FROM parent WHERE id = '{id}'"),
        15 => format!("DELETE FROM {}", TABLES[n as usize]),
        16 => format!("DELETE FROM pairs WHERE a = {n}"),
        17 => format!("SAVEPOINT {name}"),
        18 => format!("ROLLBACK TO {name}"),
        19 => format!("RELEASE {name}"),
        20 => format!("blob {id}"),
        21 => format!("INSERT INTO parent (id) VALUES ('{id}') ON CONFLICT (id) DO UPDATE SET name = {value}"),
        22 => format!("INSERT {or} INTO child (id, body) SELECT id, name FROM parent"),
        _ => format!("CREATE TEMP TABLE IF NOT EXISTS numbered AS SELECT {n} AS v"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_gives_what_the_session_extension_gives(statements in prop::collection::vec(statement(), 1..14), recursive: bool) {
        prop_assert_eq!(by_capture(&statements, recursive), by_session(&statements, recursive));
    }
}

#[test]
fn rows_come_in_the_order_of_their_first_change_and_tables_by_name() {
    let statements = ["INSERT INTO parent (id) VALUES ('z'), ('y')", "INSERT INTO child (id) VALUES ('q')", "UPDATE parent SET name = id WHERE id > 'x'"];
    let (conn, tables) = database(false);
    let mut capture = Capture::begin(&conn, &tables.values().map(Shape::of).collect());
    run(&conn, &statements.map(str::to_owned), || {});
    let changes = Changes::from_changeset(&capture.changeset(&conn).unwrap(), |name| tables.get(name).map(Table::column_names)).unwrap();
    let keys: Vec<_> = changes.tables.iter().flat_map(|table| table.rows.iter().map(|row| (row.op, format!("{:?}", table.key_of(row))))).collect();
    let expected = [(Op::Insert, "q"), (Op::Insert, "z"), (Op::Insert, "y")];
    assert_eq!(keys, expected.map(|(op, key)| (op, format!("[Text({key:?})]"))));
}

#[test]
fn a_row_that_changes_often_takes_bounded_memory() {
    let (conn, tables) = database(false);
    let mut capture = Capture::begin(&conn, &tables.values().map(Shape::of).collect());
    for length in 1..2000 {
        conn.execute("UPDATE parent SET name = printf('%.*c', ?1, 'x') WHERE id = 'a'", [length]).unwrap();
    }
    assert!(capture.noted().net.size() < 50_000, "{}", capture.noted().net.size());
}
