//! Confirmed writes that the server may still forget: what no sequence tells, it is asked (scenario 19).

use super::rig::*;
use crate::client::{FetchError, Input, Output, timing};
use seaworthy_protocol::{Checkpoint, ClientFrame, Outcome, Position, Pull, Sequence, ServerFrame, TransactionId};

const FIRST: TransactionId = TransactionId([1; 16]);
const SECOND: TransactionId = TransactionId([2; 16]);
const THIRD: TransactionId = TransactionId([3; 16]);

/// Online, with three writes confirmed at 11 to 13.
fn confirmed() -> Rig {
    confirm(Rig::online())
}

fn confirm(mut rig: Rig) -> Rig {
    for id in 1..=3 {
        rig.commit(id);
        rig.frame(results([applied(id.into(), 10 + u64::from(id))]));
        rig.frame(checkpoint(10 + u64::from(id)));
    }
    rig
}

/// What the `hello` of the next connection asks about.
fn asked_next(rig: &mut Rig) -> Vec<TransactionId> {
    while !rig.take().contains(&Output::Connect) {
        rig.pass(100);
    }
    rig.give(Input::Connected);
    rig.hello().doubtful
}

/// The same after the connection was lost.
fn asked_anew(rig: &mut Rig) -> Vec<TransactionId> {
    rig.give(Input::Closed);
    asked_next(rig)
}

/// What the last pull over fetch asks about, and its id.
fn asked_over_fetch(rig: &mut Rig) -> (u32, Vec<TransactionId>) {
    let mut pulls = rig.take().into_iter().filter_map(|output| match output {
        Output::Fetch { id, frame: ClientFrame::Pull(Pull { doubtful, .. }), .. } => Some((id, doubtful)),
        _ => None,
    });
    pulls.next_back().expect("a pull over fetch")
}

#[test]
fn a_restored_server_is_asked_about_what_it_has_no_record_of_before_its_rows_are_applied() {
    let mut rig = confirmed();
    assert_eq!(asked_anew(&mut rig), [], "nothing is doubtful yet");
    rig.frame(welcome_at(1));
    assert_eq!(rig.take(), [Output::Disconnect]);
    rig.frame(reset_to(11));
    assert_eq!((rig.store.cursor, rig.error_code()), (Some(cursor(13)), None));
    assert_eq!(asked_next(&mut rig), [SECOND, THIRD]);
    rig.frame(welcome_at(1));
    assert_eq!(rig.take(), [], "once");
    rig.frame(reset_knowing(12, &[FIRST, SECOND, TransactionId([9; 16])]));
    assert_eq!((rig.store.cursor, rig.store.lost.clone()), (Some(cursor(12)), vec![THIRD]));
    assert_eq!(asked_anew(&mut rig), [SECOND], "which stays without a record");
}

#[test]
fn a_process_that_ends_before_the_answer_asks_again() {
    let mut rig = confirmed();
    asked_anew(&mut rig);
    rig.frame(welcome_at(2));
    let mut rig = Rig::over(rig.store);
    rig.greet();
    assert_eq!(rig.hello().doubtful, [THIRD]);
    rig.frame(welcome_at(2));
    rig.frame(reset_knowing(12, &[]));
    assert_eq!(rig.store.lost, [THIRD]);
}

#[test]
fn a_new_name_has_records_of_nothing_and_asks_about_all_that_is_kept() {
    let mut rig = confirmed();
    rig.commit(4);
    rig.take();
    rig.frame(results([ended(4, Outcome::IdentityReused)]));
    assert_eq!(asked_next(&mut rig), [FIRST, SECOND, THIRD]);
    rig.frame(welcome());
    rig.frame(ServerFrame::Checkpoint(Checkpoint { known: Some(vec![FIRST, SECOND, THIRD]), ..Checkpoint::at(cursor(13)) }));
    assert_eq!(rig.store.lost, []);
}

#[test]
fn only_the_first_checkpoint_of_a_connection_answers_and_it_must() {
    let doubting = || {
        let mut rig = confirmed();
        asked_anew(&mut rig);
        rig.frame(welcome_at(2));
        assert_eq!(asked_next(&mut rig), [THIRD]);
        rig.frame(welcome_at(2));
        rig
    };
    let mut rig = doubting();
    rig.frame(reset_to(12));
    assert_eq!((rig.error_code().as_deref(), rig.store.cursor, rig.store.lost.len()), (Some("bad_frame"), Some(cursor(13)), 0));

    let mut rig = doubting();
    rig.frame(reset_knowing(12, &[THIRD]));
    rig.frame(ServerFrame::Checkpoint(Checkpoint { known: Some(vec![]), ..Checkpoint::at(cursor(14)) }));
    assert_eq!((rig.store.cursor, rig.store.lost.len()), (Some(cursor(14)), 0), "nobody asked");
    rig.take();
    rig.frame(reset_knowing(9, &[]));
    assert_eq!((rig.take(), rig.store.cursor, rig.store.lost.len()), (vec![Output::Disconnect], Some(cursor(14)), 0), "it is asked first");
}

#[test]
fn a_server_that_is_restored_between_two_pulls_is_asked_over_fetch() {
    let mut rig = confirm(Rig::online());
    rig = Rig::over(rig.store);
    rig.block_socket();
    let (id, asked) = asked_over_fetch(&mut rig);
    assert_eq!(asked, []);
    rig.answer(id, vec![welcome_at(2), reset_to(12)]);
    assert_eq!(rig.store.cursor, Some(cursor(13)), "what follows the welcome is dropped");
    rig.pass(timing::BACKOFF_BASE_MS);
    let (id, asked) = asked_over_fetch(&mut rig);
    assert_eq!(asked, [THIRD]);
    rig.answer(id, vec![welcome_at(2), reset_knowing(13, &[THIRD])]);
    rig.pass(timing::PULL_SPACING_MS);
    let (id, asked) = asked_over_fetch(&mut rig);
    assert_eq!((asked, rig.store.cursor), (vec![], Some(cursor(13))), "not with every pull");

    // It was restored once more, and this replica has no record that would tell.
    rig.fail(id, FetchError::Network);
    rig.pass(timing::BACKOFF_CAP_MS);
    let (id, asked) = asked_over_fetch(&mut rig);
    assert_eq!(asked, []);
    rig.answer(id, vec![welcome_at(2), reset_to(12)]);
    assert_eq!((rig.store.cursor, rig.store.lost.len()), (Some(cursor(13)), 0));
    rig.pass(timing::BACKOFF_CAP_MS);
    let (id, asked) = asked_over_fetch(&mut rig);
    assert_eq!(asked, [THIRD]);
    rig.answer(id, vec![welcome_at(2), reset_knowing(12, &[])]);
    assert_eq!((rig.store.cursor, rig.store.lost.clone()), (Some(cursor(12)), vec![THIRD]));
}

#[test]
fn what_was_confirmed_is_kept_until_the_server_says_that_it_is_durable_in_the_history_that_we_follow() {
    let mut rig = confirmed();
    asked_anew(&mut rig);
    rig.frame(welcome_durable(12));
    assert_eq!(rig.store.kept.len(), 3, "positions of another history may be meant");
    rig.frame(checkpoint(13));
    assert_eq!(rig.store.kept, [Kept { id: THIRD, sequence: Sequence(3), position: Position(13), doubtful: false }]);
}
