//! The wire protocol of Seaworthy, and nothing else.
//!
//! It exists so that client and server share one definition of every frame. It promises that any
//! bytes decode to a typed value or a typed error, with memory bounded by the size of the input.
//! It never reads a clock, opens a socket or touches a database, and holds no platform switches.
//!
//! `PROTOCOL.md` beside this file is the normative text; a test keeps both together.

mod bounds;
mod changes;
mod changeset;
mod checksum;
mod codec;
mod conflict;
mod error;
mod fingerprint;
mod frame;
mod hello;
mod id;
pub mod limits;
mod pull;
mod push;
pub mod record;
mod refusal;
mod shape;
mod stream;
#[cfg(test)]
mod typescript;
mod value;
mod wire;

pub use changes::{Changes, Op, RowChange, TableChanges};
pub use changeset::ChangesetError;
pub use checksum::Checksum;
pub use codec::{Format, decode_client, decode_server, decode_server_frames, encode_client, encode_server, encode_server_frames};
pub use conflict::{Conflict, ConflictKind, Image, Policy, RejectData};
pub use error::DecodeError;
pub use frame::{ClientFrame, ServerFrame};
pub use hello::{Hello, Ping, Pong, TokenRenewal, Welcome};
pub use id::{Cursor, Epoch, IdError, Incarnation, Position, ReplicaId, Sequence, TransactionId};
pub use pull::{Checkpoint, Pull, Rows};
pub use push::{Outcome, Push, RejectCode, Results, RewrittenRow, RowKey, Transaction, TransactionResult};
pub use refusal::{ErrorCode, ErrorFrame};
pub use stream::{BucketId, BucketUpdate, StreamError, StreamErrorCode, StreamState, Subscribe, Subscription};
pub use value::Value;

/// The protocol version that this build speaks. Raised with every change of a frame.
pub const VERSION: u16 = 1;

/// The WebSocket subprotocol that names [`VERSION`] during the upgrade.
pub const SUBPROTOCOL: &str = "seaworthy.v1";

/// Base path of every endpoint.
pub const BASE_PATH: &str = "/sync/v1";
