//! The outbox: in order, one push at a time, and every answer exactly once (scenarios 9 and 11).

use super::rig::*;
use crate::client::{Connection, Input, Output, timing};
use seaworthy_protocol::{Outcome, Position, Sequence, limits};

fn retry_later(sequence: u64, retry_after_ms: u64) -> seaworthy_protocol::TransactionResult {
    ended(sequence, Outcome::RetryLater { retry_after_ms, message: "busy".into() })
}

fn gap(sequence: u64, expected: u64) -> seaworthy_protocol::TransactionResult {
    ended(sequence, Outcome::Gap { expected: Sequence(expected) })
}

#[test]
fn a_local_commit_is_pushed_at_once_and_marked_as_sent_before() {
    let mut rig = Rig::online();
    rig.commit(1);
    assert_eq!(rig.store.marked, Sequence(1));
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn what_was_committed_offline_is_pushed_after_the_welcome_in_order() {
    let mut rig = Rig::new();
    for id in 1..=3 {
        rig.commit(id);
    }
    rig.greet();
    assert!(rig.pushed().is_empty());
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1, 2, 3]);
}

#[test]
fn one_push_is_under_way_at_a_time_and_what_comes_meanwhile_follows_in_a_batch() {
    let mut rig = Rig::online();
    rig.commit(1);
    assert_eq!(rig.pushed(), [1]);
    rig.commit(2);
    rig.commit(3);
    assert!(rig.pushed().is_empty());
    rig.frame(results([applied(1, 11)]));
    assert_eq!(rig.pushed(), [2, 3]);
}

#[test]
fn a_long_queue_goes_in_batches_within_the_limit() {
    let mut rig = Rig::new();
    for _ in 0..limits::MAX_PUSH_TRANSACTIONS + 1 {
        rig.store.commit(1);
    }
    let mut rig = Rig::over(rig.store);
    rig.greet();
    rig.frame(welcome());
    let batch = rig.pushed();
    assert_eq!(batch.len(), limits::MAX_PUSH_TRANSACTIONS);
    rig.frame(results(batch.iter().map(|sequence| applied(*sequence, *sequence))));
    assert_eq!(rig.pushed(), [limits::MAX_PUSH_TRANSACTIONS as u64 + 1]);
}

#[test]
fn a_result_ends_nothing_until_the_checkpoint_at_or_behind_it() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.frame(results([applied(1, 12)]));
    rig.frame(checkpoint(11));
    assert_eq!(rig.store.outbox.len(), 1);
    rig.frame(checkpoint(12));
    assert_eq!(rig.store.outbox.len(), 0);
}

#[test]
fn a_result_at_a_position_that_was_passed_already_ends_without_another_checkpoint() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.frame(checkpoint(12));
    rig.frame(results([applied(1, 12)]));
    assert_eq!(rig.store.outbox.len(), 0);
    assert_eq!(rig.store.cursor, Some(cursor(12)));
}

#[test]
fn a_result_is_not_compared_with_a_cursor_of_another_history() {
    let mut rig = Rig::online();
    rig.give(Input::Closed);
    rig.commit(1);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.frame(welcome());
    rig.frame(results([applied(1, 2)]));
    assert_eq!(rig.store.outbox.len(), 1, "the server was created anew: position 2 is not behind our 10");
    rig.frame(reset_to(2));
    assert_eq!(rig.store.outbox.len(), 0);
}

#[test]
fn a_rejection_in_the_middle_stops_nothing() {
    let mut rig = Rig::new();
    for id in 1..=3 {
        rig.commit(id);
    }
    rig.greet();
    rig.frame(welcome());
    let rejected = Outcome::Rejected { position: Position(11), code: "constraint".into(), message: "no".into(), data: None };
    rig.frame(results([applied(1, 11), ended(2, rejected), applied(3, 12)]));
    rig.frame(checkpoint(12));
    assert_eq!(rig.store.ended.len(), 3);
}

#[test]
fn a_lost_answer_is_asked_for_again_and_recorded_once() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.commit(2);
    assert_eq!(rig.pushed(), [1]);
    rig.give(Input::Closed);
    rig.frame(results([applied(1, 11)]));
    assert_eq!(rig.store.outbox[0].outcome, None, "a frame of a connection that is gone");
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.take();
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1, 2]);
    rig.frame(results([applied(1, 11), applied(2, 12)]));
    rig.frame(checkpoint(12));
    assert_eq!(rig.store.ended.len(), 2);
}

#[test]
fn a_duplicate_or_reordered_answer_is_refused_and_records_nothing() {
    let sent_2 = || {
        let mut rig = Rig::new();
        rig.commit(1);
        rig.commit(2);
        rig.greet();
        rig.frame(welcome());
        rig
    };
    let bad = [
        vec![],
        vec![applied(2, 12)],
        vec![applied(2, 12), applied(1, 11)],
        vec![applied(1, 11), applied(1, 11)],
        vec![applied(1, 11), applied(2, 12), applied(3, 13)],
    ];
    for answer in bad {
        let mut rig = sent_2();
        rig.frame(results(answer));
        assert_eq!(rig.error_code().as_deref(), Some("bad_frame"));
        assert!(rig.store.outbox.iter().all(|entry| entry.outcome.is_none()));
    }
    let mut rig = sent_2();
    rig.frame(results([applied(1, 11), applied(2, 12)]));
    rig.frame(results([applied(1, 11), applied(2, 12)]));
    assert_eq!(rig.error_code().as_deref(), Some("bad_frame"));
}

