//! Local writes on their way to the server, and what became of each.
//!
//! They exist so that a write has one identity and one outcome for ever, however often it is sent. An
//! outcome says what the server decided; it never carries rows to apply, which come with the next
//! checkpoint. The rows of a rejection are there to be looked at.

use crate::{Changes, Cursor, Image, Policy, Position, RejectData, ReplicaId, Sequence, TransactionId, Value};
use serde::{Deserialize, Serialize};

/// Local transactions, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Push {
    /// The client database. On a WebSocket it MUST be the one of `hello`.
    pub replica: ReplicaId,
    /// At most [`crate::limits::MAX_PUSH_TRANSACTIONS`], consecutive sequences.
    pub transactions: Vec<Transaction>,
}

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
    /// A policy that it asks for where the tables' own are laxer. It never makes one laxer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub policy: Option<Policy>,
    /// What it changed, as captured at COMMIT.
    pub changes: Changes,
}

/// One result per pushed transaction, in order; fewer when a `retry_later` ends the batch.
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
        /// Rows that a write handler changed on their way in.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[cfg_attr(test, ts(optional, as = "Option<Vec<RewrittenRow>>"))]
        rewritten: Vec<RewrittenRow>,
    },
    /// Not in the log, and never will be.
    Rejected {
        /// The decision stands at every checkpoint at or behind this position.
        position: Position,
        /// A [`RejectCode`], or one that this build does not know.
        code: String,
        /// For people: what to do.
        message: String,
        /// The rows in question, for `discarded` and `conflict`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional))]
        data: Option<RejectData>,
    },
    /// Not decided. It ends the batch: nothing after it was looked at.
    RetryLater {
        /// When to try again, in milliseconds.
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

impl Outcome {
    /// Whether nothing behind the transaction was looked at, because it is not decided itself.
    pub fn ends_batch(&self) -> bool {
        matches!(self, Self::RetryLater { .. } | Self::Gap { .. } | Self::IdentityReused)
    }
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

/// A row that a write handler changed on its way in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RewrittenRow {
    /// The table.
    pub table: String,
    /// The primary key, in column order.
    pub key: Vec<Value>,
    /// The cells that it set, as they stand in the row; none where the writer may not read it.
    pub new: Image,
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
    /// It met another writer's change, and the policy `server` lets that stand. Kept, and nobody is alarmed.
    Discarded,
    /// It met another writer's change, under the policy `fail` or `manual`.
    Conflict,
    /// The application's write handler refused it, and gave no code of its own.
    Refused,
}

impl RejectCode {
    /// Every code.
    pub const ALL: [Self; 11] = [
        Self::Forbidden,
        Self::Constraint,
        Self::ForeignKey,
        Self::RowDeleted,
        Self::KeyExists,
        Self::DependsOn,
        Self::Schema,
        Self::BadValue,
        Self::Discarded,
        Self::Conflict,
        Self::Refused,
    ];

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
            Self::Discarded => "discarded",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
        }
    }
}
