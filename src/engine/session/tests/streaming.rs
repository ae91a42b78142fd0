//! Decisions and checkpoints of an open session.

use super::rig::*;
use crate::session::{Input, Output, timing};
use seaworthy_protocol::{Checkpoint, ClientFrame, ErrorCode, ErrorFrame, Outcome, Pong, Position, Results, ServerFrame, TokenRenewal};
use serde_json::Map;
use std::sync::Arc;

fn results(results: impl IntoIterator<Item = seaworthy_protocol::TransactionResult>) -> Output {
    Output::Send(ServerFrame::Results(Results { results: results.into_iter().collect() }))
}

fn token(token: &str) -> ClientFrame {
    ClientFrame::Token(TokenRenewal { token: token.into() })
}

fn pong() -> Output {
    Output::Send(ServerFrame::Pong(Pong {}))
}

#[test]
fn news_are_read_once_at_a_time_and_sent_with_their_checkpoint() {
    let mut rig = Rig::open();
    assert_eq!(rig.give(Input::Head(Position(11))), [reads_from(10)]);
    assert_eq!(rig.give(Input::Head(Position(12))), []);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(11, 1)))), [Output::Send(ServerFrame::Rows(rows(0))), checkpoint(11), reads_from(11)]);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(12, 0)))), []);
    assert_eq!(rig.give(Input::Head(Position(12))), []);
}

#[test]
fn a_push_is_decided_answered_and_followed_by_a_checkpoint_even_an_empty_one() {
    let mut rig = Rig::open();
    assert_eq!(rig.frame(push([5, 6])), [Output::Decide { principal: principal("alice"), push: push_of([5, 6]) }]);
    let rejected = seaworthy_protocol::TransactionResult {
        sequence: seaworthy_protocol::Sequence(6),
        outcome: Outcome::Rejected { position: Position(11), code: "forbidden".into(), message: "no".into(), data: None },
    };
    let decided = vec![applied(5, 11), rejected];
    assert_eq!(rig.give(Input::Decided(Ok(decided.clone()))), [results(decided), reads_from(10)]);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(11, 0)))), [checkpoint(11)]);
}

#[test]
fn a_decision_that_was_read_past_already_still_gets_its_checkpoint() {
    let mut rig = Rig::open();
    rig.frame(push([5]));
    rig.give(Input::Head(Position(11)));
    rig.give(Input::Pulled(Ok(pulled(11, 1))));
    assert_eq!(rig.give(Input::Decided(Ok(vec![applied(5, 11)]))), [results([applied(5, 11)]), checkpoint(11)]);
}

#[test]
fn a_read_that_was_older_than_the_decision_is_followed_by_another() {
    let mut rig = Rig::open();
    rig.frame(push([5]));
    rig.give(Input::Head(Position(11)));
    assert_eq!(rig.give(Input::Decided(Ok(vec![applied(5, 12)]))), [results([applied(5, 12)])]);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(11, 0)))), [checkpoint(11), reads_from(11)]);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(12, 0)))), [checkpoint(12)]);
}

#[test]
fn a_second_push_waits_for_the_first() {
    let mut rig = Rig::open();
    rig.frame(push([5]));
    assert_eq!(rig.frame(push([6])), []);
    let outputs = rig.give(Input::Decided(Ok(vec![applied(5, 11)])));
    assert_eq!(outputs, [results([applied(5, 11)]), Output::Decide { principal: principal("alice"), push: push_of([6]) }, reads_from(10)]);
}

#[test]
fn a_decision_that_could_not_be_made_ends_the_session_with_its_reason() {
    let mut rig = Rig::open();
    rig.frame(push([5]));
    let outputs = rig.give(Input::Decided(Err(ErrorFrame::new(ErrorCode::Unavailable, "disk full"))));
    assert_eq!(closing_error(&outputs).as_deref(), Some("unavailable"));
}

