//! Who is let in, and who is not.

use super::rig::*;
use crate::session::{Input, Output, Pulled, Standing, timing};
use seaworthy_protocol::{Checkpoint, ClientFrame, ErrorCode, ErrorFrame, Hello, Position, ServerFrame, TokenRenewal, TransactionId};

#[test]
fn hello_is_authenticated_admitted_welcomed_and_led_to_a_checkpoint() {
    let mut rig = Rig::live();
    assert_eq!(rig.frame(hello(Some(cursor(3)))), [Output::Authenticate { token: "t1".into() }]);
    let admit = rig.give(Input::Authenticated(Ok(identity("alice", HOUR))));
    assert_eq!(admit, [Output::Admit { replica: REPLICA, user: user("alice") }]);
    let welcome = rig.give(Input::Admitted(Ok(admission())));
    let [Output::Send(ServerFrame::Welcome(sent)), pull] = welcome.as_slice() else { panic!("{welcome:?}") };
    assert_eq!((sent.last_sequence.0, sent.token_expires_in_ms, sent.subject.as_str()), (4, HOUR, "alice"));
    assert_eq!(*pull, reads_from(3));
    let sent = rig.give(Input::Pulled(Ok(pulled(10, 2))));
    assert_eq!(sent, [Output::Send(ServerFrame::Rows(rows(0))), Output::Send(ServerFrame::Rows(rows(1))), checkpoint(10)]);
}

#[test]
fn a_replica_that_missed_nothing_gets_an_empty_checkpoint() {
    let mut rig = Rig::live();
    rig.frame(hello(Some(cursor(10))));
    rig.let_in();
    assert_eq!(rig.give(Input::Pulled(Ok(pulled(10, 0)))), [checkpoint(10)]);
}

#[test]
fn what_the_replica_asks_about_is_read_once_and_answered_by_the_first_checkpoint() {
    let mut rig = Rig::live();
    let ClientFrame::Hello(plain) = hello(Some(cursor(10))) else { unreachable!() };
    let doubtful = vec![TransactionId([1; 16]), TransactionId([2; 16])];
    rig.frame(ClientFrame::Hello(Hello { doubtful: doubtful.clone(), ..plain }));
    let pull = rig.let_in().pop();
    assert_eq!(
        pull,
        Some(Output::Pull {
            principal: principal("alice"),
            replica: REPLICA,
            standing: Standing { cursor: Some(cursor(10)), ..Standing::default() },
            doubtful
        })
    );
    let answer = Checkpoint { known: Some(vec![TransactionId([2; 16])]), ..Checkpoint::at(cursor(10)) };
    let outputs = rig.give(Input::Pulled(Ok(Pulled { rows: Vec::new(), checkpoint: answer.clone(), more: false })));
    assert_eq!(outputs, [Output::Send(ServerFrame::Checkpoint(answer))]);
    assert_eq!(rig.give(Input::Head(Position(11))), [reads_from(10)], "it does not ask twice");
}

#[test]
fn a_connection_that_says_nothing_is_closed_after_ten_seconds() {
    let mut rig = Rig::live();
    assert_eq!(rig.pass(timing::OPENING_TIMEOUT_MS - 1), []);
    assert_eq!(closing_error(&rig.pass(1)).as_deref(), Some("bad_frame"));
    assert_eq!(rig.frame(hello(None)), []);
}

#[test]
fn a_first_frame_that_is_not_hello_is_refused() {
    for frame in [push([1]), ping(), pull_frame(None, 0), ClientFrame::Token(TokenRenewal { token: "t".into() })] {
        let mut rig = Rig::live();
        assert_eq!(closing_error(&rig.frame(frame)).as_deref(), Some("bad_frame"));
    }
}

#[test]
fn another_version_must_upgrade_before_its_token_is_looked_at() {
    let mut rig = Rig::live();
    let ClientFrame::Hello(mut other) = hello(None) else { unreachable!() };
    other.protocol = 2;
    assert_eq!(closing_error(&rig.frame(ClientFrame::Hello(other))).as_deref(), Some("upgrade_required"));
}

#[test]
fn a_bad_token_and_a_replica_of_somebody_else_are_refused_and_nothing_is_read() {
    let mut rig = Rig::live();
    rig.frame(hello(None));
    let outputs = rig.give(Input::Authenticated(Err(ErrorFrame::new(ErrorCode::Unauthorized, "expired"))));
    assert_eq!(closing_error(&outputs).as_deref(), Some("unauthorized"));

    let mut rig = Rig::live();
    rig.frame(hello(None));
    rig.give(Input::Authenticated(Ok(identity("bob", HOUR))));
    let outputs = rig.give(Input::Admitted(Err(ErrorFrame::new(ErrorCode::WrongUser, "not yours"))));
    assert_eq!(closing_error(&outputs).as_deref(), Some("wrong_user"));
}

#[test]
fn a_push_that_comes_before_the_welcome_waits_for_it() {
    let mut rig = Rig::live();
    rig.frame(hello(None));
    assert_eq!(rig.frame(push([5])), []);
    let outputs = rig.let_in();
    assert!(matches!(outputs.last(), Some(Output::Decide { .. })), "{outputs:?}");
}
