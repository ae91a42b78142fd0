//! A file in place of a database: what it must be, who it is afterwards, and what a snapshot holds.

use crate::fixture::{Fixture, SCHEMA, open, query};
use rusqlite::{Connection, MAIN_DB};
use seaworthy_engine::client::User;
use seaworthy_protocol::{ReplicaId, Sequence};
use seaworthy_store::{Call, Schema, Seat, Store, StoreError, Users};
use std::path::Path;

const FRESH: ReplicaId = ReplicaId([8; 16]);

fn user(subject: &str) -> User {
    User { issuer: "i".into(), subject: subject.into() }
}

/// A connection to a copy of the bytes of a file.
fn copy(bytes: &[u8]) -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    conn.deserialize_read_exact(MAIN_DB, bytes, bytes.len(), false).unwrap();
    conn
}

fn import(conn: Connection, seat: &Seat) -> Result<Store, StoreError> {
    Store::import(conn, &Schema::from_json(SCHEMA).unwrap(), FRESH, seat, "import 1")
}

fn reason(result: Result<Store, StoreError>) -> String {
    match result {
        Err(StoreError::BadFile { reason }) => reason,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}

/// A file of plain SQL.
fn plain(sql: &str) -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(sql).unwrap();
    conn
}

#[test]
fn an_export_is_taken_with_its_rows_and_its_queue_under_a_name_of_its_own() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('a', 'A')"]);
    f.exec(&["INSERT INTO lists VALUES ('b', 'B')"]);
    f.exec(&["INSERT INTO drafts VALUES ('d', 'local')"]);
    let pending = f.store.pending().unwrap();
    let image = f.store.image().unwrap();
    let mut store = import(copy(&image), &Seat::default()).unwrap();
    assert_eq!(query(&mut store, "SELECT id || name FROM lists UNION ALL SELECT body FROM drafts"), ["aA", "bB", "local"]);
    let imported = store.pending().unwrap();
    assert_eq!(imported.iter().map(|write| write.id).collect::<Vec<_>>(), pending.iter().map(|write| write.id).collect::<Vec<_>>());
    let replica = store.replica();
    assert_eq!((replica.replica, replica.first_undecided, replica.last_sequence), (FRESH, Sequence(1), Sequence(2)));
    assert!(store.was_imported("import 1").unwrap(), "it is known as done");
    assert!(!store.was_imported("import 2").unwrap());
}

#[test]
fn an_import_that_is_interrupted_can_be_made_again_from_the_same_file() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('a', 'A')"]);
    let image = f.store.image().unwrap();
    let mut once = import(copy(&image), &Seat::default()).unwrap();
    let twice = import(copy(&once.image().unwrap()), &Seat::default()).unwrap();
    assert_eq!(twice.counts().unwrap().pending, 1);
}

#[test]
fn what_is_no_whole_database_is_refused_and_says_why() {
    let mut f = Fixture::new();
    for n in 0..300 {
        f.exec(&[&format!("INSERT INTO lists VALUES ('{n}', hex(randomblob(400)))")]);
    }
    let image = f.store.image().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let opened = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        Connection::open(&file).unwrap()
    };
    let cut = &image[..image.len() / 2];
    assert!(reason(import(opened(cut), &Seat::default())).contains("SQLite"), "cut off");
    let mut damaged = image.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 20_000].fill(0xa5);
    assert!(reason(import(opened(&damaged), &Seat::default())).contains("damaged"));
    assert!(reason(import(opened(&[7; 5000]), &Seat::default())).contains("no whole database"));
    let half = plain("CREATE TABLE seaworthy_replica (x); PRAGMA user_version = 1");
    assert!(reason(import(half, &Seat::default())).contains("no whole database"), "it only says that it is an export");
}

#[test]
fn a_file_of_another_program_is_taken_for_what_stays_on_the_device() {
    let drafts = "CREATE TABLE drafts (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL); INSERT INTO drafts VALUES ('d', 'words'); PRAGMA user_version = 70;";
    let mut store = import(plain(drafts), &Seat::default()).unwrap();
    assert_eq!(query(&mut store, "SELECT body FROM drafts"), ["words"]);
    let lists = "CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL); INSERT INTO lists VALUES ('a', 'A')";
    assert!(reason(import(plain(lists), &Seat::default())).contains("insertMany"), "nobody would ever send these rows");
}

