//! Under which name the server knows a database: a copy takes one of its own, and nothing is lost over it.

use crate::fixture::{Fixture, SCHEMA, applied, lines, rejected};
use rusqlite::Connection;
use seaworthy_protocol::{ReplicaId, Sequence, TransactionId};
use seaworthy_store::Fate;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const NEW: ReplicaId = ReplicaId([8; 16]);

/// Four writes, of which the second builds on the first and the last on the third; the first is rejected, its checkpoint has not come.
fn copied() -> (Fixture, Vec<TransactionId>) {
    fill(Fixture::new())
}

fn fill(mut f: Fixture) -> (Fixture, Vec<TransactionId>) {
    f.exec(&["INSERT INTO lists VALUES ('before', '')"]);
    f.decide(1, applied);
    f.checkpoint(&[]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'a')"]);
    f.exec(&["UPDATE todos SET title = 'A' WHERE id = 'a'"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('c', 'c')"]);
    f.exec(&["UPDATE todos SET title = 'C' WHERE id = 'c'"]);
    f.store.mark_sent(Sequence(4)).unwrap();
    f.decide(2, rejected);
    let ids = f.store.pending().unwrap().iter().map(|write| write.id).collect();
    (f, ids)
}

#[test]
fn a_new_identity_takes_over_all_that_is_pending_undecided_and_numbered_from_one() {
    let (mut f, ids) = copied();
    let before = f.titles();
    f.store.new_identity(NEW).unwrap();
    let state = f.store.replica();
    assert_eq!((state.replica, state.first_undecided, state.last_sequence, state.awaiting_checkpoint), (NEW, Sequence(1), Sequence(4), false));
    let moved = f.store.outbox(Sequence(0), 9, usize::MAX).unwrap();
    assert_eq!(moved.iter().map(|t| (t.id, t.sequence.0)).collect::<Vec<_>>(), ids.into_iter().zip(1..).collect::<Vec<_>>(), "their identities stay");
    let after: Vec<Vec<u64>> = moved.iter().map(|t| t.after.iter().map(|s| s.0).collect()).collect();
    assert_eq!(after, [vec![], vec![1], vec![], vec![3]], "what they build on follows");
    assert!(f.store.pending().unwrap().iter().all(|write| !write.sent));
    assert_eq!(f.titles(), before, "no row is touched");
    assert_eq!(f.exec(&["INSERT INTO todos (id, title) VALUES ('d', 'd')"]).sequence, Some(Sequence(5)));
}

#[test]
fn what_the_server_answers_again_by_the_id_ends_as_it_would_have_under_the_former_name() {
    let (mut f, ids) = copied();
    f.store.new_identity(NEW).unwrap();
    f.decide(1, rejected);
    f.decide(2, rejected);
    f.decide(3, applied);
    f.decide(4, applied);
    let rows = f.todos(&[("c", "C")], &[]);
    let ended = f.checkpoint(&[rows]);
    assert_eq!((ended.rejected.len(), ended.confirmed.len()), (2, 2));
    assert_eq!(lines(&ended.rejected[0].changes), ["insert todos a"]);
    assert_eq!(f.store.fate(ids[3]).unwrap(), Fate::Confirmed);
    assert_eq!((f.titles(), f.pending_count()), (vec!["c=C".to_owned()], 0));
}

#[test]
fn a_new_identity_that_cannot_be_committed_changes_nothing_on_disk_or_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut conn = Connection::open(dir.path().join("db")).unwrap();
    let refuse = Arc::new(AtomicBool::new(false));
    let asked = refuse.clone();
    conn.commit_hook(Some(move || asked.load(Relaxed))).unwrap();
    let (mut f, _) = fill(Fixture::on(conn, SCHEMA));
    let before = (f.store.replica(), f.store.pending().unwrap());
    refuse.store(true, Relaxed);
    f.store.new_identity(NEW).unwrap_err();
    refuse.store(false, Relaxed);
    assert_eq!((f.store.replica(), f.store.pending().unwrap()), before);
    f.store.close().unwrap();
    let reopened = Fixture::on(Connection::open(dir.path().join("db")).unwrap(), SCHEMA);
    assert_eq!((reopened.store.replica(), reopened.store.pending().unwrap()), before);
}

#[test]
fn a_database_is_anonymous_until_a_user_takes_it_over_and_remembers_it() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Fixture::on(Connection::open(dir.path().join("db")).unwrap(), SCHEMA);
    let mut f = open();
    assert!(!f.store.replica().anonymous);
    f.store.mark_anonymous(true).unwrap();
    f.store.close().unwrap();
    let mut f = open();
    assert!(f.store.replica().anonymous);
    let user = seaworthy_engine::client::User { issuer: "i".into(), subject: "ann".into() };
    f.store.bind_user(&user).unwrap();
    f.store.close().unwrap();
    let state = open().store.replica();
    assert_eq!((state.anonymous, state.user), (false, Some(user)));
}
