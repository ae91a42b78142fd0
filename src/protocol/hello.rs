//! Opening a connection, and keeping it: who is there, with which token, in which version.
//!
//! Both sides say their version before anything else, so that whoever is too old can be told. A token
//! travels here or in a header, never in an address.

use crate::{BucketId, Cursor, Epoch, Position, ReplicaId, Sequence, Subscription, TransactionId};
use serde::{Deserialize, Serialize};

/// Opens a WebSocket: who is there, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Answers `hello`, and stands first in the answer to a `pull`.
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
    /// No copy that the server may be restored from lies below: what was confirmed up to here will not be forgotten.
    #[serde(default)]
    pub durable_through: Position,
    /// How long the token still holds, in milliseconds.
    pub token_expires_in_ms: u64,
}

/// A fresh token, before the old one ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TokenRenewal {
    /// The bearer token (JWT). It MUST name the same user.
    pub token: String,
}

/// Asks for a `pong`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Ping {}

/// Answers `ping`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Pong {}
