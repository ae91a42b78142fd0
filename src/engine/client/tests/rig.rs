//! A driver with a store in memory and a clock that the test moves.

pub use super::frames::*;
use crate::client::{Client, Connection, Divergence, FetchError, Input, Output, ReplicaState, Status, User, timing};
use crate::{EngineError, Millis};
use seaworthy_protocol::{
    BucketId, Checkpoint, ClientFrame, Cursor, Hello, Outcome, Position, Push, ReplicaId, Rows, Sequence, ServerFrame, Subscription, Transaction,
    TransactionId, TransactionResult,
};

pub(super) const HOUR: u64 = 3_600_000;
pub(super) const WEEK: u64 = 7 * 24 * HOUR;

pub(super) fn alice() -> User {
    User { issuer: "https://issuer.example".into(), subject: "alice".into() }
}

/// An outbox entry and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub id: TransactionId,
    pub sequence: Sequence,
    pub outcome: Option<Outcome>,
}

/// A confirmed write that the server may forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub id: TransactionId,
    pub sequence: Sequence,
    pub position: Position,
    pub doubtful: bool,
}

#[derive(Debug, Default)]
pub(super) struct FakeStore {
    pub replica: ReplicaId,
    pub user: Option<User>,
    pub anonymous: bool,
    /// Confirmed, and not released.
    pub kept: Vec<Kept>,
    pub lost: Vec<TransactionId>,
    pub cursor: Option<Cursor>,
    pub outbox: Vec<Entry>,
    pub last: Sequence,
    pub marked: Sequence,
    pub ended: Vec<TransactionId>,
    pub applied: Vec<(Vec<Rows>, Checkpoint)>,
    pub subscriptions: Vec<Subscription>,
    pub buckets: Vec<BucketId>,
    /// The next checkpoint leaves a bucket that does not add up, and is let go of.
    pub diverges: Option<Divergence>,
    pub fails: bool,
}

impl FakeStore {
    pub fn state(&self) -> ReplicaState {
        let undecided = self.outbox.iter().find(|entry| entry.outcome.is_none());
        ReplicaState {
            replica: self.replica,
            user: self.user.clone(),
            anonymous: self.anonymous,
            schema_version: 3,
            cursor: self.cursor,
            first_undecided: undecided.map_or(self.last.next(), |entry| entry.sequence),
            last_sequence: self.last,
            awaiting_checkpoint: self.outbox.iter().any(|entry| entry.outcome.is_some()),
            kept_through: self.kept.iter().filter(|kept| !kept.doubtful).map(|kept| kept.sequence).max().unwrap_or_default(),
            doubtful: self.kept.iter().filter(|kept| kept.doubtful).map(|kept| kept.id).collect(),
            buckets: self.buckets.as_slice().into(),
            subscriptions: self.subscriptions.as_slice().into(),
        }
    }

    pub fn commit(&mut self, id: u8) -> Sequence {
        self.last = self.last.next();
        self.outbox.push(Entry { id: TransactionId([id; 16]), sequence: self.last, outcome: None });
        self.last
    }

    fn load(&self, after: Sequence, max_count: usize) -> Vec<Transaction> {
        let behind = self.outbox.iter().filter(|entry| entry.sequence > after && entry.outcome.is_none());
        behind.take(max_count).map(|entry| transaction(entry.id, entry.sequence)).collect()
    }

    fn record(&mut self, results: Vec<TransactionResult>) {
        for result in results {
            for entry in self.outbox.iter_mut().filter(|entry| entry.sequence == result.sequence) {
                entry.outcome = Some(result.outcome.clone());
            }
        }
    }

    fn apply(&mut self, rows: Vec<Rows>, checkpoint: Checkpoint) {
        self.cursor = Some(checkpoint.cursor);
        let reached = checkpoint.cursor.position;
        let (ended, kept) = std::mem::take(&mut self.outbox).into_iter().partition::<Vec<_>, _>(|entry| position(entry).is_some_and(|at| at <= reached));
        self.outbox = kept;
        let confirmed = ended.iter().filter_map(|entry| Some(Kept { id: entry.id, sequence: entry.sequence, position: position(entry)?, doubtful: false }));
        self.kept.extend(confirmed);
        if let Some(known) = &checkpoint.known {
            let lost = self.kept.extract_if(.., |kept| kept.doubtful && !known.contains(&kept.id));
            self.lost.extend(lost.map(|kept| kept.id));
        }
        self.ended.extend(ended.into_iter().map(|entry| entry.id));
        self.applied.push((rows, checkpoint));
    }

