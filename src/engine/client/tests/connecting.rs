//! From offline to online, and the ways to lose it.

use super::rig::*;
use crate::Millis;
use crate::client::{Connection, Input, Output, timing};
use seaworthy_protocol::{ClientFrame, Ping};

#[test]
fn nothing_happens_until_a_connection_is_wanted() {
    let mut rig = Rig::new();
    rig.store.commit(1);
    rig.pass(HOUR);
    rig.give(Input::Token(Some("t1".into())));
    rig.give(Input::Connected);
    rig.give(Input::Closed);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.connection(), Connection::Offline);
    assert_eq!(rig.wake, None);
}

#[test]
fn it_asks_for_a_token_connects_says_hello_and_is_online_after_the_welcome() {
    let mut rig = Rig::new();
    rig.give(Input::Online(true));
    assert_eq!(rig.take(), [Output::NeedToken { renew: false }]);
    assert_eq!(rig.connection(), Connection::Connecting);
    rig.give(Input::Token(Some("t1".into())));
    assert_eq!(rig.take(), [Output::Connect]);
    rig.give(Input::Connected);
    let hello = rig.hello();
    assert_eq!((hello.token.as_str(), hello.cursor, hello.schema_version), ("t1", None, 3));
    rig.frame(welcome());
    assert_eq!(rig.connection(), Connection::Online);
    assert_eq!(rig.store.user, Some(alice()));
}

#[test]
fn the_next_hello_carries_the_cursor_of_the_last_checkpoint() {
    let mut rig = Rig::online();
    rig.frame(checkpoint(12));
    rig.give(Input::Closed);
    rig.pass(timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::Disconnect, Output::Connect]);
    rig.give(Input::Connected);
    assert_eq!(rig.hello().cursor, Some(cursor(12)));
}

#[test]
fn going_offline_disconnects_and_keeps_the_queue() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.take();
    rig.give(Input::Online(false));
    assert_eq!(rig.take(), [Output::Disconnect]);
    assert_eq!(rig.connection(), Connection::Offline);
    rig.frame(results([applied(1, 11)]));
    rig.pass(WEEK);
    assert_eq!(rig.take(), []);
    assert_eq!(rig.store.outbox.len(), 1);
}

#[test]
fn failures_back_off_ever_longer_within_a_bound_and_start_anew_after_a_checkpoint() {
    let mut rig = Rig::online();
    let mut waits = Vec::new();
    for _ in 0..40 {
        rig.give(Input::Closed);
        waits.push(rig.wake.unwrap().since(rig.now));
        while !rig.take().contains(&Output::Connect) {
            rig.pass(1_000);
        }
        rig.give(Input::Connected);
        rig.frame(welcome());
        assert_eq!(rig.connection(), Connection::Online);
    }
    assert!(waits[0] <= timing::BACKOFF_BASE_MS);
    assert!(waits.iter().all(|wait| *wait <= timing::BACKOFF_CAP_MS));
    assert!(waits[10..].iter().any(|wait| *wait > timing::BACKOFF_CAP_MS / 2));
    rig.frame(checkpoint(11));
    rig.give(Input::Closed);
    assert!(rig.wake.unwrap().since(rig.now) <= timing::BACKOFF_BASE_MS);
}

#[test]
fn a_network_that_came_back_ends_the_back_off_at_once() {
    let mut rig = Rig::online();
    rig.give(Input::Closed);
    rig.take();
    rig.give(Input::Online(true));
    assert_eq!(rig.take(), [Output::Connect]);
}

#[test]
fn a_network_that_changed_probes_the_connection_at_once() {
    let mut rig = Rig::online();
    rig.give(Input::Online(true));
    rig.give(Input::Online(true));
    assert_eq!(rig.take(), [Output::Send(ClientFrame::Ping(Ping {}))]);
}

#[test]
fn a_server_that_asks_for_time_is_given_it_and_the_reason_is_shown() {
    let mut rig = Rig::online();
    rig.frame(error("unavailable", Some(7_000)));
    assert_eq!(rig.take(), [Output::Disconnect]);
    assert_eq!(rig.error_code().as_deref(), Some("unavailable"));
    assert!(rig.wake.unwrap().since(rig.now) >= 7_000);
    rig.pass(7_000 + timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::Connect]);
    rig.give(Input::Connected);
    rig.frame(welcome());
    assert_eq!(rig.error_code(), None);
}