#[test]
fn a_server_that_never_answers_a_push_is_asked_again_on_another_connection() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.take();
    for _ in 0..6 {
        rig.pass(10_000);
        rig.frame(pong());
    }
    assert_eq!(rig.connection(), Connection::Connecting);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn retry_later_waits_as_asked_and_starts_with_the_same_transaction() {
    let mut rig = Rig::new();
    for id in 1..=3 {
        rig.commit(id);
    }
    rig.greet();
    rig.frame(welcome());
    rig.take();
    rig.frame(results([applied(1, 1), retry_later(2, 5_000)]));
    rig.frame(pong());
    rig.pass(4_999);
    assert!(rig.pushed().is_empty());
    rig.pass(timing::BACKOFF_BASE_MS + 1);
    assert_eq!(rig.pushed(), [2, 3]);
}

#[test]
fn retry_later_holds_across_a_reconnection() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.frame(results([retry_later(1, 60_000)]));
    rig.give(Input::Closed);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.take();
    rig.frame(welcome());
    assert!(rig.pushed().is_empty());
}

#[test]
fn a_server_that_forgot_recorded_outcomes_gets_them_again() {
    let mut rig = Rig::online();
    for id in 1..=3 {
        rig.commit(id);
    }
    rig.frame(results([applied(1, 11)]));
    rig.take();
    rig.frame(results([applied(2, 12), gap(3, 2)]));
    assert_eq!(rig.store.outbox[0].outcome, Some(Outcome::Applied { position: Position(11) }));
    assert_eq!(rig.pushed(), [2, 3]);
}

#[test]
fn a_restored_server_is_recognised_by_the_last_sequence_that_it_knows() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.commit(2);
    rig.frame(results([applied(1, 11)]));
    rig.frame(results([applied(2, 60)]));
    rig.give(Input::Closed);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.take();
    rig.frame(welcome_at(1));
    assert_eq!(rig.store.outbox[0].outcome, Some(Outcome::Applied { position: Position(11) }));
    assert_eq!(rig.pushed(), [2], "decided at 60 in a history that is no more");
}

#[test]
fn a_server_that_expects_what_we_hold_no_more_is_met_under_a_new_name() {
    let mut rig = Rig::online();
    for id in 1..=2 {
        rig.commit(id);
        rig.frame(results([applied(id.into(), 10 + u64::from(id))]));
        rig.frame(checkpoint(10 + u64::from(id)));
    }
    rig.commit(3);
    let former = rig.store.replica;
    rig.take();
    rig.frame(results([gap(3, 1)]));
    assert_eq!(rig.take(), [Output::Disconnect]);
    rig.pass(timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::Connect]);
    rig.give(Input::Connected);
    let hello = rig.hello();
    assert_ne!(hello.replica, former);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn a_copied_database_sends_all_that_it_holds_under_a_new_name_and_gets_the_same_outcomes_again() {
    let mut rig = Rig::new();
    for id in 1..=3 {
        rig.commit(id);
    }
    rig.greet();
    rig.frame(welcome());
    rig.take();
    rig.frame(results([applied(1, 5), ended(2, Outcome::IdentityReused)]));
    assert_eq!(rig.take(), [Output::Disconnect]);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    assert_ne!(rig.hello().replica, seaworthy_protocol::ReplicaId::default());
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1, 2, 3], "the server knows the first by its id");
    rig.frame(results([applied(1, 5), applied(2, 6), applied(3, 7)]));
    rig.frame(checkpoint(7));
    assert_eq!(rig.store.ended.len(), 3);
}

#[test]
fn a_copied_database_takes_its_new_name_over_fetch_too() {
    let mut rig = Rig::over_fetch();
    rig.take();
    rig.commit(1);
    rig.commit(2);
    let (id, sequences) = rig.fetched_push();
    assert_eq!(sequences, [1]);
    let former = rig.store.replica;
    rig.answer(id, vec![results([ended(1, Outcome::IdentityReused)])]);
    assert_ne!(rig.store.replica, former);
    rig.pass(timing::BACKOFF_BASE_MS);
    let (id, _) = rig.fetched_pull();
    rig.answer(id, vec![welcome(), checkpoint(10)]);
    assert_eq!(rig.fetched_push().1, [1, 2]);
}

#[test]
fn a_storage_that_cannot_take_a_new_name_keeps_the_old_one_and_tries_again() {
    let mut rig = Rig::online();
    rig.commit(1);
    let former = rig.store.replica;
    rig.store.fails = true;
    rig.frame(results([ended(1, Outcome::IdentityReused)]));
    assert_eq!((rig.store.replica, rig.store.outbox.len()), (former, 1));
    rig.store.fails = false;
    rig.take();
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
    rig.frame(results([ended(1, Outcome::IdentityReused)]));
    assert_ne!(rig.store.replica, former);
}

#[test]
fn a_server_that_refuses_every_name_is_not_stormed() {
    let mut rig = Rig::new();
    rig.commit(1);
    rig.greet();
    let mut names = 0;
    let start = rig.now;
    while rig.now.since(start) < 60_000 {
        rig.frame(welcome());
        if rig.pushed() == [1] {
            rig.frame(results([ended(1, Outcome::IdentityReused)]));
            names += 1;
        }
        rig.pass(100);
        rig.give(Input::Connected);
    }
    assert!(names < 30, "{names} names in a minute");
}
