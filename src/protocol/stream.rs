//! Which rows a replica is to hold: what it subscribes to, and the buckets that come of it.
//!
//! A stream is a query that the server knows by name, a bucket one with its parameters filled in. The
//! server says which buckets a replica is to hold; the replica keeps book of which bucket holds which
//! row, and lets go of a row when its last bucket has.

use crate::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names a bucket. Only the server reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BucketId(pub String);

/// A stream with its parameters, as a client asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Subscription {
    /// The name of the stream.
    pub stream: String,
    /// The parameters that it takes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, Value>>"))]
    pub params: BTreeMap<String, Value>,
}

/// On an open WebSocket: what the replica subscribes to from now on, in place of all before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Subscribe {
    /// All of it. Automatic streams need not be named.
    pub subscriptions: Vec<Subscription>,
}

/// What the server makes of a subscription, or of an automatic stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StreamState {
    /// The name of the stream.
    pub stream: String,
    /// The parameters as they were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<BTreeMap<String, Value>>"))]
    pub params: BTreeMap<String, Value>,
    /// Whether it is there without being asked for.
    #[serde(default)]
    pub auto: bool,
    /// The buckets that hold its rows, for this user and now.
    pub buckets: Vec<BucketId>,
    /// Why it cannot be had as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub error: Option<StreamError>,
}

/// Why a subscription gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StreamError {
    /// Stable: [`StreamErrorCode`], or one that is newer.
    pub code: String,
    /// For people: what to do.
    pub message: String,
}

/// The codes of [`StreamError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum StreamErrorCode {
    /// The server has no stream of this name.
    UnknownStream,
    /// A parameter is missing, or there is none of this name.
    BadParams,
    /// The replica would hold more buckets than it may.
    TooManyBuckets,
}

impl StreamErrorCode {
    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownStream => "unknown_stream",
            Self::BadParams => "bad_params",
            Self::TooManyBuckets => "too_many_buckets",
        }
    }
}

impl StreamError {
    /// An error with one of the known codes.
    pub fn new(code: StreamErrorCode, message: impl Into<String>) -> Self {
        Self { code: code.as_str().to_owned(), message: message.into() }
    }
}

/// A bucket as a checkpoint leaves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct BucketUpdate {
    /// The bucket.
    pub bucket: BucketId,
    /// Whether the `rows` before it are all of it: the replica did not hold it, or is to hold it anew.
    #[serde(default)]
    pub joined: bool,
    /// How many rows it holds.
    pub rows: u64,
    /// See [`Checksum`](crate::Checksum).
    pub checksum: u64,
}
