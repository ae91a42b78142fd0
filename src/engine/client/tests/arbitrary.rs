//! Any input in any order: no panic, bounded memory, never two pushes under way, never a hot loop.

use super::rig::*;
use crate::Millis;
use crate::client::{Client, Connection, FetchError, Input, Mode, Output, User};
use proptest::prelude::*;
use seaworthy_protocol::{Checkpoint, ClientFrame, Outcome, Position, Sequence, ServerFrame, TransactionId, TransactionResult};

#[derive(Clone, Debug)]
enum Step {
    Give(Input),
    Commit,
    Fetched(u32, Result<Vec<ServerFrame>, FetchError>),
    Pass(u64),
    StorageFails(bool),
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => (0..40u64).prop_map(|p| Outcome::Applied { position: Position(p) }),
        1 => (0..40u64).prop_map(|p| Outcome::Rejected { position: Position(p), code: "constraint".into(), message: String::new(), data: None }),
        1 => (0..100_000u64).prop_map(|retry_after_ms| Outcome::RetryLater { retry_after_ms, message: String::new() }),
        1 => (0..12u64).prop_map(|s| Outcome::Gap { expected: Sequence(s) }),
        1 => Just(Outcome::IdentityReused),
    ]
}

fn frame() -> impl Strategy<Value = ServerFrame> {
    let result = (0..12u64, outcome()).prop_map(|(s, outcome)| TransactionResult { sequence: Sequence(s), outcome });
    let run = (0..12u64, prop::collection::vec(outcome(), 0..4))
        .prop_map(|(first, outcomes)| outcomes.into_iter().enumerate().map(|(n, o)| ended(first + n as u64, o)).collect::<Vec<_>>());
    let known = prop::option::of(prop::collection::vec((0..4u8).prop_map(|id| TransactionId([id; 16])), 0..3));
    prop_oneof![
        4 => (0..200_000u64).prop_map(|expiry| welcome_with(alice(), expiry)),
        2 => (0..6u64).prop_map(welcome_at),
        1 => Just(welcome_with(User { subject: "bob".into(), ..alice() }, HOUR)),
        2 => prop::collection::vec(result, 0..4).prop_map(results),
        4 => run.prop_map(results),
        2 => any::<i64>().prop_map(rows),
        4 => (0..40u64, any::<bool>(), known).prop_map(|(p, reset, known)| ServerFrame::Checkpoint(Checkpoint { reset, known, ..Checkpoint::at(cursor(p)) })),
        1 => prop_oneof![Just("unauthorized"), Just("wrong_user"), Just("upgrade_required"), Just("unavailable"), Just("else")].prop_map(|code| error(code, Some(10))),
        1 => Just(pong()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fetched = prop_oneof![
        3 => prop::collection::vec(frame(), 0..5).prop_map(Ok),
        1 => Just(Err(FetchError::Network)),
        1 => Just(Err(FetchError::NotSeaworthy)),
    ];
    prop_oneof![
        2 => any::<bool>().prop_map(|on| Step::Give(Input::Online(on))),
        3 => prop::option::weighted(0.9, "[a-z]{1,4}").prop_map(|token| Step::Give(Input::Token(token))),
        1 => Just(Step::Give(Input::Adopt)),
        4 => Just(Step::Give(Input::Connected)),
        8 => frame().prop_map(|frame| Step::Give(Input::Frame(frame))),
        1 => Just(Step::Give(Input::Malformed)),
        2 => Just(Step::Give(Input::Closed)),
        1 => Just(Step::Give(Input::Tick)),
        1 => Just(Step::Give(Input::StorageFailed)),
        1 => Just(Step::Give(Input::Outbox(vec![]))),
        4 => Just(Step::Commit),
        6 => (0..12u32, fetched).prop_map(|(id, result)| Step::Fetched(id, result)),
        5 => prop_oneof![0..2_000u64, 0..200_000u64, Just(WEEK)].prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::StorageFails),
    ]
}

/// Watches what the client asks of the network.
#[derive(Default)]
struct Watch {
    over_socket: bool,
    over_fetch: Option<u32>,
    newest: u32,
    seen: usize,
}

impl Watch {
    fn look(&mut self, rig: &Rig) {
        for output in &rig.out[self.seen..] {
            match output {
                Output::Connect | Output::Disconnect => (self.over_socket, self.over_fetch) = (false, self.over_fetch.filter(|_| *output == Output::Connect)),
                Output::Send(ClientFrame::Push(_)) => {
                    assert!(!self.over_socket, "two pushes under way on one WebSocket");
                    (self.over_socket, self.over_fetch) = (true, None);
                }
                Output::Fetch { id, frame, .. } => {
                    assert!(*id > self.newest, "ids of fetches only grow");
                    self.newest = *id;
                    if let ClientFrame::Push(_) = frame {
                        assert!(!self.over_socket && self.over_fetch.is_none(), "two pushes under way");
                        self.over_fetch = Some(*id);
                    }
                }
                _ => {}
            }
        }
        self.seen = rig.out.len();
    }

    fn before(&mut self, input: &Input) {
        match input {
            Input::Frame(ServerFrame::Results(_)) => self.over_socket = false,
            Input::Fetched { id, .. } if self.over_fetch == Some(*id) => self.over_fetch = None,
            _ => {}
        }
    }
}

fn check(rig: &Rig) {
    assert!(rig.client.inbox.is_empty() && rig.client.outputs.is_empty() && rig.client.work.is_none(), "nothing waits after a step");
    if matches!(rig.client.mode, Mode::Offline) {
        assert_eq!(rig.client.next_deadline(), None);
    }
}

fn run(steps: Vec<Step>) {
    let mut rig = Rig::new();
    let mut watch = Watch::default();
    let mut ids = 0u8;
    for step in steps {
        let input = match step {
            Step::Give(input) => input,
            Step::Commit => {
                ids = ids.wrapping_add(1);
                Input::Committed { through: rig.store.commit(ids) }
            }
            Step::Fetched(back, result) => Input::Fetched { id: rig.client.last_fetch.saturating_sub(back), result },
            Step::StorageFails(fails) => {
                rig.store.fails = fails;
                continue;
            }
            Step::Pass(ms) => {
                rig.pass(ms);
                watch.look(&rig);
                check(&rig);
                continue;
            }
        };
        watch.before(&input);
        let asked = matches!(input, Input::Outbox(_));
        assert_eq!(rig.try_give(input).is_err(), asked, "only an answer that nobody asked for is refused");
        watch.look(&rig);
        check(&rig);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_inputs_is_survived(steps in prop::collection::vec(step(), 0..120)) {
        run(steps);
    }

    #[test]
    fn whatever_came_before_a_good_server_drains_the_queue(steps in prop::collection::vec(step(), 0..60)) {
        let mut rig = drained(steps);
        prop_assert_eq!(rig.store.outbox.len(), 0);
        prop_assert_eq!(rig.connection(), Connection::Online);
        rig.take();
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_outputs(steps in prop::collection::vec(step(), 0..60)) {
        let outputs = || {
            let mut client = Client::new(FakeStore::default().state(), 9);
            let mut all = Vec::new();
            for (n, step) in steps.iter().enumerate() {
                if let Step::Give(input) = step {
                    let _ = client.handle(Millis(n as u64 * 700), input.clone());
                    all.extend(std::iter::from_fn(|| client.poll_output()));
                }
            }
            all
        };
        prop_assert_eq!(outputs(), outputs());
    }
}

/// Plays the steps, then a server that answers everything well, for ten minutes.
fn drained(steps: Vec<Step>) -> Rig {
    let mut rig = Rig::new();
    for step in steps {
        match step {
            Step::Give(Input::Outbox(_)) | Step::StorageFails(_) => {}
            Step::Give(input) => rig.give(input),
            Step::Commit => rig.commit(1),
            Step::Fetched(back, result) => rig.give(Input::Fetched { id: rig.client.last_fetch.saturating_sub(back), result }),
            Step::Pass(ms) => rig.pass(ms),
        }
    }
    rig.give(Input::Online(false));
    rig.take();
    rig.store.user = Some(alice());
    let mut head = 100;
    let mut rig = Rig { client: Client::new(rig.store.state(), 5), out: Vec::new(), ..rig };
    rig.give(Input::Online(true));
    for _ in 0..600 {
        for output in rig.take() {
            match output {
                Output::NeedToken { .. } => rig.give(Input::Token(Some("good".into()))),
                Output::Connect => rig.give(Input::Connected),
                Output::Send(ClientFrame::Hello(hello)) => {
                    rig.frame(welcome());
                    rig.frame(reset_knowing(head, &hello.doubtful));
                }
                Output::Send(ClientFrame::Push(push)) => {
                    head += 1;
                    let first = push.transactions[0].sequence.0;
                    rig.frame(results((0..push.transactions.len() as u64).map(|n| applied(first + n, head))));
                    rig.frame(checkpoint(head));
                }
                Output::Send(ClientFrame::Ping(_)) => rig.frame(pong()),
                _ => {}
            }
        }
        rig.pass(1_000);
    }
    rig
}
