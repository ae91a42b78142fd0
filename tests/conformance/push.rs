//! Scenarios 9 and 11 at the store: results, ends, rejected writes.

use crate::fixture::{Fixture, applied, rejected, request};
use seaworthy_protocol::{Conflict, ConflictKind, Outcome, Policy, Position, RejectCode, RejectData, RewrittenRow, Sequence, Value};
use seaworthy_store::{Call, Fate};

#[test]
fn a_repeated_request_gives_its_first_answer_and_has_no_second_effect() {
    let mut f = Fixture::new();
    let (one, two) = (f.stamp(), f.stamp());
    let call = Call::batch(["INSERT INTO lists VALUES ('l', 'Home') RETURNING id"]);
    let first = f.store.write("same", one, &call).unwrap();
    let second = f.store.write("same", two, &call).unwrap();
    assert!(second.repeated && !first.repeated);
    assert_eq!((first.receipt, first.buffer), (second.receipt, second.buffer));
    assert_eq!(f.pending_count(), 1);
    f.store.acknowledge(&["same".to_owned()]);
    f.exec(&["UPDATE lists SET name = 'x'"]);
    assert!(f.store.write("same", two, &call).is_err(), "an acknowledged answer is forgotten, and the key exists");
}

#[test]
fn answers_to_pages_that_are_gone_are_dropped_with_the_next_write() {
    let mut f = Fixture::new();
    for request in ["gone.1", "alive.1", "gone.2", "alive.10"] {
        let stamp = f.stamp();
        f.store.write(request, stamp, &Call::batch([format!("INSERT INTO lists VALUES ('{request}', 'Home')")])).unwrap();
    }
    assert!(f.store.answered_pages().unwrap().iter().eq(["alive", "gone"]));
    f.store.forget_pages(&["gone".to_owned()]).unwrap();
    f.exec(&["UPDATE lists SET name = 'x'"]);
    let stamp = f.stamp();
    let mut kept = |request: &str| f.store.write(request, stamp, &Call::batch([] as [&str; 0])).unwrap().repeated;
    assert_eq!(["gone.1", "alive.1", "gone.2", "alive.10"].map(&mut kept), [false, true, false, true]);
}

#[test]
fn a_result_touches_no_table_and_the_checkpoint_behind_it_ends_the_write() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    f.store.take_changed();
    f.decide(1, applied);
    assert!(f.store.take_changed().is_empty());
    assert_eq!(f.pending_count(), 1);
    assert!(f.store.replica().awaiting_checkpoint);
    let rows = f.todos(&[("a", "A")], &[]);
    let ended = f.checkpoint(&[rows]);
    assert_eq!(ended.confirmed.len(), 1);
    assert_eq!(f.pending_count(), 0);
    assert_eq!(f.titles(), ["a=A"]);
    assert_eq!(f.store.fate(ended.confirmed[0]).unwrap(), Fate::Confirmed);
}

#[test]
fn a_result_that_comes_twice_or_late_changes_nothing() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    f.decide(1, applied);
    f.decide(1, rejected);
    let rows = f.todos(&[("a", "A")], &[]);
    assert_eq!(f.checkpoint(&[rows]).rejected.len(), 0);
    f.decide(1, rejected);
    assert_eq!(f.titles(), ["a=A"]);
    assert_eq!(f.store.counts().unwrap().rejected, 0);
}

#[test]
fn what_the_server_made_of_a_write_replaces_it_and_later_writes_stay_on_top() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', ' A ')"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('b', ' B ')"]);
    f.exec(&["UPDATE todos SET title = 'A2' WHERE id = 'a'"]);
    let rewritten = |id: &str, title: &str| vec![RewrittenRow { table: "todos".into(), key: vec![id.into()], new: [("title".into(), title.into())].into() }];
    f.decide(1, |position| Outcome::Merged { position, dropped: vec![], rewritten: rewritten("a", "A") });
    f.decide(2, |position| Outcome::Merged { position, dropped: vec![], rewritten: rewritten("b", "B") });
    let rows = f.todos(&[("a", "A"), ("b", "B")], &[]);
    assert_eq!(f.checkpoint(&[rows]).confirmed.len(), 2);
    assert_eq!((f.titles(), f.pending_count()), (vec!["a=A2".to_owned(), "b=B".to_owned()], 1));
}

