//! What a start does to the history that replicas hold a cursor of.

use super::{
    Bench, Client,
    bench::{SCHEMA, fresh, migration, open, principal, served, tables},
    user,
};
use crate::storage::{Location, Migration, OpenError, SqliteCore, Tables};
use seaworthy_engine::session::{Pulled, Standing};
use seaworthy_protocol::{Cursor, Position, Push, ReplicaId};
use std::path::PathBuf;

struct Database {
    _folder: tempfile::TempDir,
    path: PathBuf,
    run: u8,
}

impl Database {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { path: folder.path().join("test.db"), _folder: folder, run: 0 }
    }

    fn open(&mut self, tables: &Tables, migrations: &[Migration]) -> Bench {
        self.run += 1;
        let core = SqliteCore::open(&Location::File(self.path.clone()), served(tables), migrations, fresh(self.run), 0).unwrap();
        Bench { core }
    }

    /// A server with two lists of Alice, that was stopped, and a cursor of hers.
    fn with_rows() -> (Self, Cursor) {
        let mut database = Self::new();
        let mut server = database.open(&tables(), &[migration(1, SCHEMA)]);
        Client::new("alice", 1).sync(&mut server, "INSERT INTO lists VALUES ('a', 'A', 'alice', NULL), ('b', 'B', 'alice', NULL)");
        let cursor = server.pull("alice", None).checkpoint.cursor;
        (database, cursor)
    }
}

fn counts(pulled: &Pulled) -> (usize, usize, bool) {
    let rows = pulled.rows.iter().map(|frame| frame.rows.len()).sum();
    let gone = pulled.rows.iter().map(|frame| frame.gone.len()).sum();
    (rows, gone, pulled.checkpoint.reset)
}

#[test]
fn a_restart_keeps_the_history_and_begins_a_new_run() {
    let (mut database, cursor) = Database::with_rows();
    let server = database.open(&tables(), &[migration(1, SCHEMA)]);
    let pulled = server.pull("alice", Some(cursor));
    assert_eq!(counts(&pulled), (0, 0, false));
    assert_eq!(pulled.checkpoint.cursor.position, cursor.position);
    assert_ne!(pulled.checkpoint.cursor.incarnation, cursor.incarnation);
}

#[test]
fn a_restored_server_tells_replicas_that_are_ahead_to_start_again() {
    let (mut database, _) = Database::with_rows();
    let mut ahead = database.open(&tables(), &[migration(1, SCHEMA)]);
    ahead.sql("PRAGMA wal_checkpoint(TRUNCATE)");
    let backup = std::fs::read(&database.path).unwrap();
    let before = ahead.pull("alice", None).checkpoint.cursor;
    let mut alice = Client::new("alice", 1);
    alice.sequence = 1;
    alice.sync(&mut ahead, "INSERT INTO lists VALUES ('c', 'C', 'alice', NULL)");
    let after = ahead.pull("alice", None).checkpoint.cursor;
    drop(ahead);
    std::fs::write(&database.path, backup).unwrap();
    let mut restored = database.open(&tables(), &[migration(1, SCHEMA)]);
    Client::new("bob", 9).sync(&mut restored, "INSERT INTO lists VALUES ('x', 'X', 'bob', NULL)");
    assert_eq!(restored.core.head().unwrap(), after.position);
    assert_eq!(counts(&restored.pull("alice", Some(before))), (0, 0, false));
    assert_eq!(counts(&restored.pull("alice", Some(after))), (2, 0, true));
}

#[test]
fn after_a_migration_every_replica_gets_the_rows_anew() {
    let (mut database, cursor) = Database::with_rows();
    let change = migration(2, "UPDATE lists SET name = 'M'; DELETE FROM lists WHERE id = 'b'");
    let server = database.open(&tables(), &[migration(1, SCHEMA), change.clone()]);
    let pulled = server.pull("alice", Some(cursor));
    assert_eq!(counts(&pulled), (1, 1, false));
    assert!(pulled.checkpoint.cursor.position > cursor.position);
    let cursor = pulled.checkpoint.cursor;
    drop(server);
    let server = database.open(&tables(), &[migration(1, SCHEMA), change]);
    assert_eq!(server.pull("alice", Some(cursor)).checkpoint.cursor.position, cursor.position);
}

#[test]
fn a_crash_between_a_migration_and_its_tracking_is_made_good() {
    let (mut database, cursor) = Database::with_rows();
    let change = migration(2, "UPDATE lists SET name = 'M'");
    let mut broken = tables();
    broken.insert("missing".to_owned(), open());
    let failed = SqliteCore::open(&Location::File(database.path.clone()), served(&broken), &[migration(1, SCHEMA), change.clone()], fresh(50), 0);
    assert!(matches!(failed, Err(OpenError::Table(_))));
    let server = database.open(&tables(), &[migration(1, SCHEMA), change]);
    assert_eq!(counts(&server.pull("alice", Some(cursor))), (2, 0, false));
}