    fn new_identity(&mut self) {
        self.replica.0[0] += 1;
        self.last = Sequence(0);
        self.kept.iter_mut().for_each(|kept| kept.doubtful = true);
        for entry in &mut self.outbox {
            entry.outcome = None;
            self.last = self.last.next();
            entry.sequence = self.last;
        }
    }

    fn forget_outcomes(&mut self, after: Sequence) {
        self.outbox.iter_mut().filter(|entry| entry.sequence > after).for_each(|entry| entry.outcome = None);
        self.kept.iter_mut().filter(|kept| kept.sequence > after).for_each(|kept| kept.doubtful = true);
    }

    /// Executes a storage output. `None`: it is not one.
    pub fn execute(&mut self, output: Output) -> Result<Option<Input>, Box<Output>> {
        match output {
            Output::LoadOutbox { .. }
            | Output::ForgetOutcomes { .. }
            | Output::Record(_)
            | Output::Apply { .. }
            | Output::MarkAnonymous(_)
            | Output::Release { .. }
            | Output::BindUser(_)
            | Output::NewIdentity
            | Output::MarkSent { .. }
                if self.fails =>
            {
                return Ok(Some(Input::StorageFailed));
            }
            Output::MarkSent { through } => {
                self.marked = through;
                return Ok(None);
            }
            Output::Release { through } => {
                self.kept.retain(|kept| kept.position > through);
                return Ok(None);
            }
            Output::LoadOutbox { after, max_count, .. } => return Ok(Some(Input::Outbox(self.load(after, max_count)))),
            Output::Record(results) => self.record(results),
            Output::ForgetOutcomes { after } => self.forget_outcomes(after),
            Output::MarkAnonymous(anonymous) => self.anonymous = anonymous,
            Output::Apply { rows, checkpoint } => {
                self.apply(rows, checkpoint);
                if let Some(divergence) = self.diverges.take() {
                    self.buckets.clear();
                    return Ok(Some(Input::Diverged { replica: self.state(), divergence }));
                }
            }
            Output::BindUser(user) => (self.user, self.anonymous) = (Some(user), false),
            Output::NewIdentity => self.new_identity(),
            other => return Err(Box::new(other)),
        }
        Ok(Some(Input::Stored(self.state())))
    }
}

fn position(entry: &Entry) -> Option<Position> {
    match entry.outcome.as_ref()? {
        Outcome::Applied { position } | Outcome::Merged { position, .. } | Outcome::Rejected { position, .. } => Some(*position),
        _ => None,
    }
}

/// The client, its store, and what it asked of the network since it was last looked at.
pub(super) struct Rig {
    pub client: Client,
    pub store: FakeStore,
    pub now: Millis,
    pub out: Vec<Output>,
    pub wake: Option<Millis>,
}

impl Rig {
    pub fn new() -> Self {
        Self::over(FakeStore::default())
    }

    pub fn over(store: FakeStore) -> Self {
        Self { client: Client::new(store.state(), 42), store, now: Millis(1_000_000), out: Vec::new(), wake: None }
    }

    /// Online, over a WebSocket, welcomed, at position 10.
    pub fn online() -> Self {
        let mut rig = Self::new();
        rig.greet();
        rig.frame(welcome());
        rig.frame(checkpoint(10));
        rig.take();
        rig
    }

    /// Online over fetch since the WebSocket is blocked, at position 10.
    pub fn over_fetch() -> Self {
        let mut rig = Self::new();
        rig.block_socket();
        let (id, _) = rig.fetched_pull();
        rig.answer(id, vec![welcome(), checkpoint(10)]);
        rig.pass(timing::PULL_SPACING_MS);
        rig
    }

    /// Wanted, with a token, and two WebSockets that closed at once: fetch is next.
    pub fn block_socket(&mut self) {
        self.give(Input::Online(true));
        self.give(Input::Token(Some("t1".into())));
        self.give(Input::Closed);
        self.pass(timing::BACKOFF_BASE_MS);
        self.give(Input::Closed);
    }