#[test]
fn another_history_resets_the_replica() {
    let mut rig = Rig::live();
    rig.frame(hello(Some(cursor(99))));
    rig.let_in();
    let mut other = pulled(3, 0);
    other.checkpoint.reset = true;
    let outputs = rig.give(Input::Pulled(Ok(other)));
    assert_eq!(outputs, [Output::Send(ServerFrame::Checkpoint(Checkpoint::resetting(cursor(3))))]);
}

#[test]
fn the_heartbeat_is_answered_and_brings_the_cursor_along() {
    let mut rig = Rig::open();
    assert_eq!(rig.frame(ping()), [pong()]);
    rig.give(Input::Head(Position(20)));
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(20, 0)))), [], "nothing of this user's: not worth a frame");
    assert_eq!(rig.frame(ping()), [pong(), checkpoint(20)]);
    assert_eq!(rig.frame(ping()), [pong()]);
}

#[test]
fn a_ping_is_answered_while_a_decision_takes_its_time() {
    let mut rig = Rig::open();
    rig.frame(push([5]));
    assert_eq!(rig.frame(ping()), [pong()]);
}

#[test]
fn a_token_is_renewed_with_another_welcome() {
    let mut rig = Rig::open();
    rig.pass(60_000);
    assert_eq!(rig.frame(token("t2")), [Output::Authenticate { token: "t2".into() }]);
    let outputs = rig.give(Input::Authenticated(Ok(identity("alice", 2 * HOUR))));
    let [Output::Send(ServerFrame::Welcome(welcome))] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(welcome.token_expires_in_ms, 2 * HOUR);
    for _ in 0..100 {
        rig.pass(60_000);
        rig.frame(ping());
    }
    assert!(!rig.session.is_closed());
}

#[test]
fn a_push_behind_a_new_token_is_decided_by_what_that_one_claims() {
    let mut rig = Rig::open();
    rig.frame(token("t2"));
    assert_eq!(rig.frame(push([5])), []);
    let mut renewed = identity("alice", HOUR);
    renewed.principal.claims = Arc::new(Map::from_iter([("role".to_owned(), "editor".into())]));
    let outputs = rig.give(Input::Authenticated(Ok(renewed.clone())));
    assert!(outputs.contains(&Output::Decide { principal: renewed.principal, push: push_of([5]) }));
}

#[test]
fn a_renewal_for_somebody_else_ends_the_session() {
    let mut rig = Rig::open();
    rig.frame(token("t2"));
    let outputs = rig.give(Input::Authenticated(Ok(identity("bob", HOUR))));
    assert_eq!(closing_error(&outputs).as_deref(), Some("wrong_user"));
}

#[test]
fn the_end_of_the_token_ends_the_session() {
    let mut rig = Rig::open();
    for _ in 0..59 {
        rig.pass(60_000);
        rig.frame(ping());
    }
    assert_eq!(closing_error(&rig.pass(60_000)).as_deref(), Some("unauthorized"));
    assert_eq!(rig.give(Input::Head(Position(99))), []);
}

#[test]
fn a_silent_client_is_left_after_ninety_seconds() {
    let mut rig = Rig::open();
    assert_eq!(rig.pass(timing::IDLE_TIMEOUT_MS - 1), []);
    assert_eq!(rig.pass(1), [Output::Close]);
}

#[test]
fn stopping_closes_at_once_or_after_the_results_of_the_running_decision() {
    let mut rig = Rig::open();
    assert_eq!(closing_error(&rig.give(Input::Stop)).as_deref(), Some("unavailable"));

    let mut rig = Rig::open();
    rig.frame(push([5]));
    rig.frame(push([6]));
    assert_eq!(rig.give(Input::Stop), []);
    let outputs = rig.give(Input::Decided(Ok(vec![applied(5, 11)])));
    assert_eq!(outputs[0], results([applied(5, 11)]));
    assert_eq!(closing_error(&outputs).as_deref(), Some("unavailable"));
}
