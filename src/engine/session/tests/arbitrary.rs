//! Any input in any order: no panic, bounded queues, one decision and one read at a time, silence after the close.

use super::rig::*;
use crate::Millis;
use crate::session::{Input, Output, Session, timing};
use proptest::prelude::*;
use seaworthy_protocol::{ClientFrame, ErrorCode, ErrorFrame, Position, TokenRenewal};

#[derive(Clone, Debug)]
enum Step {
    Give(Input),
    Pass(u64),
}

fn frame() -> impl Strategy<Value = ClientFrame> {
    let cursors = || prop::option::of((0..40u64).prop_map(cursor));
    prop_oneof![
        3 => cursors().prop_map(hello),
        4 => prop::collection::vec(0..10u64, 0..4).prop_map(push),
        2 => (cursors(), 0..60_000u64).prop_map(|(cursor, wait)| pull_frame(cursor, wait)),
        2 => Just(ClientFrame::Token(TokenRenewal { token: "t".into() })),
        2 => Just(ping()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let refusal = || Just(ErrorFrame::new(ErrorCode::Unavailable, "no"));
    let identities = prop_oneof![6 => (0..400_000u64).prop_map(|ms| identity("alice", ms)), 1 => Just(identity("bob", 1_000))];
    let decisions = prop::collection::vec((0..10u64, 0..40u64).prop_map(|(s, p)| applied(s, p)), 0..3);
    let reads = (0..40u64, 0..3i64).prop_map(|(p, n)| pulled(p, n));
    let input = prop_oneof![
        8 => frame().prop_map(Input::Frame),
        1 => Just(Input::Malformed { message: "x".into() }),
        6 => prop_oneof![9 => identities.prop_map(Ok), 1 => refusal().prop_map(Err)].prop_map(Input::Authenticated),
        6 => prop_oneof![9 => Just(Ok(admission())), 1 => refusal().prop_map(Err)].prop_map(Input::Admitted),
        6 => prop_oneof![9 => decisions.prop_map(Ok), 1 => refusal().prop_map(Err)].prop_map(Input::Decided),
        6 => prop_oneof![9 => reads.prop_map(Ok), 1 => refusal().prop_map(Err)].prop_map(Input::Pulled),
        4 => (0..40u64).prop_map(|p| Input::Head(Position(p))),
        1 => Just(Input::Tick),
        1 => prop::bool::weighted(0.1).prop_map(|stop| if stop { Input::Stop } else { Input::Tick }),
    ];
    prop_oneof![6 => input.prop_map(Step::Give), 1 => prop_oneof![0..3_000u64, 0..100_000u64].prop_map(Step::Pass)]
}

fn run(session: Session, steps: Vec<Step>) {
    let mut rig = Rig { session, now: Millis(500), wake: None };
    rig.drain();
    let (mut deciding, mut reading, mut closed) = (false, false, false);
    for step in steps {
        let outputs = match step {
            Step::Pass(ms) => rig.pass(ms),
            Step::Give(input) => {
                let (decided, pulled) = (matches!(input, Input::Decided(_)), matches!(input, Input::Pulled(_)));
                if rig.session.handle(rig.now, input).is_err() {
                    assert!(rig.session.poll_output().is_none(), "a refused input changes nothing");
                    continue;
                }
                (deciding, reading) = (deciding && !decided, reading && !pulled);
                rig.drain()
            }
        };
        assert!(!closed || outputs.is_empty(), "silent after the close");
        for output in &outputs {
            match output {
                Output::Decide { .. } => assert!(!std::mem::replace(&mut deciding, true), "two decisions at a time"),
                Output::Pull { .. } => assert!(!std::mem::replace(&mut reading, true), "two reads at a time"),
                Output::Close => closed = true,
                _ => {}
            }
        }
        assert_eq!(closed, rig.session.is_closed());
        assert!(rig.session.waiting.len() <= timing::MAX_WAITING_FRAMES);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_inputs_is_survived_on_a_socket(steps in prop::collection::vec(step(), 0..120)) {
        run(Session::new(Millis(500)), steps);
    }

    #[test]
    fn any_sequence_of_inputs_is_survived_over_fetch(steps in prop::collection::vec(step(), 0..30)) {
        run(Session::request(Millis(500), "t1".into()), steps);
    }
}
