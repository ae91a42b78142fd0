//! A bucket that does not hold what the server says: fetched anew once, and then the transport stops.

use super::rig::*;
use crate::client::{Connection, Divergence, Input, Output, timing};
use seaworthy_protocol::{BucketId, ClientFrame};

/// Online, and about to apply a checkpoint of which this comes.
fn diverging(divergence: Divergence) -> Rig {
    let mut rig = Rig::new();
    rig.store.buckets = vec![BucketId("1.0[]".into())];
    rig.store.diverges = Some(divergence);
    rig.greet();
    rig.frame(welcome());
    rig.take();
    rig.frame(rows(1));
    rig.frame(checkpoint(10));
    rig
}

#[test]
fn the_next_connection_brings_a_bucket_that_diverged_anew() {
    let mut rig = diverging(Divergence::Once);
    assert_eq!(rig.store.cursor, Some(cursor(10)), "it was applied all the same");
    assert_eq!(rig.take(), [Output::Disconnect]);
    rig.pass(timing::BACKOFF_BASE_MS);
    assert_eq!(rig.take(), [Output::Connect]);
    rig.give(Input::Connected);
    assert_eq!(rig.hello().buckets, []);
    rig.frame(welcome());
    rig.frame(checkpoint(11));
    assert_eq!((rig.connection(), rig.error_code()), (Connection::Online, None));
}

#[test]
fn one_that_diverges_again_at_once_stops_the_transport_and_keeps_the_queue() {
    let mut rig = diverging(Divergence::Again);
    assert_eq!((rig.connection(), rig.error_code().as_deref()), (Connection::Offline, Some("bucket_diverged")));
    assert_eq!(rig.take(), [Output::Disconnect]);
    rig.commit(1);
    rig.give(Input::Token(Some("t2".into())));
    rig.give(Input::Online(true));
    rig.pass(WEEK);
    assert_eq!(rig.take(), [], "nothing is tried by itself");
    assert_eq!(rig.store.outbox.len(), 1);
    rig.give(Input::Online(false));
    rig.give(Input::Online(true));
    assert!(matches!(rig.take()[..], [Output::Connect | Output::NeedToken { .. }]), "the application may try it again");
}

#[test]
fn over_fetch_the_next_pull_does_not_name_it() {
    let mut rig = Rig::over_fetch();
    rig.store.buckets = vec![BucketId("1.0[]".into())];
    rig.store.diverges = Some(Divergence::Once);
    let (id, _) = rig.fetched_pull();
    rig.answer(id, vec![welcome(), rows(1), checkpoint(11)]);
    rig.pass(timing::BACKOFF_BASE_MS);
    let pulled = rig.take().into_iter().find_map(|output| match output {
        Output::Fetch { frame: ClientFrame::Pull(pull), .. } => Some(pull),
        _ => None,
    });
    let pulled = pulled.expect("a pull");
    assert_eq!((pulled.buckets, pulled.cursor), (vec![], Some(cursor(11))));
}