#[test]
fn a_file_with_another_schema_or_of_a_newer_release_is_refused_as_at_open() {
    let other = plain("CREATE TABLE drafts (id INTEGER PRIMARY KEY, body BLOB)");
    assert!(matches!(import(other, &Seat::default()), Err(StoreError::SchemaMismatch { .. })));
    let mut f = Fixture::new();
    let image = f.store.image().unwrap();
    let newer = copy(&image);
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(import(newer, &Seat::default()), Err(StoreError::NewerFormat { found: 99, .. })));
}

#[test]
fn a_file_of_another_user_is_refused_and_one_of_nobody_becomes_the_users() {
    let (mut alice, mut bob, mut nobody) = (Fixture::new(), Fixture::new(), Fixture::new());
    alice.store.bind_user(&user("alice")).unwrap();
    bob.store.bind_user(&user("bob")).unwrap();
    nobody.exec(&["INSERT INTO lists VALUES ('a', 'A')"]);
    let [of_alice, of_nobody] = [&mut alice, &mut nobody].map(|f| f.store.image().unwrap());
    let seat = |f: &Fixture| f.store.seat().unwrap();
    assert!(reason(import(copy(&of_alice), &seat(&bob))).contains("\"alice\""));
    assert_eq!(import(copy(&of_alice), &seat(&alice)).unwrap().replica().user, Some(user("alice")));
    assert_eq!(import(copy(&of_alice), &seat(&nobody)).unwrap().replica().user, Some(user("alice")));
    let taken = import(copy(&of_nobody), &seat(&bob)).unwrap().replica();
    assert_eq!((taken.user, taken.anonymous), (Some(user("bob")), false));
    nobody.store.mark_anonymous(true).unwrap();
    assert!(import(copy(&of_nobody), &seat(&nobody)).unwrap().replica().anonymous, "nobody has adopted it");
}

#[test]
fn the_other_users_of_the_name_are_still_found_after_an_import() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    users(&here, "alice", "bob");
    users(&there, "alice", "carol");
    let seat = open(Connection::open(&here).unwrap(), SCHEMA).unwrap().seat().unwrap();
    import(Connection::open(&there).unwrap(), &seat).unwrap().close().unwrap();
    let place = |file: &Path| {
        let conn = Connection::open(file).unwrap();
        let users = Users::open(&conn).unwrap();
        (users.last().unwrap(), users.pending_elsewhere().unwrap())
    };
    assert_eq!(place(&there), place(&here));
}

/// A first user's database in which another user was last.
fn users(file: &Path, first: &str, other: &str) {
    let mut store = open(Connection::open(file).unwrap(), SCHEMA).unwrap();
    store.bind_user(&user(first)).unwrap();
    store.close().unwrap();
    let conn = Connection::open(file).unwrap();
    let users = Users::open(&conn).unwrap();
    users.move_to(&users.place_of(&user(other)).unwrap(), 3).unwrap();
}

#[test]
fn the_file_of_a_snapshot_stays_as_it_is_while_writes_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let conn = Connection::open(&file).unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").unwrap();
    let mut f = Fixture::on(conn, SCHEMA);
    f.exec(&["INSERT INTO lists VALUES ('a', 'A')"]);
    f.store.begin_snapshot().unwrap();
    let image = std::fs::read(&file).unwrap();
    for n in 0..40 {
        f.exec(&[&format!("INSERT INTO drafts VALUES ('{n}', hex(zeroblob(100000)))")]);
    }
    assert!(f.try_exec(&["PRAGMA wal_checkpoint"]).is_err(), "the application cannot have the log moved either");
    assert_eq!(std::fs::read(&file).unwrap(), image);
    f.store.end_snapshot();
    f.exec(&["INSERT INTO lists VALUES ('b', 'B')"]);
    assert_ne!(std::fs::read(&file).unwrap(), image, "the log of more than SQLite's bound is moved again");
    f.store.begin().unwrap();
    assert!(f.store.begin_snapshot().is_err(), "not in the middle of a transaction");
    f.store.rollback().unwrap();
    std::fs::write(dir.path().join("copy"), &image).unwrap();
    let mut store = import(Connection::open(dir.path().join("copy")).unwrap(), &Seat::default()).unwrap();
    assert_eq!(query(&mut store, "SELECT id FROM lists UNION ALL SELECT id FROM drafts"), ["a"]);
    assert!(store.write("r", f.stamp(), &Call::batch(["INSERT INTO lists VALUES ('c', 'C')"])).is_ok());
}
