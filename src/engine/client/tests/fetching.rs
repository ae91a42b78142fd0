//! Fetch alone does all the work where the WebSocket is blocked (scenario 25), and late answers change nothing (scenario 9).

use super::rig::*;
use crate::client::{Connection, FetchError, Input, Output, timing};
use seaworthy_protocol::{ClientFrame, Outcome, Position, limits};

fn beats_until_probe(rig: &mut Rig) {
    for _ in 0..100 {
        let asked = rig.take();
        if asked.contains(&Output::Connect) {
            return;
        }
        let pull = asked.into_iter().rev().find_map(|output| match output {
            Output::Fetch { id, frame: ClientFrame::Pull(_), .. } => Some(id),
            _ => None,
        });
        rig.pass(5_000);
        if let Some(id) = pull {
            rig.answer(id, vec![welcome(), checkpoint(10)]);
        }
    }
    panic!("the WebSocket was never tried again");
}

#[test]
fn two_sockets_without_a_welcome_switch_to_fetch_and_it_says_so() {
    let mut rig = Rig::new();
    rig.block_socket();
    let (id, wait_ms) = rig.fetched_pull();
    assert_eq!(wait_ms, 0, "the first answer must not wait for news");
    assert_eq!(rig.connection(), Connection::Connecting);
    rig.answer(id, vec![welcome(), rows(1), checkpoint(10)]);
    assert_eq!(rig.connection(), Connection::Online);
    assert!(rig.status().over_fetch);
    assert_eq!(rig.store.cursor, Some(cursor(10)));
    assert_eq!(rig.store.user, Some(alice()));
    assert_eq!(rig.fetched_pull().1, limits::MAX_PULL_WAIT_MS);
}

#[test]
fn pushes_and_pulls_go_by_fetch_one_of_each_at_a_time() {
    let mut rig = Rig::over_fetch();
    let (pull, _) = rig.fetched_pull();
    rig.commit(1);
    rig.commit(2);
    let (push, sequences) = rig.fetched_push();
    assert_eq!(sequences, [1]);
    rig.answer(push, vec![results([applied(1, 11)])]);
    let asked = rig.take();
    let again = asked.iter().find_map(|output| match output {
        Output::Fetch { id, frame: ClientFrame::Pull(pull), .. } => Some((*id, pull.wait_ms)),
        _ => None,
    });
    let (hurried, wait_ms) = again.expect("the entry waits for its checkpoint: the pull is made again, without waiting");
    assert_eq!(wait_ms, 0);
    assert!(asked.iter().any(|output| matches!(output, Output::Fetch { frame: ClientFrame::Push(_), .. })));
    rig.answer(pull, vec![welcome(), checkpoint(99)]);
    assert_eq!(rig.store.cursor, Some(cursor(10)), "only the newest pull counts");
    rig.answer(hurried, vec![welcome(), rows(1), checkpoint(11)]);
    assert_eq!(rig.store.ended.len(), 1);
}

#[test]
fn a_rejection_over_fetch_ends_although_nothing_new_is_in_the_log() {
    let mut rig = Rig::over_fetch();
    rig.commit(1);
    let (push, _) = rig.fetched_push();
    let rejected = Outcome::Rejected { position: Position(10), code: "forbidden".into(), message: "no".into(), data: None };
    rig.answer(push, vec![results([ended(1, rejected)])]);
    assert_eq!(rig.store.ended.len(), 1);
}

#[test]
fn a_late_answer_to_an_old_fetch_is_ignored() {
    let mut rig = Rig::over_fetch();
    rig.commit(1);
    let (first, _) = rig.fetched_push();
    rig.pass(timing::PUSH_TIMEOUT_MS + timing::BACKOFF_CAP_MS);
    let asked = rig.take();
    let pull = asked.iter().rev().find_map(|output| match output {
        Output::Fetch { id, frame: ClientFrame::Pull(_), .. } => Some(*id),
        _ => None,
    });
    rig.answer(pull.expect("a pull"), vec![welcome(), checkpoint(11)]);
    let (second, sequences) = rig.fetched_push();
    assert_eq!(sequences, [1]);
    rig.answer(first, vec![results([applied(1, 11)])]);
    assert_eq!(rig.store.ended.len(), 0);
    rig.answer(second, vec![results([applied(1, 11)])]);
    rig.answer(second, vec![results([applied(1, 11)])]);
    assert_eq!(rig.store.ended.len(), 1);
    assert_eq!(rig.connection(), Connection::Online);
}

#[test]
fn a_request_that_was_lost_is_made_again_without_losing_the_connection() {
    let mut rig = Rig::over_fetch();
    let (pull, _) = rig.fetched_pull();
    rig.fail(pull, FetchError::Network);
    assert_eq!(rig.connection(), Connection::Online);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.fetched_pull();
    rig.commit(1);
    let (push, _) = rig.fetched_push();
    rig.fail(push, FetchError::Network);
    rig.pass(timing::BACKOFF_BASE_MS);
    assert_eq!(rig.fetched_push().1, [1]);
}

