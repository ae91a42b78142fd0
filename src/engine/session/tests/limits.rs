//! Clients that do what they may not.

use super::rig::*;
use crate::session::{Input, timing};
use seaworthy_protocol::{ClientFrame, Push, ReplicaId, TokenRenewal, limits};

#[test]
fn bytes_that_are_no_frame_are_refused() {
    let mut rig = Rig::open();
    assert_eq!(closing_error(&rig.give(Input::Malformed { message: "not a frame".into() })).as_deref(), Some("bad_frame"));
}

#[test]
fn frames_that_may_not_come_on_a_socket_are_refused() {
    let foreign = ClientFrame::Push(Push { replica: ReplicaId([6; 16]), ..push_of([5]) });
    for frame in [hello(None), pull_frame(None, 0), push([]), foreign] {
        let mut rig = Rig::open();
        assert_eq!(closing_error(&rig.frame(frame)).as_deref(), Some("bad_frame"));
    }
}

#[test]
fn a_batch_beyond_the_limit_is_too_large() {
    let mut rig = Rig::open();
    let frame = push(1..=limits::MAX_PUSH_TRANSACTIONS as u64 + 1);
    assert_eq!(closing_error(&rig.frame(frame)).as_deref(), Some("too_large"));
}

#[test]
fn a_client_that_does_not_wait_for_results_is_cut_off() {
    let mut rig = Rig::open();
    rig.frame(push([5]));
    rig.frame(push([6]));
    assert_eq!(closing_error(&rig.frame(push([7]))).as_deref(), Some("rate_limited"));
}

#[test]
fn a_flood_of_tokens_is_cut_off() {
    let mut rig = Rig::open();
    let closed = (0..100).position(|_| {
        let frame = ClientFrame::Token(TokenRenewal { token: "t".into() });
        closing_error(&rig.frame(frame)).as_deref() == Some("rate_limited")
    });
    assert_eq!(closed, Some(timing::MAX_WAITING_FRAMES + 1));
}

#[test]
fn a_token_beyond_the_limit_is_not_looked_at() {
    let mut rig = Rig::open();
    let frame = ClientFrame::Token(TokenRenewal { token: "x".repeat(limits::MAX_TOKEN_BYTES + 1) });
    assert_eq!(closing_error(&rig.frame(frame)).as_deref(), Some("too_large"));
}

#[test]
fn an_answer_that_was_not_asked_for_is_the_drivers_mistake() {
    let mut rig = Rig::open();
    assert!(rig.session.handle(rig.now, Input::Decided(Ok(vec![]))).is_err());
    assert!(rig.session.handle(rig.now, Input::Pulled(Ok(pulled(11, 0)))).is_err());
    assert!(rig.session.handle(rig.now, Input::Admitted(Ok(admission()))).is_err());
    assert!(!rig.session.is_closed());
}
