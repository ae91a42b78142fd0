//! One request over fetch (scenario 25).

use super::rig::*;
use crate::session::{Input, Output, Pulled, Standing};
use seaworthy_protocol::{Checkpoint, ClientFrame, Position, Pull, Results, ServerFrame, TransactionId, limits};

fn pull_of(cursor_at: Option<u64>, wait_ms: u64) -> Rig {
    let mut rig = Rig::request();
    rig.frame(pull_frame(cursor_at.map(cursor), wait_ms));
    rig.let_in();
    rig
}

#[test]
fn a_push_is_authenticated_by_its_header_decided_answered_and_closed() {
    let mut rig = Rig::request();
    assert_eq!(rig.frame(push([5])), [Output::Authenticate { token: "t1".into() }]);
    assert_eq!(rig.let_in(), [Output::Decide { principal: principal("alice"), push: push_of([5]) }]);
    let results = ServerFrame::Results(Results { results: vec![applied(5, 11)] });
    assert_eq!(rig.give(Input::Decided(Ok(vec![applied(5, 11)]))), [Output::Send(results), Output::Close]);
}

#[test]
fn a_pull_is_answered_with_welcome_rows_and_checkpoint() {
    let mut rig = Rig::request();
    rig.frame(pull_frame(None, 25_000));
    let outputs = rig.let_in();
    assert!(matches!(outputs.as_slice(), [Output::Send(ServerFrame::Welcome(_)), Output::Pull { standing: Standing { cursor: None, .. }, .. }]));
    let outputs = rig.give(Input::Pulled(Ok(pulled(10, 1))));
    assert_eq!(outputs, [Output::Send(ServerFrame::Rows(rows(0))), checkpoint(10), Output::Close]);
}

#[test]
fn a_pull_that_does_not_wait_is_answered_even_if_nothing_is_new() {
    let mut rig = pull_of(Some(10), 0);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(10, 0)))), [checkpoint(10), Output::Close]);
}

#[test]
fn a_pull_that_waits_is_held_open_until_there_is_something_for_this_user() {
    let mut rig = pull_of(Some(10), 25_000);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(10, 0)))), []);
    rig.pass(5_000);
    assert_eq!(rig.give(Input::Head(Position(11))), [reads_from(10)]);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(11, 0)))), []);
    assert_eq!(rig.give(Input::Head(Position(12))), [reads_from(11)]);
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(12, 1)))), [Output::Send(ServerFrame::Rows(rows(0))), checkpoint(12), Output::Close]);
}

#[test]
fn a_pull_that_asks_about_transactions_is_answered_at_once() {
    let mut rig = Rig::request();
    let ClientFrame::Pull(plain) = pull_frame(Some(cursor(10)), 25_000) else { unreachable!() };
    rig.frame(ClientFrame::Pull(Pull { doubtful: vec![TransactionId([1; 16])], ..plain }));
    rig.let_in();
    let answer = Checkpoint { known: Some(Vec::new()), ..Checkpoint::at(cursor(10)) };
    let outputs = rig.give(Input::Pulled(Ok(Pulled { rows: Vec::new(), checkpoint: answer.clone(), more: false })));
    assert_eq!(outputs, [Output::Send(ServerFrame::Checkpoint(answer)), Output::Close]);
}

#[test]
fn a_pull_that_waited_in_vain_brings_the_cursor_along() {
    let mut rig = pull_of(Some(10), 25_000);
    rig.give(Input::Pulled(Ok(pulled(10, 0))));
    rig.give(Input::Head(Position(11)));
    rig.give(Input::Pulled(Ok(pulled(11, 0))));
    assert_eq!(rig.pass(24_999), []);
    assert_eq!(rig.pass(1), [checkpoint(11), Output::Close]);
}

#[test]
fn no_pull_is_held_longer_than_the_limit() {
    let mut rig = pull_of(Some(10), u64::MAX);
    rig.give(Input::Pulled(Ok(pulled(10, 0))));
    assert_eq!(rig.pass(limits::MAX_PULL_WAIT_MS), [checkpoint(10), Output::Close]);
}

#[test]
fn a_held_pull_is_answered_before_its_token_ends() {
    let mut rig = Rig::request();
    rig.frame(pull_frame(Some(cursor(10)), 25_000));
    rig.give(Input::Authenticated(Ok(identity("alice", 3_000))));
    rig.give(Input::Admitted(Ok(admission())));
    rig.give(Input::Pulled(Ok(pulled(10, 0))));
    let outputs = rig.pass(3_000);
    assert!(matches!(outputs.last(), Some(Output::Close)), "{outputs:?}");
}

#[test]
fn hello_over_fetch_and_a_second_frame_are_refused() {
    let mut rig = Rig::request();
    assert_eq!(closing_error(&rig.frame(hello(None))).as_deref(), Some("bad_frame"));
    let mut rig = Rig::request();
    rig.frame(push([5]));
    assert_eq!(closing_error(&rig.frame(push([6]))).as_deref(), Some("bad_frame"));
}

#[test]
fn a_push_by_fetch_gets_its_results_while_the_server_stops() {
    let mut rig = Rig::request();
    rig.frame(push([5]));
    rig.let_in();
    assert_eq!(rig.give(Input::Stop), []);
    let outputs = rig.give(Input::Decided(Ok(vec![applied(5, 11)])));
    assert!(matches!(outputs.as_slice(), [Output::Send(ServerFrame::Results(_)), Output::Close]));
}