    /// Up to the `hello`.
    pub fn greet(&mut self) {
        self.give(Input::Online(true));
        self.give(Input::Token(Some("t1".into())));
        self.give(Input::Connected);
    }

    pub fn try_give(&mut self, input: Input) -> Result<(), EngineError> {
        self.client.handle(self.now, input)?;
        while let Some(output) = self.client.poll_output() {
            match self.store.execute(output) {
                Ok(None) => {}
                Ok(Some(answer)) => self.client.handle(self.now, answer)?,
                Err(other) => match *other {
                    Output::WakeAt(at) => self.wake = Some(at),
                    other => self.out.push(other),
                },
            }
        }
        Ok(())
    }

    pub fn give(&mut self, input: Input) {
        self.try_give(input).unwrap();
    }

    pub fn frame(&mut self, frame: ServerFrame) {
        self.give(Input::Frame(frame));
    }

    pub fn answer(&mut self, id: u32, frames: Vec<ServerFrame>) {
        self.give(Input::Fetched { id, result: Ok(frames) });
    }

    pub fn fail(&mut self, id: u32, error: FetchError) {
        self.give(Input::Fetched { id, result: Err(error) });
    }

    pub fn commit(&mut self, id: u8) {
        let through = self.store.commit(id);
        self.give(Input::Committed { through });
    }

    /// Lets time pass, with a tick whenever one is wished for.
    pub fn pass(&mut self, ms: u64) {
        let target = self.now + ms;
        for _ in 0..10_000 + ms / 1_000 {
            match self.wake.filter(|at| *at <= target) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.wake = None;
                    self.give(Input::Tick);
                }
                None => {
                    self.now = target;
                    return;
                }
            }
        }
        panic!("the engine wakes in a hot loop");
    }

    /// Lets time pass without a tick, as a closed laptop does, then gives one.
    pub fn sleep(&mut self, ms: u64) {
        self.now = self.now + ms;
        self.wake = None;
        self.give(Input::Tick);
    }

    /// What was asked of the network and the application, without status changes.
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out).into_iter().filter(|output| !matches!(output, Output::Status(_))).collect()
    }

    pub fn status(&self) -> Status {
        self.client.status()
    }

    pub fn connection(&self) -> Connection {
        self.client.status().connection
    }

    pub fn error_code(&self) -> Option<String> {
        self.client.status().error.map(|error| error.code)
    }

    /// The sequences of the one push that was sent over the WebSocket.
    pub fn pushed(&mut self) -> Vec<u64> {
        let pushes: Vec<Push> =
            self.take().into_iter().filter_map(|output| if let Output::Send(ClientFrame::Push(push)) = output { Some(push) } else { None }).collect();
        assert!(pushes.len() <= 1, "more than one push");
        pushes.into_iter().flat_map(|push| push.transactions).map(|transaction| transaction.sequence.0).collect()
    }

    /// The application subscribes to these streams, and to nothing else.
    pub fn subscribe(&mut self, streams: &[&str]) {
        self.store.subscriptions = subscriptions(streams);
        let state = self.store.state();
        self.give(Input::Subscribed(state));
    }

    /// The `hello` that was sent.
    pub fn hello(&mut self) -> Hello {
        let hello = self.take().into_iter().find_map(|output| if let Output::Send(ClientFrame::Hello(hello)) = output { Some(hello) } else { None });
        hello.expect("a hello")
    }

    /// The pull that was asked for over fetch, and how long it waits.
    pub fn fetched_pull(&mut self) -> (u32, u64) {
        let mut pulls = self.take().into_iter().filter_map(|output| match output {
            Output::Fetch { id, frame: ClientFrame::Pull(pull), .. } => Some((id, pull.wait_ms)),
            _ => None,
        });
        pulls.next_back().expect("a pull over fetch")
    }

    /// The push that was made over fetch.
    pub fn fetched_push(&mut self) -> (u32, Vec<u64>) {
        let mut pushes = self.take().into_iter().filter_map(|output| match output {
            Output::Fetch { id, frame: ClientFrame::Push(push), .. } => Some((id, push.transactions.iter().map(|t| t.sequence.0).collect())),
            _ => None,
        });
        pushes.next_back().expect("a push over fetch")
    }
}
