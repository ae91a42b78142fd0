//! Tokens: renewed, refused, absent, of somebody else.

use super::rig::*;
use crate::client::{Connection, Input, Output, User, timing};
use seaworthy_protocol::{ClientFrame, TokenRenewal};

fn renewal(token: &str) -> Output {
    Output::Send(ClientFrame::Token(TokenRenewal { token: token.into() }))
}

#[test]
fn a_token_is_renewed_before_its_end_over_the_same_connection() {
    let mut rig = Rig::online();
    for _ in 0..HOUR / 15_000 - 4 {
        rig.pass(15_000);
        rig.frame(pong());
    }
    assert_eq!(rig.take(), [Output::NeedToken { renew: true }]);
    rig.give(Input::Token(Some("t2".into())));
    assert_eq!(rig.take(), [renewal("t2")]);
    rig.frame(welcome());
    assert_eq!(rig.connection(), Connection::Online);
    for _ in 0..HOUR / 15_000 - 4 {
        rig.pass(15_000);
        rig.frame(pong());
    }
    assert_eq!(rig.take(), [Output::NeedToken { renew: true }]);
}

#[test]
fn a_new_token_that_the_application_gives_unasked_is_presented_at_once() {
    let mut rig = Rig::online();
    rig.give(Input::Token(Some("t2".into())));
    assert_eq!(rig.take(), [renewal("t2")]);
}

#[test]
fn a_token_that_changed_between_hello_and_welcome_is_presented_after_it() {
    let mut rig = Rig::new();
    rig.greet();
    rig.give(Input::Token(Some("t2".into())));
    rig.take();
    rig.frame(welcome());
    assert_eq!(rig.take(), [renewal("t2")]);
}

#[test]
fn an_unauthorized_token_is_renewed_once_then_the_application_must_sign_in_and_the_queue_stays() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.take();
    rig.frame(error("unauthorized", None));
    assert_eq!(rig.take(), [Output::Disconnect, Output::NeedToken { renew: true }]);
    rig.give(Input::Token(Some("t2".into())));
    rig.give(Input::Connected);
    rig.take();
    rig.frame(error("unauthorized", None));
    assert_eq!(rig.take(), [Output::Disconnect]);
    assert_eq!(rig.connection(), Connection::NeedsAuth);
    assert_eq!(rig.error_code().as_deref(), Some("unauthorized"));
    rig.pass(WEEK);
    rig.give(Input::Online(true));
    assert_eq!(rig.take(), []);
    assert_eq!(rig.store.outbox.len(), 1);

    rig.give(Input::Token(Some("t3".into())));
    assert_eq!(rig.take(), [Output::Connect]);
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn nobody_signed_in_needs_auth_and_a_token_later_continues() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.give(Input::Token(None));
    assert_eq!(rig.connection(), Connection::NeedsAuth);
    rig.give(Input::Token(Some("t1".into())));
    assert_eq!(rig.take(), [Output::NeedToken { renew: false }, Output::Connect]);
}

#[test]
fn signing_out_ends_the_connection() {
    let mut rig = Rig::online();
    rig.give(Input::Token(None));
    assert_eq!(rig.take(), [Output::Disconnect]);
    assert_eq!(rig.connection(), Connection::NeedsAuth);
}

#[test]
fn an_application_that_gives_no_token_is_asked_again_later() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.take();
    rig.pass(timing::TOKEN_TIMEOUT_MS + timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::NeedToken { renew: false }]);
    rig.pass(timing::TOKEN_TIMEOUT_MS - 1_000);
    rig.give(Input::Token(Some("late".into())));
    assert_eq!(rig.take(), [Output::Connect]);
}

#[test]
fn a_token_that_ended_while_offline_is_not_used() {
    let mut rig = Rig::online();
    rig.give(Input::Online(false));
    rig.pass(2 * HOUR);
    rig.take();
    rig.give(Input::Online(true));
    assert_eq!(rig.take(), [Output::NeedToken { renew: true }]);
}

#[test]
fn a_token_too_long_for_the_protocol_is_refused_here_with_the_reason() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.give(Input::Token(Some("x".repeat(100_000))));
    assert_eq!(rig.connection(), Connection::NeedsAuth);
    assert_eq!(rig.error_code().as_deref(), Some("unauthorized"));
    assert!(!rig.take().contains(&Output::Connect));
}

