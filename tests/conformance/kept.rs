//! Scenario 19 at the store: what a restored server has lost is listed, and nothing else.

use crate::fixture::{Fixture, SCHEMA, applied, lines, rejected, request};
use rusqlite::Connection;
use seaworthy_protocol::{Position, ReplicaId, Sequence, TransactionId};
use seaworthy_store::{Fate, LOST_BY_RESTORE};

/// Writes a todo and has it confirmed.
fn confirm(f: &mut Fixture, id: &str) -> TransactionId {
    let receipt = f.exec(&[&format!("INSERT INTO todos (id, title) VALUES ('{id}', '{id}')")]);
    f.decide(receipt.sequence.unwrap().0, applied);
    let rows = f.todos(&[(id, id)], &[]);
    f.checkpoint(&[rows]);
    receipt.id.unwrap()
}

#[test]
fn a_confirmed_write_that_the_server_has_lost_is_listed_when_its_row_goes_and_can_be_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Fixture::on(Connection::open(dir.path().join("db")).unwrap(), SCHEMA);
    let mut f = open();
    let ids = ["a", "b", "c"].map(|id| confirm(&mut f, id));
    f.exec(&["INSERT INTO todos (id, title) VALUES ('d', 'd')"]);
    assert!(f.store.replica().doubtful.is_empty());
    f.store.forget_outcomes(Sequence(1)).unwrap();
    assert_eq!(f.store.fate(ids[1]).unwrap(), Fate::Confirmed, "its row is still shown");
    let doubts = |f: &Fixture| (f.store.replica().kept_through, f.store.replica().doubtful.to_vec());
    assert_eq!(doubts(&f), (Sequence(1), ids[1..].to_vec()));
    f.store.close().unwrap();

    let mut f = open();
    assert_eq!(doubts(&f), (Sequence(1), ids[1..].to_vec()), "it is asked again after a restart");
    assert!(f.checkpoint_at(4, &[], false).rejected.is_empty(), "no answer");
    let rows = f.todos(&[("a", "a")], &[]);
    let ended = f.answer_at(2, &[rows], true, &[ids[0], TransactionId([9; 16])]);
    let lost: Vec<_> = ended.rejected.iter().map(|write| (write.code.as_str(), write.id, lines(&write.changes))).collect();
    let expected = [(ids[1], "b"), (ids[2], "c")].map(|(id, key)| (LOST_BY_RESTORE, id, vec![format!("insert todos {key}")]));
    assert_eq!(lost, expected);
    assert_eq!((f.titles(), f.store.rejected().unwrap()), (vec!["a=a".to_owned(), "d=d".to_owned()], ended.rejected));
    assert!(matches!(f.store.fate(ids[2]).unwrap(), Fate::Rejected { .. }));
    assert_eq!(f.store.fate(ids[0]).unwrap(), Fate::Confirmed);
    assert_eq!(doubts(&f).1, []);
    let stamp = f.stamp();
    f.store.retry(&request(stamp), ids[1], stamp, &[]).unwrap();
    assert_eq!(f.titles(), ["a=a", "b=b", "d=d"]);
    assert!(f.answer_at(3, &[], true, &[]).rejected.is_empty(), "they are listed once");
}

#[test]
fn a_write_that_the_server_knows_although_it_has_no_record_of_this_replica_is_not_lost_and_can_be_lost_later() {
    let mut f = Fixture::new();
    let ids = ["a", "b"].map(|id| confirm(&mut f, id));
    f.store.forget_outcomes(Sequence(0)).unwrap();
    let rows = f.todos(&[("a", "a"), ("b", "b")], &[]);
    assert!(f.answer_at(2, &[rows], true, &ids).rejected.is_empty());
    assert_eq!((f.titles(), f.store.fate(ids[1]).unwrap()), (vec!["a=a".to_owned(), "b=b".to_owned()], Fate::Confirmed));
    let rows = f.todos(&[("a", "a")], &[]);
    let ended = f.answer_at(1, &[rows], true, &ids[..1]);
    assert_eq!(ended.rejected.iter().map(|write| write.id).collect::<Vec<_>>(), [ids[1]], "restored once more");
}

#[test]
fn what_the_server_has_rejected_or_announced_as_durable_cannot_be_lost() {
    let mut f = Fixture::new();
    let ids = ["a", "b"].map(|id| confirm(&mut f, id));
    f.exec(&["INSERT INTO todos (id, title) VALUES ('x', 'x')"]);
    f.decide(3, rejected);
    f.checkpoint(&[]);
    f.store.release(Position(1)).unwrap();
    f.store.forget_outcomes(Sequence(0)).unwrap();
    assert_eq!(*f.store.replica().doubtful, ids[1..]);
    f.answer_at(7, &[], true, &ids[1..]);
    f.store.release(Position(6)).unwrap();
    assert_eq!(*f.store.replica().doubtful, ids[1..], "in the new history it may stand as far as 7");
    f.store.release(Position(7)).unwrap();
    assert!(f.store.replica().doubtful.is_empty());
    assert!(f.answer_at(1, &[], true, &[]).rejected.is_empty());
}

#[test]
fn under_a_new_name_all_that_is_kept_is_doubtful() {
    let mut f = Fixture::new();
    let ids = ["a", "b"].map(|id| confirm(&mut f, id));
    f.store.forget_outcomes(Sequence(1)).unwrap();
    f.store.new_identity(ReplicaId([8; 16])).unwrap();
    assert_eq!((f.store.replica().kept_through, &*f.store.replica().doubtful), (Sequence(0), &ids[..]));
    let ended = f.answer_at(2, &[], false, &ids[..1]);
    assert_eq!(ended.rejected.iter().map(|write| write.id).collect::<Vec<_>>(), [ids[1]]);
}

#[test]
fn what_is_kept_is_bounded_in_bytes_and_the_newest_stays() {
    let mut f = Fixture::new();
    let mut last = None;
    for n in 0..6 {
        let receipt = f.exec(&[&format!("INSERT INTO todos (id, title) VALUES ('{n}', hex(zeroblob(4000000)))")]);
        f.decide(receipt.sequence.unwrap().0, applied);
        f.checkpoint(&[]);
        last = receipt.id;
    }
    f.store.forget_outcomes(Sequence(0)).unwrap();
    let lost: Vec<_> = f.answer_at(1, &[], true, &[]).rejected.iter().map(|write| write.id).collect();
    assert_eq!((lost.len(), lost.last().copied()), (4, last), "32 MiB hold four of 8 MB");
}
