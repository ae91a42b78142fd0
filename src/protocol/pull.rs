//! Rows on their way to a replica, and the checkpoint that makes them visible.
//!
//! They carry state, not history: a row as it is now, however often it changed. Rows mean nothing
//! until their checkpoint has come, and are never shown before.

use crate::{Cursor, ReplicaId, TransactionId, Value};
use serde::{Deserialize, Serialize};

/// Over fetch only: asks for the next checkpoint.
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
    pub wait_ms: u64,
    /// The application's schema version.
    #[serde(default)]
    pub schema_version: u32,
    /// Confirmed transactions of which the server is to say whether it knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<TransactionId>>"))]
    pub doubtful: Vec<TransactionId>,
}

/// Rows of one table, part of the checkpoint that follows.
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

/// Closes the `rows` before it: the replica is consistent here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Checkpoint {
    /// Where the replica stands once it has applied it.
    pub cursor: Cursor,
    /// The `rows` before it are everything: what they do not name must go.
    pub reset: bool,
    /// The first checkpoint after a question (`doubtful`): those of the named transactions that are in the log up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub known: Option<Vec<TransactionId>>,
}

impl Checkpoint {
    /// A checkpoint after rows that are news.
    pub fn at(cursor: Cursor) -> Self {
        Self { cursor, reset: false, known: None }
    }

    /// A checkpoint after rows that are everything.
    pub fn resetting(cursor: Cursor) -> Self {
        Self { cursor, reset: true, known: None }
    }
}
