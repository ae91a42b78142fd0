//! The client's half: connects, authenticates, pushes the outbox, and moves the replica from
//! checkpoint to checkpoint.
//!
//! The driver calls [`Client::handle`] with one [`Input`], then executes every [`Output`] in order.
//! Outputs that touch storage come before the frames that depend on them, and each is answered by the
//! input that its documentation names before any other input is given.
//!
//! It promises: transactions are pushed in order, one push at a time, and none before it is marked as
//! sent; memory changes only after storage has answered; every wait is bounded, and grows with every
//! failure. It never drops a transaction, never decides one, and never trusts a wall clock.

mod backoff;
mod connection;
mod fetch;
mod input;
mod output;
mod pull;
mod push;
mod replica;
mod socket;
mod status;
mod storage;
#[cfg(test)]
mod tests;
pub mod timing;
mod token;
mod wake;

pub use input::{Divergence, FetchError, Input};
pub use output::Output;
pub use replica::{ReplicaState, User};
pub use status::{Connection, Status, StatusError};

use crate::{EngineError, Millis, random::Random};
use backoff::Backoff;
use fetch::FetchLink;
use pull::Collected;
use push::Push;
use seaworthy_protocol::{ServerFrame, Subscription};
use socket::Socket;
use std::{collections::VecDeque, sync::Arc};
use storage::Work;
use token::Token;

/// The client's state machine. See the module.
#[derive(Debug)]
pub struct Client {
    replica: ReplicaState,
    mode: Mode,
    token: Token,
    push: Push,
    collected: Collected,
    /// The subscriptions that the server was told of last, on this connection.
    told_subscriptions: Option<Arc<[Subscription]>>,
    /// The storage output that waits for its answer.
    work: Option<Work>,
    /// Frames of the last input that were not read yet, because storage was asked in between.
    inbox: VecDeque<(Source, ServerFrame)>,
    /// WebSockets in a row that did not reach `welcome`.
    socket_failures: u32,
    backoff: Backoff,
    random: Random,
    last_fetch: u32,
    error: Option<StatusError>,
    told_status: Option<Status>,
    told_wake: Option<Millis>,
    outputs: VecDeque<Output>,
}

/// What the engine is doing about the connection.
#[derive(Debug)]
enum Mode {
    /// No connection is wanted.
    Offline,
    /// The application was asked for a token.
    Asking { deadline: Millis },
    /// Between two tries.
    Waiting { until: Millis },
    /// Only the application can continue.
    Stopped(Connection),
    /// A WebSocket.
    Socket(Socket),
    /// Requests over fetch, since the WebSocket seems to be blocked.
    Fetch(FetchLink),
}

/// Where a frame came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Socket,
    PullFetch,
    PushFetch,
}

impl Client {
    /// An engine over what the store knows, offline until it is told otherwise. `seed` drives the jitter.
    pub fn new(replica: ReplicaState, seed: u64) -> Self {
        Self {
            replica,
            mode: Mode::Offline,
            token: Token::default(),
            push: Push::default(),
            collected: Collected::default(),
            told_subscriptions: None,
            work: None,
            inbox: VecDeque::new(),
            socket_failures: 0,
            backoff: Backoff::default(),
            random: Random::new(seed),
            last_fetch: 0,
            error: None,
            told_status: Some(Status::default()),
            told_wake: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes one input. The outputs that follow from it are then there to be polled.
    ///
    /// # Errors
    /// When the driver broke the contract. The engine is as before.
    pub fn handle(&mut self, now: Millis, input: Input) -> Result<(), EngineError> {
        storage::check_turn(self.work.as_ref(), &input)?;
        match input {
            Input::Online(wanted) => self.set_wanted(now, wanted),
            Input::Token(token) => self.take_token(now, token),
            Input::NoToken => self.miss_token(now),
            Input::Adopt => self.adopt(),
            Input::Connected => self.opened(now),
            Input::Frame(frame) => self.socket_frame(now, frame),
            Input::Malformed => self.socket_malformed(now),
            Input::Closed => self.socket_closed(now),
            Input::Fetched { id, result } => self.fetched(now, id, result),
            Input::Committed { through } => self.replica.last_sequence = self.replica.last_sequence.max(through),
            Input::Subscribed(replica) => self.subscribed(now, replica),
            Input::Outbox(transactions) => self.loaded(now, transactions),
            Input::Stored(replica) => self.stored(now, replica),
            Input::Diverged { replica, divergence } => self.diverged(now, replica, divergence),
            Input::StorageFailed => self.storage_failed(now),
            Input::Tick => self.told_wake = None,
        }
        self.advance(now);
        Ok(())
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The status as it is now.
    pub fn status(&self) -> Status {
        let connection = match &self.mode {
            Mode::Offline => Connection::Offline,
            Mode::Stopped(why) => *why,
            _ if self.is_linked() => Connection::Online,
            _ if self.backoff.is_lost() => Connection::Offline,
            _ => Connection::Connecting,
        };
        Status { connection, over_fetch: matches!(&self.mode, Mode::Fetch(link) if link.welcomed), error: self.error.clone() }
    }

    /// What the store was last known to hold.
    pub fn replica(&self) -> &ReplicaState {
        &self.replica
    }

    /// The moment of the last [`Output::WakeAt`] that has not come yet.
    pub fn wakes_at(&self) -> Option<Millis> {
        self.told_wake
    }

    /// Whether a server has welcomed us on the transport in use.
    fn is_linked(&self) -> bool {
        match &self.mode {
            Mode::Socket(socket) => socket.is_live(),
            Mode::Fetch(link) => link.welcomed,
            _ => false,
        }
    }

    /// Everything that follows from an input, until storage has to be asked or there is nothing to do.
    fn advance(&mut self, now: Millis) {
        while self.work.is_none() {
            let Some((source, frame)) = self.inbox.pop_front() else { break };
            self.read(now, source, frame);
        }
        if self.work.is_none() {
            self.run_timers(now);
            self.send_token();
            self.send_subscriptions();
            self.pull_next(now);
            self.push_next(now);
        }
        self.tell();
    }

    fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Tells the driver the status and the next deadline, where they changed.
    fn tell(&mut self) {
        let status = self.status();
        if self.told_status.as_ref() != Some(&status) {
            self.told_status = Some(status.clone());
            self.emit(Output::Status(status));
        }
        let deadline = self.next_deadline();
        if let Some(at) = deadline
            && self.told_wake != deadline
        {
            self.emit(Output::WakeAt(at));
        }
        self.told_wake = deadline;
    }
}
