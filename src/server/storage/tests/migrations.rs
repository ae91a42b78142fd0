//! Migrations: once each, in order, whole or not at all.

use super::bench::{fresh, migration, served, tables};
use crate::storage::{Location, Migration, MigrationError, OpenError, SqliteCore, load_migrations, tests::bench::SCHEMA};
use std::path::Path;

struct Database {
    folder: tempfile::TempDir,
    run: u8,
}

impl Database {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), run: 0 }
    }

    fn open(&mut self, migrations: &[Migration]) -> Result<SqliteCore, String> {
        self.run += 1;
        let location = Location::File(self.folder.path().join("test.db"));
        match SqliteCore::open(&location, served(&tables()), migrations, fresh(self.run), 0) {
            Ok(core) => Ok(core),
            Err(OpenError::Migration(error)) => Err(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn each_migration_runs_once() {
    let mut database = Database::new();
    let first = migration(1, SCHEMA);
    let second = migration(2, "INSERT INTO lists VALUES ('l', 'A', 'alice', NULL)");
    drop(database.open(std::slice::from_ref(&first)).unwrap());
    for _ in 0..3 {
        let core = database.open(&[first.clone(), second.clone()]).unwrap();
        assert_eq!(super::bench::rows(core.connection(), "SELECT count(*) FROM lists"), ["1"]);
    }
}

#[test]
fn what_was_applied_may_not_change_nor_go_but_line_endings_may() {
    let mut database = Database::new();
    let first = migration(1, SCHEMA);
    drop(database.open(&[first.clone(), migration(3, "SELECT 1")]).unwrap());
    let fails = |database: &mut Database, migrations: &[Migration]| database.open(migrations).unwrap_err();
    assert!(fails(&mut database, &[migration(1, "SELECT 2"), migration(3, "SELECT 1")]).contains("changed after it was applied"));
    assert!(fails(&mut database, std::slice::from_ref(&first)).contains("its file is gone"));
    assert!(fails(&mut database, &[first.clone(), migration(2, ""), migration(3, "SELECT 1")]).contains("Give it a higher number"));
    let windows = migration(1, &SCHEMA.replace('\n', "\r\n"));
    assert!(database.open(&[windows, migration(3, "SELECT 1")]).is_ok());
}

#[test]
fn a_migration_that_fails_names_its_line_and_leaves_nothing() {
    let mut database = Database::new();
    let first = migration(1, SCHEMA);
    for (sql, line, message) in [
        ("CREATE TABLE x (id);\n\nCREATE TABEL y (id);", 3, "TABEL"),
        ("CREATE TABLE x (id);\nINSERT INTO x\n  SELECT z FROM lists;", 3, "no such column"),
        ("CREATE TABLE x (id UNIQUE);\nINSERT INTO x VALUES (1);\n-- again\nINSERT INTO x  VALUES (1);", 4, "UNIQUE constraint failed"),
    ] {
        let error = database.open(&[first.clone(), migration(2, sql)]).unwrap_err();
        assert!(error.starts_with(&format!("0002_test.sql, line {line}: ")) && error.contains(message), "{error}");
        let core = database.open(std::slice::from_ref(&first)).unwrap();
        assert_eq!(super::bench::rows(core.connection(), "SELECT count(*) FROM sqlite_schema WHERE name = 'x'"), ["0"]);
    }
}

#[test]
fn a_migration_may_not_end_its_transaction() {
    let mut database = Database::new();
    for sql in ["COMMIT; CREATE TABLE x (id)", "CREATE TABLE x (id); ROLLBACK", "BEGIN"] {
        assert!(database.open(&[migration(1, SCHEMA), migration(2, sql)]).unwrap_err().contains("Remove BEGIN, COMMIT"), "{sql}");
    }
}

#[test]
fn a_table_may_be_rebuilt_but_no_child_may_lose_its_parent() {
    let mut database = Database::new();
    let first = migration(1, &format!("{SCHEMA} INSERT INTO lists VALUES ('l', 'A', 'alice', NULL); INSERT INTO todos VALUES ('t', 'l', 'Milk', 'alice', 0)"));
    let rebuild = migration(
        2,
        "CREATE TABLE new_lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner_id TEXT NOT NULL, slug TEXT UNIQUE);
         INSERT INTO new_lists SELECT * FROM lists; DROP TABLE lists; ALTER TABLE new_lists RENAME TO lists;",
    );
    let core = database.open(&[first.clone(), rebuild.clone()]).unwrap();
    assert_eq!(super::bench::rows(core.connection(), "SELECT count(*) FROM todos"), ["1"]);
    assert_eq!(super::bench::rows(core.connection(), "PRAGMA foreign_keys"), ["1"]);
    drop(core);
    let error = database.open(&[first, rebuild, migration(3, "DELETE FROM lists")]).unwrap_err();
    assert!(error.contains("without its parent"), "{error}");
}

#[test]
fn a_folder_is_read_in_the_order_of_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| std::fs::write(folder.path().join(name), "SELECT 1").unwrap();
    ["10_c.sql", "0002_b.sql", "1_a.sql", "README.md"].into_iter().for_each(write);
    let names: Vec<_> = load_migrations(folder.path()).unwrap().into_iter().map(|migration| migration.name).collect();
    assert_eq!(names, ["1_a.sql", "0002_b.sql", "10_c.sql"]);
    write("02_again.sql");
    assert!(matches!(load_migrations(folder.path()), Err(MigrationError::SameNumber { .. })));
    std::fs::remove_file(folder.path().join("02_again.sql")).unwrap();
    write("create.sql");
    assert!(matches!(load_migrations(folder.path()), Err(MigrationError::NoNumber { .. })));
    assert!(matches!(load_migrations(Path::new("/nonexistent/migrations")), Err(MigrationError::Read { .. })));
}
