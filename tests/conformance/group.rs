//! Writes that share a transaction end as if each had one of its own.

use crate::fixture::{Fixture, SCHEMA, open, query, request};
use proptest::prelude::*;
use rusqlite::Connection;
use seaworthy_protocol::TransactionId;
use seaworthy_store::{Call, Receipt, Stamp, Store, StoreError, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

type Outcome = Result<(Receipt, bool), String>;

fn outcome(result: Result<seaworthy_store::Written, StoreError>) -> Outcome {
    result.map(|written| (written.receipt, written.repeated)).map_err(|error| error.to_string())
}

/// Statements over few rows, so that they build on one another and get in each other's way.
fn statement() -> impl Strategy<Value = String> {
    let id = 0..4_u8;
    prop_oneof![
        id.clone().prop_map(|id| format!("INSERT INTO lists VALUES ('{id}', 'list')")),
        (id.clone(), id.clone()).prop_map(|(id, list)| format!("INSERT INTO todos (id, list_id, title) VALUES ('{id}', '{list}', 'todo')")),
        (id.clone(), 0..3_u8).prop_map(|(id, n)| format!("UPDATE todos SET title = title || '{n}' WHERE id = '{id}'")),
        id.clone().prop_map(|id| format!("UPDATE todos SET slug = 'one' WHERE id = '{id}'")),
        id.clone().prop_map(|id| format!("DELETE FROM lists WHERE id = '{id}'")),
        id.clone().prop_map(|id| format!("INSERT INTO drafts VALUES ('{id}', 'draft')")),
        id.clone().prop_map(|id| format!("INSERT OR ROLLBACK INTO lists VALUES ('{id}', 'rolled back')")),
        id.prop_map(|id| format!("CREATE TABLE IF NOT EXISTS made_{id} (x)")),
        Just("SAVEPOINT mine".to_owned()),
        Just("RELEASE seaworthy".to_owned()),
        Just("ROLLBACK TO seaworthy".to_owned()),
        Just("SELEC 1".to_owned()),
    ]
}

fn writes() -> impl Strategy<Value = Vec<(u8, Vec<String>)>> {
    prop::collection::vec((0..30_u8, prop::collection::vec(statement(), 0..3)), 1..25)
}

/// Everything that the file holds.
fn dump(file: &Path) -> Vec<String> {
    let conn = Connection::open(file).unwrap();
    let mut names = conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut lines = Vec::new();
    for name in names {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            lines.push(format!("{name} {:?}", (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap()).collect::<Vec<_>>()));
        }
    }
    lines
}

fn stamps(writes: &[(u8, Vec<String>)]) -> Vec<(String, Stamp, Call)> {
    let numbered = writes.iter().zip(1_u128..);
    let stamp = |n: u128| Stamp { id: TransactionId(n.to_be_bytes()), now_ms: n as i64, policy: Default::default() };
    numbered.map(|((request, statements), n)| (format!("request {request}"), stamp(n), Call::batch(statements.iter().cloned()))).collect()
}

