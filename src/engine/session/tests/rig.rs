//! A driver whose answers the test gives.

use crate::Millis;
use crate::client::User;
use crate::session::{Admission, Identity, Input, Output, Principal, Pulled, Session, Standing};
use seaworthy_protocol::{
    BucketId, Changes, Checkpoint, ClientFrame, Cursor, Epoch, Hello, Incarnation, Outcome, Ping, Position, Pull, Push, ReplicaId, Rows, Sequence, ServerFrame,
    Transaction, TransactionId, TransactionResult, VERSION, Value,
};
use std::sync::Arc;

pub(super) const HOUR: u64 = 3_600_000;
pub(super) const REPLICA: ReplicaId = ReplicaId([5; 16]);

pub(super) struct Rig {
    pub session: Session,
    pub now: Millis,
    pub wake: Option<Millis>,
}

impl Rig {
    pub fn live() -> Self {
        Self::around(Session::new(Millis(500)))
    }

    pub fn request() -> Self {
        Self::around(Session::request(Millis(500), "t1".into()))
    }

    fn around(session: Session) -> Self {
        let mut rig = Self { session, now: Millis(500), wake: None };
        assert_eq!(rig.drain(), []);
        rig
    }

    /// Welcomed, and at position 10.
    pub fn open() -> Self {
        let mut rig = Self::live();
        rig.frame(hello(None));
        rig.let_in();
        rig.give(Input::Pulled(Ok(pulled(10, 1))));
        rig
    }

    /// Answers `Authenticate` and `Admit` well.
    pub fn let_in(&mut self) -> Vec<Output> {
        self.give(Input::Authenticated(Ok(identity("alice", HOUR))));
        self.give(Input::Admitted(Ok(admission())))
    }

    pub fn give(&mut self, input: Input) -> Vec<Output> {
        self.session.handle(self.now, input).unwrap();
        self.drain()
    }

    pub fn frame(&mut self, frame: ClientFrame) -> Vec<Output> {
        self.give(Input::Frame(frame))
    }

    /// Lets time pass, with ticks.
    pub fn pass(&mut self, ms: u64) -> Vec<Output> {
        let target = self.now + ms;
        let mut outputs = Vec::new();
        for _ in 0..1_000 {
            let Some(at) = self.wake.filter(|at| *at <= target) else {
                self.now = target;
                return outputs;
            };
            self.now = self.now.max(at);
            self.wake = None;
            outputs.extend(self.give(Input::Tick));
        }
        panic!("the session wakes in a hot loop");
    }

    pub fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::WakeAt(at) => self.wake = Some(at),
                other => outputs.push(other),
            }
        }
        outputs
    }
}

pub(super) fn user(subject: &str) -> User {
    User { issuer: "https://issuer.example".into(), subject: subject.into() }
}

pub(super) fn principal(subject: &str) -> Principal {
    Principal { user: user(subject), claims: Arc::default() }
}

pub(super) fn identity(subject: &str, expires_in_ms: u64) -> Identity {
    Identity { principal: principal(subject), expires_in_ms }
}

pub(super) fn admission() -> Admission {
    Admission { epoch: Epoch([1; 16]), last_sequence: Sequence(4), durable_through: Position(2) }
}

pub(super) fn hello(cursor: Option<Cursor>) -> ClientFrame {
    ClientFrame::Hello(Hello { protocol: VERSION, token: "t1".into(), replica: REPLICA, cursor, schema_version: 1, ..Hello::default() })
}

pub(super) fn pull_frame(cursor: Option<Cursor>, wait_ms: u64) -> ClientFrame {
    ClientFrame::Pull(Pull { protocol: VERSION, replica: REPLICA, cursor, wait_ms, schema_version: 1, ..Pull::default() })
}

pub(super) fn push(sequences: impl IntoIterator<Item = u64>) -> ClientFrame {
    ClientFrame::Push(push_of(sequences))
}

pub(super) fn push_of(sequences: impl IntoIterator<Item = u64>) -> Push {
    let transaction = |n| Transaction {
        id: TransactionId([9; 16]),
        sequence: Sequence(n),
        base: None,
        schema_version: 1,
        after: Vec::new(),
        policy: None,
        changes: Changes::default(),
    };
    Push { replica: REPLICA, transactions: sequences.into_iter().map(transaction).collect() }
}

pub(super) fn ping() -> ClientFrame {
    ClientFrame::Ping(Ping {})
}

pub(super) fn cursor(position: u64) -> Cursor {
    Cursor { position: Position(position), incarnation: Incarnation([7; 16]) }
}

pub(super) fn rows(value: i64) -> Rows {
    Rows {
        bucket: BucketId::default(),
        table: "t".into(),
        columns: vec!["id".into()],
        key: vec!["id".into()],
        rows: vec![vec![Value::Integer(value)]],
        gone: vec![],
    }
}

/// A checkpoint with so many frames of rows.
pub(super) fn pulled(position: u64, frames: i64) -> Pulled {
    Pulled { rows: (0..frames).map(rows).collect(), checkpoint: Checkpoint::at(cursor(position)), more: false }
}

pub(super) fn applied(sequence: u64, position: u64) -> TransactionResult {
    TransactionResult { sequence: Sequence(sequence), outcome: Outcome::Applied { position: Position(position) } }
}

pub(super) fn checkpoint(position: u64) -> Output {
    Output::Send(ServerFrame::Checkpoint(Checkpoint::at(cursor(position))))
}

pub(super) fn reads_from(position: u64) -> Output {
    let standing = Standing { cursor: Some(cursor(position)), ..Standing::default() };
    Output::Pull { principal: principal("alice"), replica: REPLICA, standing, doubtful: Vec::new() }
}

/// The code of an error that was sent last before the close.
pub(super) fn closing_error(outputs: &[Output]) -> Option<String> {
    match outputs {
        [.., Output::Send(ServerFrame::Error(error)), Output::Close] => Some(error.code.clone()),
        _ => None,
    }
}
