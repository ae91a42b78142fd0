//! Every frame that crosses the network. See `PROTOCOL.md` for what each side MUST do with it.

use crate::{Changes, Cursor, Epoch, Position, ReplicaId, Sequence, TransactionId, Value};
use serde::{Deserialize, Serialize};

/// What a client sends. Encoded as a map with one entry, whose key names the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    /// Opens a WebSocket: who is there, and what it has.
    Hello(Hello),
    /// Local transactions, oldest first.
    Push(Push),
    /// Over fetch only: asks for the next checkpoint.
    Pull(Pull),
    /// A fresh token, before the old one ends.
    Token(TokenRenewal),
    /// Asks for a `pong`.
    Ping(Ping),
}

/// What the server sends. Encoded as a map with one entry, whose key names the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    /// Answers `hello`, and stands first in the answer to a `pull`.
    Welcome(Welcome),
    /// One result per pushed transaction, in order; fewer when a `retry_later` ends the batch.
    Results(Results),
    /// Rows of one table, part of the checkpoint that follows.
    Rows(Rows),
    /// Closes the `rows` before it: the replica is consistent here.
    Checkpoint(Checkpoint),
    /// What went wrong. On a WebSocket the server closes after it.
    Error(ErrorFrame),
    /// Answers `ping`.
    Pong(Pong),
}

impl ClientFrame {
    /// The names of all client frames on the wire.
    pub const NAMES: &'static [&'static str] = &["hello", "push", "pull", "token", "ping"];
}

impl ServerFrame {
    /// The names of all server frames on the wire.
    pub const NAMES: &'static [&'static str] = &["welcome", "results", "rows", "checkpoint", "error", "pong"];
}

/// See [`ClientFrame::Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Hello {
    /// The protocol version that the client speaks.
    pub protocol: u16,
    /// The bearer token (JWT).
    pub token: String,
    /// The client database.
    pub replica: ReplicaId,
    /// Where it stands; absent before the first checkpoint.
    pub cursor: Option<Cursor>,
    /// The application's schema version.
    #[serde(default)]
    pub schema_version: u32,
}

/// See [`ClientFrame::Push`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Push {
    /// The client database. On a WebSocket it MUST be the one of `hello`.
    pub replica: ReplicaId,
    /// At most [`crate::limits::MAX_PUSH_TRANSACTIONS`], consecutive sequences.
    pub transactions: Vec<Transaction>,
}

/// See [`ClientFrame::Pull`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Pull {
    /// The protocol version that the client speaks.
    pub protocol: u16,
    /// The client database.
    pub replica: ReplicaId,
    /// Where it stands; absent before the first checkpoint.
    pub cursor: Option<Cursor>,
    /// How long the server may wait for news, in milliseconds.
    #[serde(default)]
    #[cfg_attr(test, ts(type = "number"))]
    pub wait_ms: u64,
    /// The application's schema version.
    #[serde(default)]
    pub schema_version: u32,
}

/// See [`ClientFrame::Token`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TokenRenewal {
    /// The bearer token (JWT). It MUST name the same user.
    pub token: String,
}

/// See [`ClientFrame::Ping`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Ping {}

/// See [`ServerFrame::Pong`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Pong {}

/// One committed local write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Transaction {
    /// Its identity for ever.
    pub id: TransactionId,
    /// Its number in the replica.
    pub sequence: Sequence,
    /// The checkpoint that it was made on.
    #[serde(default)]
    pub base: Option<Cursor>,
    /// The schema version that it was made under.
    #[serde(default)]
    pub schema_version: u32,
    /// Pending transactions that it builds on. If one of them is rejected, so is this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Sequence>,
    /// What it changed, as captured at COMMIT.
    pub changes: Changes,
}

/// See [`ServerFrame::Welcome`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Welcome {
    /// The protocol version that the server will speak.
    pub protocol: u16,
    /// The server's history.
    pub epoch: Epoch,
    /// The user that the token names: issuer and subject.
    pub issuer: String,
    /// See `issuer`.
    pub subject: String,
    /// The last sequence of this replica that the server has decided; 0 if none.
    pub last_sequence: Sequence,
    /// How long the token still holds, in milliseconds.
    #[cfg_attr(test, ts(type = "number"))]
    pub token_expires_in_ms: u64,
}