#[test]
fn rows_written_from_outside_are_found_at_the_next_start() {
    let (mut database, cursor) = Database::with_rows();
    let outside = rusqlite::Connection::open(&database.path).unwrap();
    outside.execute_batch("INSERT INTO lists VALUES ('c', 'C', 'alice', NULL); UPDATE lists SET owner_id = 'bob' WHERE id = 'b'").unwrap();
    drop(outside);
    let server = database.open(&tables(), &[migration(1, SCHEMA)]);
    assert_eq!(counts(&server.pull("alice", Some(cursor))), (1, 1, false));
    assert_eq!(counts(&server.pull("bob", Some(cursor))), (1, 0, false));
}

#[test]
fn a_table_that_is_declared_otherwise_leaves_and_joins_anew_and_the_others_stay() {
    let mut narrow = super::bench::owned();
    narrow.columns = Some(["id", "name", "owner_id"].map(str::to_owned).to_vec());
    let mut without_lists = tables();
    without_lists.remove("lists");
    let with = |table: &str, config| {
        let mut changed = tables();
        changed.insert(table.to_owned(), config);
        changed
    };
    for (changed, rows) in [(with("lists", open()), 2), (with("lists", narrow), 2), (without_lists, 0)] {
        let mut database = Database::new();
        let mut server = database.open(&tables(), &[migration(1, SCHEMA)]);
        Client::new("alice", 1).sync(&mut server, "INSERT INTO lists VALUES ('a', 'A', 'alice', NULL), ('b', 'B', 'alice', NULL)");
        Client::new("alice", 2).sync(&mut server, "INSERT INTO tags VALUES ('t', 1, 'x')");
        let cursor = Some(server.pull("alice", None).checkpoint.cursor);
        let held = server.buckets("alice");
        drop(server);
        for _ in 0..2 {
            let server = database.open(&changed, &[migration(1, SCHEMA)]);
            let standing = Standing { cursor, buckets: held.clone(), subscriptions: Vec::new() };
            let pulled = server.read(&principal("alice"), &standing).pulled;
            assert_eq!(counts(&pulled), (rows, 0, false));
            let joined: Vec<_> = pulled.checkpoint.buckets.iter().filter(|update| update.joined).map(|update| update.rows).collect();
            assert_eq!(joined, if rows > 0 { vec![2] } else { vec![] });
            let wanted = server.buckets("alice");
            // The bucket of the former declaration is named no more: what it held goes, unless another holds it.
            assert_eq!(held.iter().filter(|bucket| wanted.contains(bucket)).count(), held.len() - 1);
            assert_eq!(server.rows("SELECT count(*) FROM seaworthy_rows WHERE stream NOT IN (SELECT number FROM seaworthy_streams WHERE NOT retired)"), ["0"]);
            assert!(wanted.iter().all(|bucket| held.contains(bucket) || !held.iter().any(|old| old.0.split('.').next() == bucket.0.split('.').next())));
        }
    }
}

#[test]
fn a_database_of_a_newer_server_is_refused() {
    let (database, _) = Database::with_rows();
    let conn = rusqlite::Connection::open(&database.path).unwrap();
    conn.execute("UPDATE seaworthy_meta SET value = 99 WHERE name = 'format'", []).unwrap();
    let opened = SqliteCore::open(&Location::File(database.path.clone()), served(&tables()), &[migration(1, SCHEMA)], fresh(9), 0);
    assert!(matches!(opened, Err(OpenError::NewerFormat { found: 99, .. })));
}

#[test]
fn what_was_answered_survives_the_loss_of_the_process() {
    let mut database = Database::new();
    let mut server = database.open(&tables(), &[migration(1, SCHEMA)]);
    let mut alice = Client::new("alice", 1);
    let transaction = alice.write("INSERT INTO lists VALUES ('a', 'A', 'alice', NULL)");
    let answer = alice.push(&mut server, std::slice::from_ref(&transaction));
    // The files as they are, without the connection that would tidy them up.
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let name = |folder: &std::path::Path| folder.join(format!("test.db{suffix}"));
        std::fs::copy(name(database.path.parent().unwrap()), name(copy.path())).unwrap();
    }
    let location = Location::File(copy.path().join("test.db"));
    let mut after = Bench { core: SqliteCore::open(&location, served(&tables()), &[migration(1, SCHEMA)], fresh(2), 0).unwrap() };
    assert_eq!(alice.push(&mut after, &[transaction]), answer);
    assert_eq!(after.rows("SELECT name FROM lists"), ["A"]);
    assert_eq!(after.core.admit(&user("alice"), alice.replica, 0).unwrap().last_sequence.0, 1);
}

#[test]
fn what_is_older_than_any_copy_that_may_be_restored_is_announced_as_durable() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let at = |server: &mut Bench, hours: i64| server.core.admit(&user("alice"), ReplicaId([1; 16]), hours * 3_600_000).unwrap().durable_through;
    for (n, hours) in [(1, 10), (2, 20)] {
        let transaction = alice.write(&format!("INSERT INTO lists VALUES ('{n}', 'L', 'alice', NULL)"));
        let push = Push { replica: alice.replica, transactions: vec![transaction] };
        server.core.decide(&alice.principal, &push, hours * 3_600_000).unwrap();
    }
    let head = server.core.head().unwrap();
    assert!(at(&mut server, 57) < Position(head.0 - 1));
    assert_eq!(at(&mut server, 58), Position(head.0 - 1));
    assert_eq!(at(&mut server, 68), head);
    server.core.set_restore_window(0);
    assert_eq!(at(&mut server, 20), head);
}