/// Runs the same writes alone or in groups, and gives what they answered and left.
fn run(writes: &[(u8, Vec<String>)], at_once: usize, failing_commits: u32) -> (Vec<Outcome>, Vec<String>, u32) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let conn = Connection::open(&file).unwrap();
    conn.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF").unwrap();
    let mut store = open(conn, SCHEMA).unwrap();
    let failures = Arc::new(AtomicU32::new(0));
    if failing_commits > 0 {
        store.close().unwrap();
        let mut conn = Connection::open(&file).unwrap();
        let (failures, seen) = (failures.clone(), AtomicU32::new(0));
        // Opening commits once, and is let through. Of the rest every commit of many is refused, as a full disk would.
        conn.commit_hook(Some(move || {
            let refused = seen.fetch_add(1, Ordering::Relaxed) > 0 && failures.load(Ordering::Relaxed) < failing_commits;
            failures.fetch_add(u32::from(refused), Ordering::Relaxed);
            refused
        }))
        .unwrap();
        store = open(conn, SCHEMA).unwrap();
    }
    let stamped = stamps(writes);
    let mut outcomes = Vec::new();
    for group in stamped.chunks(at_once) {
        let group: Vec<_> = group.iter().map(|(request, stamp, call)| Write { request, stamp: *stamp, call }).collect();
        outcomes.extend(store.write_group(&group).into_iter().map(outcome));
    }
    store.close().unwrap();
    (outcomes, dump(&file), failures.load(Ordering::Relaxed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn writes_in_a_group_end_as_if_each_ran_alone(writes in writes(), at_once in 2..25_usize) {
        let (alone, left, _) = run(&writes, 1, 0);
        let (together, left_together, _) = run(&writes, at_once, 0);
        prop_assert_eq!(alone, together);
        prop_assert_eq!(left, left_together);
    }

    #[test]
    fn a_group_whose_commit_fails_leaves_nothing_and_is_run_write_by_write(mut writes in writes()) {
        // One that takes the whole transaction back leaves nothing to commit.
        writes.iter_mut().for_each(|(_, statements)| statements.retain(|sql| !sql.contains("OR ROLLBACK")));
        let (alone, left, _) = run(&writes, 1, 0);
        let (together, left_together, failures) = run(&writes, writes.len(), u32::from(writes.len() > 1));
        prop_assert_eq!(failures, u32::from(writes.len() > 1), "the fault came");
        prop_assert_eq!(alone, together);
        prop_assert_eq!(left, left_together);
    }
}

#[test]
fn many_writes_at_once_are_one_transaction() {
    let commits = Arc::new(AtomicU32::new(0));
    let mut conn = Connection::open_in_memory().unwrap();
    let counted = commits.clone();
    conn.commit_hook(Some(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        false
    }))
    .unwrap();
    let mut f = Fixture::on(conn, SCHEMA);
    let before = commits.load(Ordering::Relaxed);
    let calls: Vec<_> = (0..50).map(|n| (f.stamp(), Call::batch([format!("INSERT INTO lists VALUES ('{n}', 'x')")]))).collect();
    let requests: Vec<_> = calls.iter().map(|(stamp, _)| request(*stamp)).collect();
    let group: Vec<_> = calls.iter().zip(&requests).map(|((stamp, call), request)| Write { request, stamp: *stamp, call }).collect();
    let written = f.store.write_group(&group);
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(commits.load(Ordering::Relaxed) - before, 1);
    assert_eq!(f.pending_count(), 50, "each is a transaction of its own to the server");
    let again = f.store.write_group(&group);
    assert!(again.iter().all(|written| written.as_ref().unwrap().repeated));
    assert_eq!(f.rows("SELECT count(*) FROM lists"), ["50"]);
}

#[test]
fn a_foreign_key_that_is_checked_at_commit_fails_the_write_that_broke_it_alone() {
    let mut f = Fixture::new();
    f.exec(&["CREATE TABLE parents (id TEXT PRIMARY KEY)", "CREATE TABLE children (p TEXT REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"]);
    let calls = ["INSERT INTO lists VALUES ('a', 'a')", "INSERT INTO children VALUES ('p')", "INSERT INTO parents VALUES ('p')"];
    let calls: Vec<_> = calls.map(|sql| (f.stamp(), Call::batch([sql]))).into_iter().collect();
    let requests: Vec<_> = calls.iter().map(|(stamp, _)| request(*stamp)).collect();
    let group: Vec<_> = calls.iter().zip(&requests).map(|((stamp, call), request)| Write { request, stamp: *stamp, call }).collect();
    let written = f.store.write_group(&group);
    assert_eq!(written.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(f.rows("SELECT count(*) FROM children"), ["0"]);
}

#[test]
fn nobody_sees_a_group_that_is_not_committed() {
    let mut f = Fixture::new();
    f.store.begin().unwrap();
    let (stamp, call) = (f.stamp(), Call::batch(["INSERT INTO lists VALUES ('a', 'a')"]));
    let writes = [Write { request: "1", stamp, call: &call }, Write { request: "2", stamp, call: &call }];
    assert!(f.store.write_group(&writes).iter().all(Result::is_err), "while an interactive transaction is open nothing is written");
    f.store.rollback().unwrap();
    assert_eq!(query(&mut f.store as &mut Store, "SELECT id FROM lists"), Vec::<String>::new());
}
