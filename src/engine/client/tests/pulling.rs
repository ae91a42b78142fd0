//! Checkpoints: whole or not at all, while local writes go on (scenarios 17 and 21).

use super::rig::*;
use crate::client::{Input, timing};
use seaworthy_protocol::ServerFrame;

#[test]
fn rows_wait_for_their_checkpoint_and_are_applied_together() {
    let mut rig = Rig::online();
    rig.store.applied.clear();
    rig.frame(rows(1));
    rig.frame(rows(2));
    assert!(rig.store.applied.is_empty());
    rig.frame(checkpoint(11));
    assert_eq!(rig.store.applied.len(), 1);
    assert_eq!(rig.store.applied[0].0.len(), 2);
}

#[test]
fn rows_of_a_connection_that_was_cut_are_forgotten() {
    let mut rig = Rig::online();
    rig.store.applied.clear();
    rig.frame(rows(1));
    rig.give(Input::Closed);
    rig.pass(timing::BACKOFF_BASE_MS);
    rig.give(Input::Connected);
    rig.frame(welcome());
    rig.frame(rows(2));
    rig.frame(checkpoint(11));
    assert_eq!(
        rig.store.applied[0].0,
        [match rows(2) {
            ServerFrame::Rows(rows) => rows,
            _ => unreachable!(),
        }]
    );
}

#[test]
fn local_writes_are_pushed_while_a_long_download_runs() {
    let mut rig = Rig::online();
    for value in 0..100 {
        rig.frame(rows(value));
        if value == 50 {
            rig.commit(1);
            assert_eq!(rig.pushed(), [1]);
        }
        if value == 60 {
            rig.frame(results([applied(1, 11)]));
        }
    }
    rig.commit(2);
    assert_eq!(rig.pushed(), [2]);
    rig.frame(checkpoint(11));
    assert_eq!(rig.store.ended.len(), 1);
    assert_eq!(rig.store.applied.last().unwrap().0.len(), 100);
}

#[test]
fn remote_rows_are_applied_while_writes_are_pending() {
    let mut rig = Rig::online();
    rig.commit(1);
    rig.frame(rows(1));
    rig.frame(checkpoint(11));
    assert_eq!(rig.store.cursor, Some(cursor(11)));
    assert_eq!(rig.store.outbox.len(), 1);
}

#[test]
fn a_checkpoint_that_goes_back_is_refused_unless_it_resets() {
    let mut rig = Rig::online();
    rig.frame(checkpoint(9));
    assert_eq!(rig.error_code().as_deref(), Some("bad_frame"));
    assert_eq!(rig.store.cursor, Some(cursor(10)));

    let mut rig = Rig::online();
    rig.frame(reset_to(2));
    assert_eq!(rig.store.cursor, Some(cursor(2)));
}