#[test]
fn the_one_that_is_rejected_is_reverted_kept_and_can_be_made_again() {
    let mut f = Fixture::new();
    for id in ["a", "b", "c"] {
        f.exec(&[&format!("INSERT INTO todos (id, title) VALUES ('{id}', '{id}')")]);
    }
    f.decide(1, applied);
    f.decide(2, rejected);
    f.decide(3, applied);
    let rows = f.todos(&[("a", "a"), ("c", "c")], &[]);
    let ended = f.checkpoint(&[rows]);
    assert_eq!(f.titles(), ["a=a", "c=c"]);
    let kept = f.store.rejected().unwrap();
    assert_eq!((kept.len(), kept[0].code.as_str(), kept[0].message.as_str()), (1, "forbidden", "not yours"));
    assert_eq!(kept, ended.rejected);
    assert_eq!(crate::fixture::lines(&kept[0].changes), ["insert todos b"]);
    let stamp = f.stamp();
    let receipt = f.store.retry(&request(stamp), kept[0].id, stamp, &[]).unwrap();
    assert_eq!(receipt.sequence, Some(Sequence(4)));
    assert_eq!(f.titles(), ["a=a", "b=b", "c=c"]);
    assert!(f.store.rejected().unwrap().is_empty());
    assert_eq!(f.store.retry(&request(stamp), kept[0].id, stamp, &[]).unwrap(), receipt, "a lost answer is found again");
    let stamp = f.stamp();
    assert_eq!(f.store.retry(&request(stamp), kept[0].id, stamp, &[]).unwrap_err().code(), "UnknownWrite");
}

#[test]
fn a_rejected_write_can_be_edited_by_a_new_write_and_discarded() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'bad')"]);
    f.decide(1, rejected);
    f.checkpoint(&[]);
    let kept = f.store.rejected().unwrap();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'good')"]);
    let stamp = f.stamp();
    f.store.retry(&request(stamp), kept[0].id, stamp, &[]).unwrap();
    assert_eq!(f.titles(), ["a=bad"], "a retried insert of a row that is there now sets it, as on the server");
    f.decide(2, applied);
    f.decide(3, rejected);
    let rows = f.todos(&[("a", "good")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.titles(), ["a=good"]);
    let kept = f.store.rejected().unwrap();
    f.store.discard(kept[0].id).unwrap();
    assert_eq!(f.store.counts().unwrap().rejected, 0);
    assert_eq!(f.store.fate(kept[0].id).unwrap(), Fate::Unknown);
}

fn refused(code: RejectCode) -> impl FnOnce(Position) -> Outcome {
    let cells = |title: &str| [("title".to_owned(), Value::from(title)), ("n".to_owned(), Value::Integer(i64::MAX))].into();
    let key = [("id".to_owned(), Value::Blob(vec![0, 255]))].into();
    let conflict = Conflict { table: "todos".into(), kind: ConflictKind::Data, key, base: Some(cells("A")), local: Some(cells("B")), remote: None };
    let data = RejectData { policy: Policy::Fail, conflicts: vec![conflict], left_out: 0 };
    move |position| Outcome::Rejected { position, code: code.as_str().into(), message: "meanwhile".into(), data: Some(data) }
}

