//! The server's half: one session per WebSocket, and the same for one request over fetch.
//!
//! The driver calls [`Session::handle`] with one [`Input`], then executes every [`Output`] in order.
//! A session asks for one decision and one pull at a time; frames that come meanwhile wait in a
//! bounded queue, and one too many closes it. Answers may come later than other inputs.
//!
//! It promises: nothing is decided or read before the token was found good and the replica was
//! admitted; a decision's results are followed by a checkpoint at or behind it, even an empty one;
//! nothing is sent after the token's end. After [`Output::Close`] it is silent.

mod flow;
mod input;
mod opening;
mod output;
mod principal;
mod streaming;
#[cfg(test)]
mod tests;
pub mod timing;

pub use input::{Admission, Identity, Input, Pulled, Standing};
pub use output::Output;
pub use principal::Principal;

use crate::{EngineError, Millis, client::User};
use opening::Stage;
use seaworthy_protocol::{BucketId, ClientFrame, Cursor, Position, ReplicaId, Sequence, StreamState, Subscription, TransactionId};
use std::collections::VecDeque;

/// The server's state machine for one connection, or for one request. See the module.
#[derive(Debug)]
pub struct Session {
    stage: Stage,
    /// Over fetch: the one answer ends the session.
    request: Option<Request>,
    principal: Option<Principal>,
    token_ends_at: Millis,
    replica: ReplicaId,
    admission: Option<Admission>,
    last_sequence: Sequence,
    /// Where the replica stands once it has applied what was sent.
    sent: Option<Cursor>,
    /// What the replica asks about. The first read answers it.
    doubtful: Vec<TransactionId>,
    /// Where we have read to; what lies between holds nothing for this user.
    read: Option<Cursor>,
    /// The buckets that the replica holds there.
    buckets: Vec<BucketId>,
    subscriptions: Vec<Subscription>,
    /// What the replica was told last of what it is to hold.
    told_streams: Option<Vec<StreamState>>,
    /// What the replica is to hold may have changed, or is not all read: there is something to read without news.
    unsettled: bool,
    head: Position,
    /// A checkpoint at or behind this must be sent.
    owed: Option<Position>,
    authenticating: bool,
    deciding: bool,
    pulling: bool,
    stopping: bool,
    waiting: VecDeque<ClientFrame>,
    opened_at: Millis,
    heard_at: Millis,
    told_wake: Option<Millis>,
    outputs: VecDeque<Output>,
}

/// What a request over fetch asks for.
#[derive(Debug)]
struct Request {
    token: String,
    /// Whether it is a pull.
    pulls: bool,
    /// Until when a pull may be held open.
    wait_until: Millis,
}

impl Session {
    /// A session for a WebSocket that was opened now. Poll it at once: it wants to be woken.
    pub fn new(now: Millis) -> Self {
        Self::open(now, None)
    }

    /// A session for one request over fetch, whose bearer token came in its header. It takes one frame, a `push`
    /// or a `pull`; what it sends until it closes is the answer. A `pull` may be held open until there is news.
    pub fn request(now: Millis, token: String) -> Self {
        Self::open(now, Some(Request { token, pulls: false, wait_until: now }))
    }

    fn open(now: Millis, request: Option<Request>) -> Self {
        let mut session = Self {
            stage: Stage::Expecting,
            request,
            principal: None,
            token_ends_at: now,
            replica: ReplicaId::default(),
            admission: None,
            last_sequence: Sequence(0),
            sent: None,
            doubtful: Vec::new(),
            read: None,
            buckets: Vec::new(),
            subscriptions: Vec::new(),
            told_streams: None,
            unsettled: false,
            head: Position(0),
            owed: None,
            authenticating: false,
            deciding: false,
            pulling: false,
            stopping: false,
            waiting: VecDeque::new(),
            opened_at: now,
            heard_at: now,
            told_wake: None,
            outputs: VecDeque::new(),
        };
        session.tell();
        session
    }

    /// Takes one input. The outputs that follow from it are then there to be polled.
    ///
    /// # Errors
    /// When the driver gave an answer that was not asked for. The session is as before.
    pub fn handle(&mut self, now: Millis, input: Input) -> Result<(), EngineError> {
        if self.is_closed() {
            return Ok(());
        }
        self.check_asked(&input)?;
        match input {
            Input::Frame(frame) => self.take_frame(now, frame),
            Input::Malformed { message } => self.refuse(&message),
            Input::Authenticated(answer) => self.authenticated(now, answer),
            Input::Admitted(answer) => self.admitted(now, answer),
            Input::Decided(answer) => self.decided(answer),
            Input::Pulled(answer) => self.pulled(answer),
            Input::Head(position) => self.head = self.head.max(position),
            Input::Tick => self.told_wake = None,
            Input::Stop => self.stop(),
        }
        self.advance(now);
        Ok(())
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// The user, once the token was found good.
    pub fn user(&self) -> Option<&User> {
        self.principal.as_ref().map(|principal| &principal.user)
    }

    fn check_asked(&self, input: &Input) -> Result<(), EngineError> {
        let asked = match input {
            Input::Authenticated(_) => self.authenticating,
            Input::Admitted(_) => matches!(self.stage, Stage::Admitting(_)),
            Input::Decided(_) => self.deciding,
            Input::Pulled(_) => self.pulling,
            _ => true,
        };
        if asked { Ok(()) } else { Err(EngineError::UnaskedAnswer { given: input.name() }) }
    }

    fn emit(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}
