//! Which buckets a replica is to hold, and when it is told.

use super::rig::*;
use crate::session::{Input, Output, Pulled, Standing};
use seaworthy_protocol::{BucketId, BucketUpdate, Checkpoint, ClientFrame, Position, Pull, ServerFrame, StreamState, Subscribe, Subscription};
use std::sync::Arc;

fn bucket(id: &str) -> BucketId {
    BucketId(id.to_owned())
}

fn stream(name: &str, buckets: &[&str]) -> StreamState {
    let buckets = buckets.iter().map(|id| bucket(id)).collect();
    StreamState { stream: name.to_owned(), params: Default::default(), auto: false, buckets, error: None }
}

/// What storage answers: the streams, and which of their buckets join.
fn read(position: u64, streams: &[StreamState], joined: &[&str]) -> Pulled {
    let joined = joined.iter().map(|id| BucketUpdate { bucket: bucket(id), joined: true, rows: 0, checksum: 0 });
    let checkpoint = Checkpoint { streams: Some(streams.to_vec()), buckets: joined.collect(), ..Checkpoint::at(cursor(position)) };
    Pulled { rows: Vec::new(), checkpoint, more: false }
}

fn subscribe(stream: &str) -> ClientFrame {
    ClientFrame::Subscribe(Subscribe { subscriptions: vec![Subscription { stream: stream.to_owned(), ..Subscription::default() }] })
}

fn standing(outputs: &[Output]) -> Standing {
    outputs.iter().find_map(|output| if let Output::Pull { standing, .. } = output { Some(standing.clone()) } else { None }).expect("a read")
}

fn told(outputs: &[Output]) -> Option<Checkpoint> {
    outputs.iter().find_map(|output| if let Output::Send(ServerFrame::Checkpoint(checkpoint)) = output { Some(checkpoint.clone()) } else { None })
}

#[test]
fn a_subscription_is_read_for_at_once_and_always_answered() {
    let mut rig = Rig::open();
    let asked = standing(&rig.frame(subscribe("todos")));
    assert_eq!(asked.subscriptions[0].stream, "todos");
    let streams = [stream("todos", &["1"])];
    let checkpoint = told(&rig.give(Input::Pulled(Ok(read(10, &streams, &["1"]))))).expect("an answer");
    assert_eq!(checkpoint.streams.as_deref(), Some(&streams[..]));
    rig.frame(subscribe("todos"));
    let again = told(&rig.give(Input::Pulled(Ok(read(10, &streams, &[]))))).expect("an answer although nothing has changed");
    assert_eq!(again.streams.as_deref(), Some(&streams[..]));
}

#[test]
fn a_subscription_that_comes_while_another_is_read_for_is_read_for_next() {
    let mut rig = Rig::open();
    rig.frame(subscribe("one"));
    assert_eq!(rig.frame(subscribe("two")), []);
    let outputs = rig.give(Input::Pulled(Ok(read(10, &[stream("one", &[])], &[]))));
    assert_eq!(standing(&outputs).subscriptions[0].stream, "two");
    assert!(told(&rig.give(Input::Pulled(Ok(read(10, &[stream("two", &[])], &[]))))).is_some());
}

#[test]
fn the_buckets_that_joined_are_held_until_no_stream_names_them() {
    let mut rig = Rig::open();
    rig.frame(subscribe("todos"));
    rig.give(Input::Pulled(Ok(read(10, &[stream("todos", &["1", "2"])], &["1", "2"]))));
    let next = standing(&rig.give(Input::Head(Position(11))));
    assert_eq!(next.buckets, [bucket("1"), bucket("2")]);
    let left = told(&rig.give(Input::Pulled(Ok(read(11, &[stream("todos", &["2"])], &[]))))).expect("a member who was removed is told");
    assert_eq!(left.streams, Some(vec![stream("todos", &["2"])]));
    assert_eq!(standing(&rig.give(Input::Head(Position(12)))).buckets, [bucket("2")]);
    assert_eq!(told(&rig.give(Input::Pulled(Ok(read(12, &[stream("todos", &["2"])], &[]))))), None, "what was told is not told again");
}

#[test]
fn what_is_left_to_join_is_read_without_waiting_for_news() {
    let mut rig = Rig::open();
    rig.frame(subscribe("todos"));
    let streams = [stream("todos", &["1", "2"])];
    let outputs = rig.give(Input::Pulled(Ok(Pulled { more: true, ..read(10, &streams, &["1"]) })));
    assert!(told(&outputs).is_some());
    assert_eq!(standing(&outputs).buckets, [bucket("1")]);
}

#[test]
fn a_token_with_other_claims_is_followed_by_a_look_at_what_it_opens() {
    let mut rig = Rig::open();
    rig.frame(ClientFrame::Token(seaworthy_protocol::TokenRenewal { token: "t2".into() }));
    let mut narrower = identity("alice", 60_000);
    narrower.principal.claims = Arc::new([("role".to_owned(), "guest".into())].into_iter().collect());
    let outputs = rig.give(Input::Authenticated(Ok(narrower.clone())));
    assert!(outputs.iter().any(|output| matches!(output, Output::Pull { .. })));
    rig.give(Input::Pulled(Ok(read(10, &[], &[]))));
    rig.frame(ClientFrame::Token(seaworthy_protocol::TokenRenewal { token: "t3".into() }));
    let outputs = rig.give(Input::Authenticated(Ok(narrower)));
    assert!(!outputs.iter().any(|output| matches!(output, Output::Pull { .. })), "the same claims open the same");
}

#[test]
fn over_fetch_a_pull_waits_unless_a_bucket_joins_or_is_left() {
    for (streams, joined, answers) in
        [(vec![stream("todos", &["1"])], vec![], false), (vec![stream("todos", &[])], vec![], true), (vec![stream("todos", &["1", "2"])], vec!["2"], true)]
    {
        let mut rig = Rig::request();
        let ClientFrame::Pull(plain) = pull_frame(Some(cursor(10)), 20_000) else { panic!("a pull") };
        rig.frame(ClientFrame::Pull(Pull { buckets: vec![bucket("1")], ..plain }));
        let asked = rig.let_in();
        assert_eq!(standing(&asked).buckets, [bucket("1")]);
        let outputs = rig.give(Input::Pulled(Ok(read(10, &streams, &joined))));
        assert_eq!(told(&outputs).is_some(), answers, "{streams:?}");
    }
}