#[test]
fn another_protocol_stops_until_the_application_is_reloaded() {
    for reloaded in [false, true] {
        let mut rig = Rig::new();
        rig.greet();
        if reloaded {
            rig.frame(error("upgrade_required", None));
        } else {
            let seaworthy_protocol::ServerFrame::Welcome(mut other) = welcome() else { unreachable!() };
            other.protocol = 2;
            rig.frame(seaworthy_protocol::ServerFrame::Welcome(other));
        }
        assert_eq!(rig.connection(), Connection::UpgradeRequired);
        rig.take();
        rig.pass(WEEK);
        rig.give(Input::Online(true));
        assert_eq!(rig.take(), []);
    }
}

#[test]
fn frames_that_do_not_belong_there_end_the_connection_and_it_is_tried_again() {
    let early = [rows(1), checkpoint(3), results([applied(1, 1)]), pong()];
    for frame in early {
        let mut rig = Rig::new();
        rig.greet();
        rig.frame(frame);
        assert_eq!(rig.error_code().as_deref(), Some("bad_frame"));
        assert!(matches!(rig.take().last(), Some(Output::Disconnect)));
        assert_eq!(rig.store.cursor, None);
    }
    let mut rig = Rig::online();
    rig.give(Input::Malformed);
    assert_eq!(rig.error_code().as_deref(), Some("bad_frame"));
    rig.pass(timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::Disconnect, Output::Connect]);
}

#[test]
fn storage_that_fails_disconnects_and_nothing_unmarked_is_sent() {
    let mut rig = Rig::online();
    let through = rig.store.commit(1);
    rig.client.handle(rig.now, Input::Committed { through }).unwrap();
    let transactions = vec![transaction(rig.store.outbox[0].id, through)];
    assert!(matches!(rig.client.poll_output(), Some(Output::LoadOutbox { .. })));
    rig.client.handle(rig.now, Input::Outbox(transactions)).unwrap();
    let mark = std::iter::from_fn(|| rig.client.poll_output()).find(|output| !matches!(output, Output::WakeAt(_)));
    assert_eq!(mark, Some(Output::MarkSent { through }));
    rig.client.handle(rig.now, Input::StorageFailed).unwrap();
    let rest: Vec<_> = std::iter::from_fn(|| rig.client.poll_output()).collect();
    assert!(!rest.iter().any(|output| matches!(output, Output::Send(_))), "{rest:?}");
    assert!(rest.contains(&Output::Disconnect));
    assert_eq!(rig.error_code().as_deref(), Some("storage"));
}

#[test]
fn a_full_disk_never_loops_hot_and_goes_on_once_there_is_room() {
    let mut rig = Rig::online();
    rig.store.fails = true;
    let mut tries = 0;
    for _ in 0..200 {
        rig.frame(rows(1));
        rig.frame(checkpoint(11));
        assert_ne!(rig.connection(), Connection::Online);
        rig.pass(timing::BACKOFF_BASE_MS);
        tries += rig.take().iter().filter(|output| **output == Output::Connect).count();
        rig.give(Input::Connected);
        rig.frame(welcome());
        if rig.connection() != Connection::Online {
            rig.pass(timing::BACKOFF_BASE_MS);
        }
    }
    assert!(tries < 60, "{tries} tries in 400 s");
    rig.store.fails = false;
    rig.give(Input::Online(false));
    rig.greet();
    rig.frame(welcome());
    rig.frame(rows(1));
    rig.frame(checkpoint(11));
    assert_eq!(rig.store.cursor, Some(cursor(11)));
}

#[test]
fn an_answer_that_was_not_asked_for_is_refused_and_changes_nothing() {
    let mut rig = Rig::online();
    let state = rig.store.state();
    assert!(rig.try_give(Input::Stored(state)).is_err());
    assert!(rig.try_give(Input::Outbox(vec![])).is_err());
    assert_eq!(rig.take(), []);
    rig.client.handle(rig.now, Input::Frame(checkpoint(20))).unwrap();
    assert!(rig.client.handle(rig.now, Input::Tick).is_err());
    assert!(rig.client.handle(rig.now, Input::Outbox(vec![])).is_err());
}

#[test]
fn a_clock_that_goes_back_is_harmless() {
    let mut rig = Rig::online();
    rig.now = Millis(0);
    rig.give(Input::Tick);
    rig.commit(1);
    rig.frame(pong());
    assert_eq!(rig.pushed(), [1]);
    assert_eq!(rig.connection(), Connection::Online);
}

#[test]
fn a_connection_that_breaks_is_no_news_and_a_server_that_is_not_there_is_offline_until_it_answers() {
    let mut rig = Rig::online();
    rig.give(Input::Closed);
    assert_eq!(rig.connection(), Connection::Connecting);
    for _ in 0..3 {
        rig.pass(timing::BACKOFF_CAP_MS);
    }
    assert_eq!(rig.connection(), Connection::Offline);
    assert!(rig.client.next_deadline().is_some(), "it is still tried");
    assert_eq!(rig.error_code().as_deref(), Some("network"));
}
