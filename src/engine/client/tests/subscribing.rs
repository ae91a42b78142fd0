//! What the application subscribes to reaches the server, on every transport and whenever it changes.

use super::rig::*;
use crate::client::{Output, timing};
use seaworthy_protocol::{BucketId, ClientFrame, Subscribe, limits};

#[test]
fn hello_says_what_is_subscribed_to_and_which_buckets_are_held() {
    let mut rig = Rig::new();
    rig.store.buckets = vec![BucketId("1.0[]".into())];
    rig.subscribe(&["todos"]);
    rig.greet();
    let hello = rig.hello();
    assert_eq!((hello.subscriptions, hello.buckets), (subscriptions(&["todos"]), vec![BucketId("1.0[]".into())]));
}

#[test]
fn a_change_is_sent_over_the_open_socket_once_and_whole() {
    let mut rig = Rig::online();
    rig.take();
    rig.subscribe(&["todos", "notes"]);
    rig.subscribe(&["todos", "notes"]);
    let sent = |streams: &[&str]| Output::Send(ClientFrame::Subscribe(Subscribe { subscriptions: subscriptions(streams) }));
    assert_eq!(rig.take(), [sent(&["todos", "notes"])]);
    rig.subscribe(&[]);
    assert_eq!(rig.take(), [sent(&[])]);
}

#[test]
fn over_fetch_a_change_is_asked_for_at_once_and_then_waited_upon() {
    let mut rig = Rig::over_fetch();
    let (waiting, wait_ms) = rig.fetched_pull();
    assert_eq!(wait_ms, limits::MAX_PULL_WAIT_MS);
    rig.subscribe(&["todos"]);
    let asked = rig.take().into_iter().find_map(|output| match output {
        Output::Fetch { id, frame: ClientFrame::Pull(pull), .. } => Some((id, pull)),
        _ => None,
    });
    let (id, pull) = asked.expect("a pull with the new subscription");
    assert_eq!((pull.wait_ms, pull.subscriptions), (0, subscriptions(&["todos"])));
    rig.answer(waiting, vec![welcome(), checkpoint(99)]);
    rig.answer(id, vec![welcome(), checkpoint(11)]);
    assert_eq!(rig.store.cursor, Some(cursor(11)), "only the newest pull counts");
    rig.pass(timing::PULL_SPACING_MS);
    assert_eq!(rig.fetched_pull().1, limits::MAX_PULL_WAIT_MS);
}
