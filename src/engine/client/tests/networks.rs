//! Bad networks (scenario 24): half-open sockets, proxies that cut, captive portals, sleep.

use super::rig::*;
use crate::client::{Connection, FetchError, Input, Output, timing};
use seaworthy_protocol::{ClientFrame, Ping};

fn ping() -> Output {
    Output::Send(ClientFrame::Ping(Ping {}))
}

#[test]
fn silence_is_pinged_and_a_half_open_socket_is_left_ten_seconds_later() {
    let mut rig = Rig::online();
    rig.pass(timing::SILENCE_MS - 1);
    assert_eq!(rig.take(), []);
    rig.pass(1);
    assert_eq!(rig.take(), [ping()]);
    rig.pass(timing::PONG_TIMEOUT_MS);
    assert_eq!(rig.take()[0], Output::Disconnect);
    assert_eq!(rig.connection(), Connection::Connecting);
}

#[test]
fn an_answered_ping_keeps_the_connection_for_days() {
    let mut rig = Rig::online();
    let welcome = welcome_with(alice(), 10 * 24 * HOUR);
    rig.frame(welcome);
    for _ in 0..5_000 {
        rig.pass(timing::SILENCE_MS);
        assert_eq!(rig.take(), [ping()]);
        rig.frame(pong());
    }
    assert_eq!(rig.connection(), Connection::Online);
}

#[test]
fn a_proxy_that_cuts_after_thirty_seconds_does_not_count_as_a_blocked_socket() {
    let mut rig = Rig::online();
    for _ in 0..20 {
        rig.pass(timing::SILENCE_MS);
        rig.give(Input::Closed);
        rig.pass(timing::BACKOFF_CAP_MS);
        let asked = rig.take();
        assert_eq!(asked.last(), Some(&Output::Connect), "{asked:?}");
        rig.give(Input::Connected);
        rig.frame(welcome());
        rig.frame(checkpoint(10));
        assert!(!rig.status().over_fetch);
    }
}

#[test]
fn a_socket_that_never_opens_and_one_that_never_answers_time_out() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    rig.give(Input::Token(Some("t1".into())));
    rig.take();
    rig.pass(timing::OPEN_TIMEOUT_MS);
    assert_eq!(rig.take()[0], Output::Disconnect);
    assert_eq!(rig.error_code().as_deref(), Some("network"));
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.take();
    rig.pass(timing::WELCOME_TIMEOUT_MS);
    assert_eq!(rig.take()[0], Output::Disconnect);
}

#[test]
fn a_captive_portal_is_told_apart_from_a_dead_network_and_is_waited_out() {
    let mut rig = Rig::new();
    rig.block_socket();
    let (id, _) = rig.fetched_pull();
    rig.fail(id, FetchError::NotSeaworthy);
    assert_eq!(rig.connection(), Connection::Connecting);
    assert_eq!(rig.error_code().as_deref(), Some("not_seaworthy"));
    let wait = rig.wake.unwrap().since(rig.now);
    assert!(wait <= 2 * timing::BACKOFF_BASE_MS);

    rig.pass(2 * timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take().last(), Some(&Output::Connect), "the portal may be gone: a WebSocket is tried again");
    rig.give(Input::Closed);
    assert_eq!(rig.error_code().as_deref(), Some("not_seaworthy"), "the reason stays while nothing better is known");
    let (id, _) = rig.fetched_pull();
    rig.answer(id, vec![welcome(), checkpoint(10)]);
    assert_eq!(rig.connection(), Connection::Online);
    assert_eq!(rig.error_code(), None);
}

#[test]
fn after_a_week_of_sleep_everything_times_out_once_and_it_reconnects() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.take();
    rig.sleep(WEEK);
    assert_eq!(rig.take(), [Output::Disconnect]);
    rig.pass(timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::NeedToken { renew: true }], "the token has ended meanwhile");
    rig.give(Input::Token(Some("t2".into())));
    assert_eq!(rig.take(), [Output::Connect]);
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.pushed(), [1]);
    assert_eq!(rig.connection(), Connection::Online);
}

#[test]
fn a_week_of_sleep_over_fetch_ends_in_the_same_way() {
    let mut rig = Rig::over_fetch();
    rig.take();
    rig.sleep(WEEK);
    assert_eq!(rig.take(), [Output::Disconnect, Output::NeedToken { renew: true }]);
    rig.give(Input::Token(Some("t2".into())));
    let (id, _) = rig.fetched_pull();
    rig.answer(id, vec![welcome(), checkpoint(11)]);
    assert_eq!(rig.connection(), Connection::Online);
}

#[test]
fn a_partition_of_a_day_is_tried_now_and_then_and_ends_online() {
    let mut rig = Rig::online();
    rig.give(Input::Closed);
    let (mut sockets, mut fetches) = (0, 0);
    let start = rig.now;
    while rig.now.since(start) < 24 * HOUR {
        for output in rig.take() {
            match output {
                Output::Connect => {
                    sockets += 1;
                    rig.give(Input::Closed);
                }
                Output::Fetch { id, .. } => {
                    fetches += 1;
                    rig.fail(id, FetchError::Network);
                }
                Output::NeedToken { .. } => rig.give(Input::Token(Some("t2".into()))),
                _ => {}
            }
        }
        rig.pass(1_000);
    }
    assert!((500..6_000).contains(&sockets), "{sockets} sockets in a day");
    assert!((500..6_000).contains(&fetches), "{fetches} fetches in a day");
    assert_eq!(rig.error_code().as_deref(), Some("network"));

    rig.give(Input::Online(true));
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.connection(), Connection::Online);
}