/// See [`ServerFrame::Results`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Results {
    /// In the order of the push.
    pub results: Vec<TransactionResult>,
}

/// What became of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TransactionResult {
    /// Its number in the replica.
    pub sequence: Sequence,
    /// What became of it.
    pub outcome: Outcome,
}

/// The ends that a pushed transaction can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// In the log, as sent.
    Applied {
        /// Its place in the log.
        position: Position,
    },
    /// In the log, but what it changed differs from what was sent.
    Merged {
        /// Its place in the log.
        position: Position,
        /// Rows whose change had no effect because they were gone.
        dropped: Vec<RowKey>,
    },
    /// Not in the log, and never will be.
    Rejected {
        /// The decision stands at every checkpoint at or behind this position.
        position: Position,
        /// A [`RejectCode`], or one that this build does not know.
        code: String,
        /// For people: what to do.
        message: String,
    },
    /// Not decided. It ends the batch: nothing after it was looked at.
    RetryLater {
        /// When to try again, in milliseconds.
        #[cfg_attr(test, ts(type = "number"))]
        retry_after_ms: u64,
        /// For people.
        message: String,
    },
    /// The server has not seen the transaction before this one. Nothing after it was looked at.
    Gap {
        /// The sequence that the server expects.
        expected: Sequence,
    },
    /// The server knows this sequence with another id or content: the client database was copied.
    IdentityReused,
}

/// A row named by its table and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RowKey {
    /// The table.
    pub table: String,
    /// The primary key, in column order.
    pub key: Vec<Value>,
}

/// Stable reasons of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum RejectCode {
    /// The rules do not allow it.
    Forbidden,
    /// UNIQUE, CHECK or NOT NULL on the server.
    Constraint,
    /// A foreign key on the server.
    ForeignKey,
    /// A row to update is gone, and other changes of the transaction would still take effect.
    RowDeleted,
    /// A row to insert exists, and the writer may not read it.
    KeyExists,
    /// A transaction that this one builds on was rejected.
    DependsOn,
    /// A table or column that does not replicate, or a key that differs from the server's.
    Schema,
    /// A value that the server's database cannot store.
    BadValue,
}

impl RejectCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Constraint => "constraint",
            Self::ForeignKey => "foreign_key",
            Self::RowDeleted => "row_deleted",
            Self::KeyExists => "key_exists",
            Self::DependsOn => "depends_on",
            Self::Schema => "schema",
            Self::BadValue => "bad_value",
        }
    }
}

/// See [`ServerFrame::Rows`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rows {
    /// The table.
    pub table: String,
    /// The columns of `rows`, in order.
    pub columns: Vec<String>,
    /// The columns of the primary key, in the order of `gone`.
    pub key: Vec<String>,
    /// Rows as they are now, whole.
    pub rows: Vec<Vec<Value>>,
    /// Keys of rows that the replica must no longer hold.
    pub gone: Vec<Vec<Value>>,
}

/// See [`ServerFrame::Checkpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Checkpoint {
    /// Where the replica stands once it has applied it.
    pub cursor: Cursor,
    /// The `rows` before it are everything: what they do not name must go.
    pub reset: bool,
}

/// See [`ServerFrame::Error`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorFrame {
    /// An [`ErrorCode`], or one that this build does not know.
    pub code: String,
    /// For people: what to do.
    pub message: String,
    /// When to try again, in milliseconds; absent when trying again is no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub retry_after_ms: Option<u64>,
}

/// Stable codes of an [`ErrorFrame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The token is missing, wrong or expired.
    Unauthorized,
    /// The replica belongs to another user.
    WrongUser,
    /// The client speaks a version that the server does not.
    UpgradeRequired,
    /// The bytes are not a frame, or not one that may come now.
    BadFrame,
    /// A limit was passed.
    TooLarge,
    /// The client is too fast.
    RateLimited,
    /// The server is stopping or its storage failed: try again.
    Unavailable,
}

impl ErrorCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::WrongUser => "wrong_user",
            Self::UpgradeRequired => "upgrade_required",
            Self::BadFrame => "bad_frame",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl ErrorFrame {
    /// An error of a known code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retry_after_ms = matches!(code, ErrorCode::RateLimited | ErrorCode::Unavailable).then_some(1000);
        Self { code: code.as_str().to_owned(), message: message.into(), retry_after_ms }
    }
}
