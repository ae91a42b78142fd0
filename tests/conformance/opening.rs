//! Opening: what is missing is made, what differs is refused, nothing is lost.

use crate::fixture::{Fixture, SCHEMA, open};
use rusqlite::Connection;

#[test]
fn a_database_opens_again_with_its_identity_queue_and_rows() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    let before = f.store.replica();
    f.store.close().unwrap();
    let mut again = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    assert_eq!(again.store.replica(), before);
    assert_eq!(again.last_changes(), ["insert lists l"]);
    assert_eq!(again.rows("SELECT name FROM lists"), ["Home"]);
}

#[test]
fn a_new_nullable_column_and_a_new_table_are_added() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    f.store.close().unwrap();
    let newer = SCHEMA
        .replace(
            r#"{ "name": "name", "type": "TEXT" } ] }"#,
            r#"{ "name": "name", "type": "TEXT" }, { "name": "color", "type": "TEXT", "default": "red" } ] }"#,
        )
        .replace(r#"{ "name": "drafts""#, r#"{ "name": "tags", "primary_key": ["id"], "columns": [{ "name": "id", "type": "TEXT" }] }, { "name": "drafts""#);
    let mut again = Fixture::on(Connection::open(&file).unwrap(), &newer);
    assert_eq!(again.rows("SELECT color FROM lists"), ["red"]);
    again.exec(&["INSERT INTO tags VALUES ('t')", "UPDATE lists SET color = 'blue'"]);
    assert_eq!(again.last_changes(), ["insert tags t", "update lists l color:red>blue"]);
    // The write from before the change is still as it was captured.
    assert_eq!(again.store.pending().unwrap()[0].changes.tables[0].columns, ["id", "name"]);
}

#[test]
fn a_schema_that_does_not_match_is_refused_with_every_difference_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    f.store.close().unwrap();
    let other =
        SCHEMA.replace(r#"{ "name": "done", "type": "INTEGER", "default": 0 }"#, r#"{ "name": "done", "type": "TEXT" }, { "name": "must", "type": "TEXT" }"#);
    let error = open(Connection::open(&file).unwrap(), &other).err().unwrap();
    assert_eq!(error.code(), "SchemaMismatch");
    assert!(error.to_string().contains("todos.done") && error.to_string().contains("todos.must"), "{error}");
    let again = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    assert_eq!(again.last_changes(), ["insert lists l"]);
}

#[test]
fn a_file_of_a_newer_release_or_no_database_at_all_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let newer = dir.path().join("newer");
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99; CREATE TABLE x (y)").unwrap();
    let error = open(Connection::open(&newer).unwrap(), SCHEMA).err().unwrap();
    assert!(error.to_string().contains("reload"), "{error}");
    let tables: i64 = Connection::open(&newer).unwrap().query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 1);
    let junk = dir.path().join("junk");
    std::fs::write(&junk, [b'x'; 8192]).unwrap();
    assert_eq!(open(Connection::open(&junk).unwrap(), SCHEMA).err().unwrap().code(), "StorageUnavailable");
    assert_eq!(std::fs::read(&junk).unwrap(), [b'x'; 8192]);
}

#[test]
fn a_schema_that_is_no_schema_is_refused() {
    for (schema, words) in [
        ("{", "EOF"),
        (r#"{ "tables": [{ "name": "t", "primary_key": ["id"], "columns": [{ "name": "id", "type": "BOOLEAN" }] }] }"#, "BOOLEAN"),
        (r#"{ "tables": [{ "name": "seaworthy_x", "primary_key": ["id"], "columns": [{ "name": "id", "type": "TEXT" }] }] }"#, "seaworthy_"),
        (r#"{ "tables": [{ "name": "t", "primary_key": ["nope"], "columns": [{ "name": "id", "type": "TEXT" }] }] }"#, "nope"),
    ] {
        let error = open(Connection::open_in_memory().unwrap(), schema).err().unwrap();
        assert_eq!(error.code(), "SchemaMismatch");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn the_time_of_the_last_synchronisation_survives_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    assert_eq!(f.store.last_synced_at_ms(), None);
    f.checkpoint(&[]);
    f.store.close().unwrap();
    assert_eq!(Fixture::on(Connection::open(&file).unwrap(), SCHEMA).store.last_synced_at_ms(), Some(1234));
}