#[test]
fn a_conflict_keeps_its_rows_and_can_be_made_again_on_top_of_what_came() {
    for code in [RejectCode::Conflict, RejectCode::Discarded] {
        let dir = tempfile::tempdir().unwrap();
        let open = || rusqlite::Connection::open(dir.path().join("db")).unwrap();
        let mut f = Fixture::on(open(), crate::fixture::SCHEMA);
        let given = f.todos(&[("a", "A")], &[]);
        f.checkpoint(&[given]);
        f.exec(&["UPDATE todos SET title = 'B'"]);
        f.decide(1, refused(code));
        f.store.close().unwrap();
        // The outcome is known, its checkpoint has not come: both survive.
        let mut f = Fixture::on(open(), crate::fixture::SCHEMA);
        let theirs = f.todos(&[("a", "theirs")], &[]);
        let ended = f.checkpoint_at(9, &[theirs], false);
        let kept = f.store.rejected().unwrap();
        assert_eq!(kept, ended.rejected);
        assert_eq!(kept[0].code, code.as_str());
        let Outcome::Rejected { data: Some(data), .. } = refused(code)(Position(9)) else { unreachable!() };
        assert_eq!(kept[0].conflicts, data.conflicts);
        assert_eq!(f.titles(), ["a=theirs"]);
        let stamp = f.stamp();
        f.store.retry(&request(stamp), kept[0].id, stamp, &[]).unwrap();
        assert_eq!(f.last_changes(), ["update todos a title:theirs>B"]);
    }
}

#[test]
fn a_write_names_the_pending_ones_that_it_builds_on() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    f.exec(&["INSERT INTO lists VALUES ('m', 'Work')"]);
    f.exec(&["INSERT INTO todos (id, list_id, title) VALUES ('t', 'l', 'Milk')"]);
    f.exec(&["UPDATE todos SET done = 1 WHERE id = 't'"]);
    f.exec(&["UPDATE todos SET title = 'Oat milk' WHERE id = 't'"]);
    f.exec(&["UPDATE todos SET title = 'Soy milk' WHERE id = 't'"]);
    f.exec(&["DELETE FROM lists WHERE id = 'm'"]);
    let after: Vec<Vec<u64>> = f.store.outbox(Sequence(0), 100, usize::MAX).unwrap().iter().map(|t| t.after.iter().map(|s| s.0).collect()).collect();
    assert_eq!(after, [vec![], vec![], vec![1], vec![3], vec![3], vec![5], vec![2]], "the newest writer of each cell; older ones follow from it");
}

#[test]
fn many_edits_of_one_row_name_one_predecessor_each() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('l', '')"]);
    for n in 0..50 {
        f.exec(&[&format!("UPDATE lists SET name = '{n}'")]);
    }
    let after: Vec<usize> = f.store.outbox(Sequence(1), 100, usize::MAX).unwrap().iter().map(|t| t.after.len()).collect();
    assert_eq!(after, [1; 50]);
}

#[test]
fn the_outbox_is_read_in_batches_bounded_by_count_and_bytes() {
    let mut f = Fixture::new();
    for n in 0..10 {
        f.exec(&[&format!("INSERT INTO lists VALUES ('{n}', hex(zeroblob(500)))")]);
    }
    let numbers = |f: &Fixture, after, count, bytes| f.store.outbox(Sequence(after), count, bytes).unwrap().iter().map(|t| t.sequence.0).collect::<Vec<_>>();
    assert_eq!(numbers(&f, 0, 3, usize::MAX), [1, 2, 3]);
    assert_eq!(numbers(&f, 3, 3, 2500), [4, 5], "two changesets of a thousand bytes fit");
    assert_eq!(numbers(&f, 9, 3, 1), [10], "one is always given");
    assert!(numbers(&f, 10, 3, usize::MAX).is_empty());
    f.decide(1, applied);
    assert_eq!(numbers(&f, 1, 2, usize::MAX), [2, 3]);
}

#[test]
fn sequences_go_on_after_the_outbox_was_empty_and_the_database_closed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = Fixture::on(rusqlite::Connection::open(&file).unwrap(), crate::fixture::SCHEMA);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    f.decide(1, applied);
    let rows = f.todos(&[("a", "A")], &[]);
    f.checkpoint(&[rows]);
    f.store.close().unwrap();
    let mut again = Fixture::on(rusqlite::Connection::open(&file).unwrap(), crate::fixture::SCHEMA);
    assert_eq!(again.exec(&["UPDATE todos SET title = 'B'"]).sequence, Some(Sequence(2)));
}
