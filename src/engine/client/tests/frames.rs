//! What the server says, and what the application asks for.

use super::rig::{HOUR, alice};
use crate::client::User;
use seaworthy_protocol::{
    BucketId, Changes, Checkpoint, Cursor, Epoch, ErrorFrame, Incarnation, Outcome, Pong, Position, Results, Rows, Sequence, ServerFrame, Subscription,
    Transaction, TransactionId, TransactionResult, VERSION, Value, Welcome,
};

pub fn transaction(id: TransactionId, sequence: Sequence) -> Transaction {
    Transaction { id, sequence, base: None, schema_version: 3, after: Vec::new(), policy: None, changes: Changes::default() }
}

/// A welcome by a server that has decided everything through this sequence.
pub fn welcome_at(last_sequence: u64) -> ServerFrame {
    let ServerFrame::Welcome(welcome) = welcome() else { unreachable!() };
    ServerFrame::Welcome(Welcome { last_sequence: Sequence(last_sequence), ..welcome })
}

/// A welcome by a server that can be restored to nothing before this position.
pub fn welcome_durable(through: u64) -> ServerFrame {
    let ServerFrame::Welcome(welcome) = welcome() else { unreachable!() };
    ServerFrame::Welcome(Welcome { durable_through: Position(through), ..welcome })
}

pub fn welcome_with(user: User, expires_in_ms: u64) -> ServerFrame {
    ServerFrame::Welcome(Welcome {
        protocol: VERSION,
        epoch: Epoch([1; 16]),
        issuer: user.issuer,
        subject: user.subject,
        last_sequence: Sequence(u64::MAX - 1),
        durable_through: Position(0),
        token_expires_in_ms: expires_in_ms,
    })
}

pub fn welcome() -> ServerFrame {
    welcome_with(alice(), HOUR)
}

pub fn cursor(position: u64) -> Cursor {
    Cursor { position: Position(position), incarnation: Incarnation([7; 16]) }
}

pub fn checkpoint(position: u64) -> ServerFrame {
    ServerFrame::Checkpoint(Checkpoint::at(cursor(position)))
}

pub fn reset_to(position: u64) -> ServerFrame {
    ServerFrame::Checkpoint(Checkpoint::resetting(cursor(position)))
}

/// A checkpoint of another history that says which of the doubtful writes it has.
pub fn reset_knowing(position: u64, known: &[TransactionId]) -> ServerFrame {
    ServerFrame::Checkpoint(Checkpoint { known: Some(known.to_vec()), ..Checkpoint::resetting(cursor(position)) })
}

pub fn rows(value: i64) -> ServerFrame {
    ServerFrame::Rows(Rows {
        bucket: BucketId::default(),
        table: "t".into(),
        columns: vec!["id".into()],
        key: vec!["id".into()],
        rows: vec![vec![Value::Integer(value)]],
        gone: vec![],
    })
}

pub fn applied(sequence: u64, position: u64) -> TransactionResult {
    TransactionResult { sequence: Sequence(sequence), outcome: Outcome::Applied { position: Position(position) } }
}

pub fn ended(sequence: u64, outcome: Outcome) -> TransactionResult {
    TransactionResult { sequence: Sequence(sequence), outcome }
}

pub fn results(results: impl IntoIterator<Item = TransactionResult>) -> ServerFrame {
    ServerFrame::Results(Results { results: results.into_iter().collect() })
}

pub fn error(code: &str, retry_after_ms: Option<u64>) -> ServerFrame {
    ServerFrame::Error(ErrorFrame { code: code.into(), message: "because".into(), retry_after_ms })
}

pub fn pong() -> ServerFrame {
    ServerFrame::Pong(Pong {})
}

pub fn subscriptions(streams: &[&str]) -> Vec<Subscription> {
    streams.iter().map(|stream| Subscription { stream: (*stream).to_owned(), ..Subscription::default() }).collect()
}
