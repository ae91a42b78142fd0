//! Rows on their way to a replica, and the checkpoint that makes them visible.
//!
//! They carry state, not history: a row as it is now, however often it changed. Rows mean nothing
//! until their checkpoint has come, and are never shown before.

use crate::{BucketId, BucketUpdate, Cursor, ReplicaId, StreamState, Subscription, TransactionId, Value};
use serde::{Deserialize, Serialize};

/// Over fetch only: asks for the next checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What it subscribes to, besides the automatic streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<Subscription>>"))]
    pub subscriptions: Vec<Subscription>,
    /// The buckets that it holds at `cursor`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<BucketId>>"))]
    pub buckets: Vec<BucketId>,
}

/// Rows of one bucket, part of the checkpoint that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rows {
    /// The bucket that holds them.
    pub bucket: BucketId,
    /// The table.
    pub table: String,
    /// The columns of `rows`, in order.
    pub columns: Vec<String>,
    /// The columns of the primary key, in the order of `gone`.
    pub key: Vec<String>,
    /// Rows as they are now, whole.
    pub rows: Vec<Vec<Value>>,
    /// Keys of rows that the bucket holds no more. The replica lets go of a row when none of its buckets holds it.
    pub gone: Vec<Vec<Value>>,
}

/// Closes the `rows` before it: the replica is consistent here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Checkpoint {
    /// Where the replica stands once it has applied it.
    pub cursor: Cursor,
    /// The cursor was not known. The buckets that joined are everything: what they do not hold must go.
    pub reset: bool,
    /// The first checkpoint after a question (`doubtful`): those of the named transactions that are in the log up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub known: Option<Vec<TransactionId>>,
    /// What the replica is to hold from here on, where that has changed: a bucket that none of them names is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub streams: Option<Vec<StreamState>>,
    /// The buckets that joined or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<BucketUpdate>>"))]
    pub buckets: Vec<BucketUpdate>,
    /// More buckets are to join before the first download is whole: nothing leaves the queue yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    pub partial: bool,
}

impl Checkpoint {
    /// A checkpoint after rows that are news.
    pub fn at(cursor: Cursor) -> Self {
        Self { cursor, reset: false, known: None, streams: None, buckets: Vec::new(), partial: false }
    }

    /// A checkpoint after rows that are everything.
    pub fn resetting(cursor: Cursor) -> Self {
        Self { reset: true, ..Self::at(cursor) }
    }
}