#[test]
fn another_user_stops_the_transport_and_keeps_the_queue() {
    let mut rig = Rig::online();
    rig.give(Input::Online(false));
    rig.commit(1);
    rig.greet();
    rig.frame(welcome_with(User { subject: "bob".into(), ..alice() }, HOUR));
    assert_eq!(rig.connection(), Connection::UserChanged);
    assert_eq!(rig.error_code().as_deref(), Some("user_changed"));
    assert!(rig.pushed().is_empty());
    rig.pass(WEEK);
    assert_eq!(rig.take(), []);
    assert_eq!((rig.store.outbox.len(), rig.store.user.clone()), (1, Some(alice())));

    rig.give(Input::Token(Some("alice again".into())));
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn a_replica_that_the_server_gave_to_another_user_stops_too() {
    let mut rig = Rig::online();
    rig.frame(error("wrong_user", None));
    assert_eq!(rig.connection(), Connection::UserChanged);
}

#[test]
fn a_database_of_nobody_whose_name_the_server_gave_to_somebody_takes_another() {
    let mut rig = Rig::new();
    rig.commit(1);
    rig.greet();
    let former = rig.hello().replica;
    rig.frame(error("wrong_user", None));
    assert_eq!(rig.connection(), Connection::Connecting);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    assert_ne!(rig.hello().replica, former);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn what_nobody_wrote_is_sent_only_once_it_is_adopted() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.give(Input::Token(None));
    rig.commit(1);
    rig.take();
    rig.give(Input::Token(Some("t1".into())));
    assert_eq!(rig.connection(), Connection::NeedsAdopt);
    assert_eq!(rig.error_code().as_deref(), Some("needs_adopt"));
    rig.give(Input::Online(true));
    rig.pass(WEEK);
    assert_eq!(rig.take(), [], "no server hears of it");
    assert_eq!((rig.store.outbox.len(), &rig.store.user), (1, &None));

    let mut rig = Rig::over(rig.store);
    rig.give(Input::Online(true));
    rig.give(Input::Token(Some("t1".into())));
    assert_eq!(rig.connection(), Connection::NeedsAdopt, "it is remembered");
    rig.give(Input::Adopt);
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
    assert_eq!((rig.store.user.clone(), rig.store.anonymous), (Some(alice()), false));
}

#[test]
fn a_database_in_which_nothing_was_written_before_the_sign_in_is_the_users_own() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.give(Input::Token(None));
    rig.give(Input::Token(Some("t1".into())));
    // The server does not answer at first.
    rig.commit(1);
    rig.give(Input::Closed);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.take();
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn a_write_before_the_first_answer_of_the_application_is_not_anonymous() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.commit(1);
    rig.give(Input::Token(Some("t1".into())));
    rig.give(Input::Connected);
    rig.take();
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn signing_out_of_a_database_that_has_a_user_makes_nothing_anonymous() {
    let mut rig = Rig::online();
    rig.give(Input::Token(None));
    rig.commit(1);
    rig.give(Input::Token(Some("t2".into())));
    rig.give(Input::Connected);
    rig.take();
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn a_token_that_ends_under_a_push_pauses_the_queue_and_the_next_one_sends_it_again() {
    let mut rig = Rig::online();
    rig.commit(1);
    assert_eq!(rig.pushed(), [1]);
    rig.frame(error("unauthorized", None));
    rig.give(Input::Token(None));
    assert_eq!((rig.connection(), rig.store.outbox.len()), (Connection::NeedsAuth, 1));
    rig.give(Input::Token(Some("t2".into())));
    rig.give(Input::Connected);
    rig.take();
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
}

#[test]
fn an_application_that_cannot_get_a_token_is_offline_until_it_can() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    for wanted in [Connection::Connecting, Connection::Connecting, Connection::Offline] {
        rig.give(Input::NoToken);
        assert_eq!(rig.connection(), wanted);
    }
    assert_eq!(rig.error_code().as_deref(), Some("unauthorized"));
    rig.give(Input::Token(Some("token".into())));
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!((rig.connection(), rig.error_code()), (Connection::Online, None));
}
