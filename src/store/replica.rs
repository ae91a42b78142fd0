//! A store and the engine that keeps it in touch with the server.
//!
//! It executes the engine's storage outputs itself and hands the rest to the driver, so that the
//! browser's worker and the simulator share every step between a frame and the file.

use crate::{Applied, RejectedWrite, Store, StoreError};
use seaworthy_engine::Millis;
use seaworthy_engine::client::{Client, Input, Output, Status};
use seaworthy_protocol::{ClientFrame, ReplicaId, TransactionId};
use std::collections::VecDeque;

/// Inputs that may wait while an interactive transaction is open; beyond, frames are refused by disconnecting.
const MAX_WAITING: usize = 1024;

/// What the driver must do, in order.
#[derive(Debug)]
pub enum Action {
    /// Ask the application for a token.
    NeedToken {
        /// A cached one will not do.
        renew: bool,
    },
    /// Open a WebSocket, after closing any former one.
    Connect,
    /// Close the WebSocket and abort fetches.
    Disconnect,
    /// Send over the WebSocket.
    Send(ClientFrame),
    /// POST a frame.
    Fetch {
        /// Given back with the answer.
        id: u32,
        /// The bearer token.
        token: String,
        /// The frame.
        frame: ClientFrame,
    },
    /// Give a tick at this moment. Replaces any former wish.
    WakeAt(Millis),
    /// The status changed.
    Status(Status),
    /// These writes are part of what the server has.
    Confirmed(Vec<TransactionId>),
    /// These writes were reverted.
    Rejected(Vec<RejectedWrite>),
    /// A checkpoint was applied: live queries may have new results.
    Synced,
    /// [`Store::streams`] answers something else.
    Streams,
    /// Storage failed; the engine tries again later.
    Failed(StoreError),
}

/// What a replica needs of the world and must not fetch itself.
pub trait Environment {
    /// A new UUIDv7, for a database whose identity was taken.
    fn replica_id(&mut self) -> ReplicaId;
    /// The wall clock, in milliseconds since 1970. Only shown, never reckoned with.
    fn wall_ms(&self) -> i64;
}

/// A store together with its engine.
pub struct Replica {
    store: Store,
    engine: Client,
    environment: Box<dyn Environment>,
    waiting: VecDeque<Input>,
}

impl Replica {
    /// Joins a store and an engine. `seed` feeds the engine's jitter.
    pub fn new(store: Store, seed: u64, environment: impl Environment + 'static) -> Self {
        let engine = Client::new(store.replica(), seed);
        Self { store, engine, environment: Box::new(environment), waiting: VecDeque::new() }
    }

    /// The store. After a committed write, call [`Self::committed`].
    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Gives the store back.
    pub fn into_store(self) -> Store {
        self.store
    }

    /// Tells the engine that a local transaction was committed.
    pub fn committed(&mut self, now: Millis) -> Vec<Action> {
        let through = self.store.replica().last_sequence;
        self.handle(now, Input::Committed { through })
    }

    /// Tells the engine that what is subscribed to may have changed.
    pub fn subscribed(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = vec![Action::Streams];
        let state = self.store.replica();
        actions.extend(self.handle(now, Input::Subscribed(state)));
        actions
    }

    /// One step. While an interactive transaction is open, inputs wait for [`Self::resume`].
    pub fn handle(&mut self, now: Millis, input: Input) -> Vec<Action> {
        if self.store.in_transaction() {
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push_back(input);
            } else if self.waiting.back() != Some(&Input::Closed) {
                self.waiting.push_back(Input::Closed);
            }
            return Vec::new();
        }
        let mut actions = Vec::new();
        self.step(now, input, &mut actions);
        actions
    }

    /// Goes on after an interactive transaction ended.
    pub fn resume(&mut self, now: Millis) -> Vec<Action> {
        let mut actions = Vec::new();
        while !self.store.in_transaction() {
            let Some(input) = self.waiting.pop_front() else { break };
            self.step(now, input, &mut actions);
        }
        actions
    }

    fn step(&mut self, now: Millis, input: Input, actions: &mut Vec<Action>) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            // It may have waited meanwhile.
            let input = if let Input::Subscribed(_) = input { Input::Subscribed(self.store.replica()) } else { input };
            // The engine refuses inputs that cannot come now; its state is unchanged then.
            if self.engine.handle(now, input).is_err() {
                continue;
            }
            while let Some(output) = self.engine.poll_output() {
                match self.execute(output, actions) {
                    Ok(Some(answer)) => inputs.push_back(answer),
                    Ok(None) => {}
                    Err(error) => {
                        actions.push(Action::Failed(error));
                        // Before the next output is taken: the engine withdraws what depended on this one. It never refuses this input.
                        let _ = self.engine.handle(now, Input::StorageFailed);
                    }
                }
            }
        }
    }

    fn execute(&mut self, output: Output, actions: &mut Vec<Action>) -> Result<Option<Input>, StoreError> {
        let action = match output {
            Output::LoadOutbox { after, max_count, max_bytes } => return Ok(Some(Input::Outbox(self.store.outbox(after, max_count, max_bytes)?))),
            Output::MarkSent { through } => return self.store.mark_sent(through).map(|()| None),
            Output::Release { through } => return self.store.release(through).map(|()| None),
            Output::MarkAnonymous(anonymous) => {
                self.store.mark_anonymous(anonymous)?;
                return Ok(Some(self.stored()));
            }
            Output::Record(results) => {
                self.store.record(&results)?;
                return Ok(Some(self.stored()));
            }
            Output::Apply { rows, checkpoint } => {
                let Applied { confirmed, rejected, streams, diverged, .. } = self.store.apply(&rows, &checkpoint, self.environment.wall_ms())?;
                actions.push(Action::Synced);
                if streams {
                    actions.push(Action::Streams);
                }
                if !confirmed.is_empty() {
                    actions.push(Action::Confirmed(confirmed));
                }
                if !rejected.is_empty() {
                    actions.push(Action::Rejected(rejected));
                }
                let replica = self.store.replica();
                return Ok(Some(match diverged {
                    None => Input::Stored(replica),
                    Some(divergence) => Input::Diverged { replica, divergence },
                }));
            }
            Output::BindUser(user) => {
                self.store.bind_user(&user)?;
                return Ok(Some(self.stored()));
            }
            Output::ForgetOutcomes { after } => {
                self.store.forget_outcomes(after)?;
                return Ok(Some(self.stored()));
            }
            Output::NewIdentity => {
                self.store.new_identity(self.environment.replica_id())?;
                return Ok(Some(self.stored()));
            }
            Output::NeedToken { renew } => Action::NeedToken { renew },
            Output::Connect => Action::Connect,
            Output::Disconnect => Action::Disconnect,
            Output::Send(frame) => Action::Send(frame),
            Output::Fetch { id, token, frame } => Action::Fetch { id, token, frame },
            Output::WakeAt(at) => Action::WakeAt(at),
            Output::Status(status) => Action::Status(status),
        };
        actions.push(action);
        Ok(None)
    }

    fn stored(&self) -> Input {
        Input::Stored(self.store.replica())
    }
}