#[test]
fn three_lost_requests_in_a_row_lose_the_connection_and_a_socket_is_next() {
    let mut rig = Rig::over_fetch();
    for _ in 0..timing::FETCH_FAILURES {
        let (pull, _) = rig.fetched_pull();
        rig.fail(pull, FetchError::Network);
        rig.pass(timing::BACKOFF_CAP_MS);
    }
    assert!(rig.take().contains(&Output::Connect));
    rig.give(Input::Closed);
    rig.fetched_pull();
}

#[test]
fn a_server_that_does_not_hold_pulls_open_is_not_polled_hot() {
    let mut rig = Rig::over_fetch();
    let start = rig.now;
    let mut pulls = 0;
    while rig.now.since(start) < 60_000 {
        let asked = rig.take();
        for output in asked {
            if let Output::Fetch { id, frame: ClientFrame::Pull(_), .. } = output {
                pulls += 1;
                rig.answer(id, vec![welcome(), checkpoint(10)]);
            }
        }
        rig.pass(10);
    }
    assert!(pulls <= 61, "{pulls} pulls in a minute");
}

#[test]
fn an_answer_without_what_was_asked_for_is_not_an_answer() {
    for frames in [vec![], vec![pong()], vec![checkpoint(10)], vec![results([applied(1, 1)])]] {
        let mut rig = Rig::new();
        rig.block_socket();
        let (id, _) = rig.fetched_pull();
        rig.answer(id, frames);
        assert_eq!(rig.connection(), Connection::Connecting);
        assert_eq!(rig.store.cursor, None);
    }
    let mut rig = Rig::over_fetch();
    rig.commit(1);
    let (push, _) = rig.fetched_push();
    rig.answer(push, vec![welcome()]);
    assert_eq!(rig.error_code().as_deref(), Some("not_seaworthy"));
}

#[test]
fn rows_without_their_checkpoint_do_not_leak_into_the_next_answer() {
    let mut rig = Rig::over_fetch();
    let (pull, _) = rig.fetched_pull();
    rig.answer(pull, vec![welcome(), rows(1)]);
    let (pull, _) = rig.fetched_pull();
    rig.answer(pull, vec![welcome(), rows(2), checkpoint(11)]);
    assert_eq!(rig.store.applied.last().unwrap().0.len(), 1);
}

#[test]
fn an_unauthorized_fetch_renews_the_token_once() {
    let mut rig = Rig::over_fetch();
    let (pull, _) = rig.fetched_pull();
    rig.answer(pull, vec![error("unauthorized", None)]);
    assert_eq!(rig.take(), [Output::Disconnect, Output::NeedToken { renew: true }]);
    rig.give(Input::Token(Some("t2".into())));
    let (pull, _) = rig.fetched_pull();
    rig.answer(pull, vec![error("unauthorized", None)]);
    assert_eq!(rig.connection(), Connection::NeedsAuth);
}

#[test]
fn the_socket_is_tried_again_every_few_minutes_beside_fetch_and_takes_over_when_it_works() {
    let mut rig = Rig::over_fetch();
    beats_until_probe(&mut rig);
    assert_eq!(rig.connection(), Connection::Online);
    rig.give(Input::Closed);
    assert!(rig.status().over_fetch);

    beats_until_probe(&mut rig);
    rig.commit(1);
    let (push, _) = rig.fetched_push();
    rig.give(Input::Connected);
    assert_eq!(rig.hello().cursor, Some(cursor(10)));
    rig.frame(welcome());
    assert_eq!(rig.connection(), Connection::Online);
    assert!(!rig.status().over_fetch);
    assert_eq!(rig.pushed(), [1], "the push by fetch is made again over the socket");
    rig.answer(push, vec![results([applied(1, 11)])]);
    assert_eq!(rig.store.outbox[0].outcome, None);
    rig.frame(results([applied(1, 11)]));
    rig.frame(checkpoint(11));
    assert_eq!(rig.store.ended.len(), 1);
}

#[test]
fn the_cursor_does_not_move_between_hello_and_welcome() {
    let mut rig = Rig::over_fetch();
    let (_, _) = rig.fetched_pull();
    rig.answer(3, vec![]);
    beats_until_probe(&mut rig);
    rig.give(Input::Connected);
    for id in 0..100 {
        rig.answer(id, vec![welcome(), rows(1), checkpoint(50)]);
    }
    assert_eq!(rig.store.cursor, Some(cursor(10)));
    rig.frame(welcome());
    rig.frame(checkpoint(20));
    assert_eq!(rig.store.cursor, Some(cursor(20)));
}

#[test]
fn a_socket_that_hangs_while_it_is_tried_is_left_and_fetch_goes_on() {
    let mut rig = Rig::over_fetch();
    beats_until_probe(&mut rig);
    rig.give(Input::Connected);
    rig.take();
    rig.pass(timing::WELCOME_TIMEOUT_MS);
    let asked = rig.take();
    assert_eq!(asked[0], Output::Disconnect);
    assert!(asked.iter().any(|output| matches!(output, Output::Fetch { frame: ClientFrame::Pull(_), .. })));
    assert!(rig.status().over_fetch);
    assert_eq!(rig.connection(), Connection::Online);
}
