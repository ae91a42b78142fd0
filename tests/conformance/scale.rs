//! Scenario 8: however much is pending, opening, pushing and rebasing cost what they are about, in work and in memory.

use crate::fixture::{Fixture, SCHEMA, applied, rejected};
use crate::memory::peak;
use rusqlite::Connection;
use seaworthy_protocol::{BucketId, Outcome, Position, Rows, Sequence, TransactionResult, Value};
use seaworthy_store::{Applied, Call};
use std::path::Path;

/// So many transactions wait.
const PENDING: u64 = 100_000;
/// No operation takes more of the heap, whatever is pending.
const HEAP: isize = 4 * 1024 * 1024;

fn open(file: &Path) -> Fixture {
    let conn = Connection::open(file).unwrap();
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").unwrap();
    Fixture::on(conn, SCHEMA)
}

/// The first makes a list, and every other a todo in it, with a UNIQUE value of its own.
fn write(f: &mut Fixture, total: u64) {
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    for n in 2..=total {
        let (request, stamp) = (n.to_string(), f.stamp());
        f.store.write(&request, stamp, &Call::one("INSERT INTO todos (id, list_id, title, slug) VALUES (?1, 'l', 'mine', ?1)", vec![key(n)])).unwrap();
        f.store.acknowledge(&[request]);
    }
}

fn key(n: u64) -> Value {
    Value::Text(format!("todo {n}"))
}

fn todos(numbers: impl Iterator<Item = u64>, title: &str) -> Rows {
    let columns = ["id", "list_id", "title", "done", "slug"].map(str::to_owned).to_vec();
    let row = |n| vec![key(n), "l".into(), title.into(), 0.into(), key(n)];
    Rows { bucket: BucketId("todos".into()), table: "todos".into(), columns, key: vec!["id".into()], rows: numbers.map(row).collect(), gone: vec![] }
}

/// The server decides these, each at its own position.
fn decide(f: &mut Fixture, numbers: std::ops::RangeInclusive<u64>, outcome: fn(Position) -> Outcome) {
    let results: Vec<_> = numbers.map(|n| TransactionResult { sequence: Sequence(n), outcome: outcome(Position(n)) }).collect();
    let ((), heap) = peak(|| f.store.record(&results).unwrap());
    assert!(heap < HEAP, "recording took {heap} bytes");
}

fn checkpoint(f: &mut Fixture, position: u64, rows: Rows) -> Applied {
    let (applied, heap) = peak(|| f.checkpoint_at(position, &[rows], false));
    assert!(heap < HEAP, "the checkpoint at {position} took {heap} bytes");
    applied
}

#[test]
fn what_is_pending_costs_nothing_where_nothing_meets_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = open(&file);
    write(&mut f, PENDING);
    f.store.close().unwrap();

    let (mut f, heap) = peak(|| open(&file));
    assert!(heap < HEAP, "opening took {heap} bytes");
    assert_eq!(f.pending_count(), PENDING);
    let (batch, heap) = peak(|| f.store.outbox(Sequence(PENDING / 2), 500, usize::MAX).unwrap());
    assert!(heap < HEAP, "a batch took {heap} bytes");
    assert_eq!(batch[0].sequence, Sequence(PENDING / 2 + 1));
    assert_eq!(batch[0].after, [Sequence(1)], "the todo builds on its list");

    assert_eq!(checkpoint(&mut f, 0, todos(PENDING + 1..=PENDING + 100, "theirs")).moved, 0, "rows that nobody touched");
    let met = checkpoint(&mut f, 0, todos(PENDING / 2..=PENDING / 2 + 9, "theirs"));
    assert_eq!(met.moved, 10, "ten rows of a hundred thousand");
    assert_eq!(f.rows("SELECT count(*) FROM todos WHERE title = 'theirs'"), ["100"], "pending values stay on top");

    // The list is confirmed, although every other transaction builds on it.
    decide(&mut f, 1..=1, applied);
    let list = Rows {
        bucket: BucketId("lists".into()),
        table: "lists".into(),
        columns: vec!["id".into(), "name".into()],
        key: vec!["id".into()],
        rows: vec![vec!["l".into(), "Home".into()]],
        gone: vec![],
    };
    let ended = checkpoint(&mut f, 1, list);
    assert_eq!((ended.moved, ended.confirmed.len()), (1, 1));

    // The oldest batch is confirmed, and comes back as rows; one in the middle of the next is rejected.
    decide(&mut f, 2..=501, applied);
    let ended = checkpoint(&mut f, 501, todos(2..=501, "mine"));
    assert_eq!((ended.moved, ended.confirmed.len()), (500, 500));
    decide(&mut f, 502..=506, applied);
    decide(&mut f, 507..=507, rejected);
    decide(&mut f, 508..=511, applied);
    let ended = checkpoint(&mut f, 511, todos((502..=511).filter(|n| *n != 507), "mine"));
    assert_eq!((ended.moved, ended.confirmed.len(), ended.rejected.len()), (10, 9, 1));
    assert_eq!(f.pending_count(), PENDING - 511);
    assert_eq!(f.rows("SELECT count(*) FROM todos"), [(PENDING - 2 + 100).to_string()]);
    assert_eq!(f.store.counts().unwrap().blocked, 0);
}

#[test]
fn what_meets_is_followed_over_rows_values_and_parents_and_no_further() {
    let mut f = Fixture::new();
    write(&mut f, 1000);
    f.exec(&["UPDATE todos SET slug = NULL WHERE id = 'todo 2'"]);
    f.exec(&["INSERT INTO todos (id, title, slug) VALUES ('heir', '', 'todo 2')"]);
    f.exec(&["INSERT INTO notes VALUES ('n', 'heir')"]);
    let theirs = || todos(2..=2, "theirs");
    assert_eq!(f.checkpoint_at(0, &[theirs()], false).moved, 3, "the todo, the one that freed its value, the one that took it");
    // The value is another row's now: neither the todo, its heir nor the note on that can stand.
    let mut other = todos(5000..=5000, "theirs");
    other.rows[0][4] = key(2);
    let gone = Rows { gone: vec![vec![key(2)]], ..todos(2..2, "") };
    let moved = f.checkpoint_at(0, &[gone, other], false).moved;
    assert_eq!((moved, f.store.counts().unwrap().blocked), (4, 4));
}
