//! What the driver tells the session.

use super::Principal;
use seaworthy_protocol::{BucketId, Checkpoint, ClientFrame, Cursor, Epoch, ErrorFrame, Position, Rows, Sequence, Subscription, TransactionResult};

#[cfg(doc)]
use super::Output;

/// A token that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who it speaks for.
    pub principal: Principal,
    /// How long it still holds, in milliseconds.
    pub expires_in_ms: u64,
}

/// What storage knows about a replica that may take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The server's history.
    pub epoch: Epoch,
    /// The last sequence decided; 0 if none.
    pub last_sequence: Sequence,
    /// What no restored copy of the database will lack.
    pub durable_through: Position,
}

/// What a replica has and what it wants: all that storage needs to know of it to lead it on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub cursor: Option<Cursor>,
    /// The buckets that it holds there.
    pub buckets: Vec<BucketId>,
    /// What it subscribes to besides the automatic streams.
    pub subscriptions: Vec<Subscription>,
}

/// Rows up to a checkpoint, as storage read them in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Rows, in frames of bounded size.
    pub rows: Vec<Rows>,
    /// Where they lead. It always has `streams`.
    pub checkpoint: Checkpoint,
    /// Whether buckets are left to join, which the next read brings.
    pub more: bool,
}

/// What the driver tells the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A frame came.
    Frame(ClientFrame),
    /// Bytes came that are not a frame.
    Malformed {
        /// For people.
        message: String,
    },
    /// Answers [`Output::Authenticate`].
    Authenticated(Result<Identity, ErrorFrame>),
    /// Answers [`Output::Admit`].
    Admitted(Result<Admission, ErrorFrame>),
    /// Answers [`Output::Decide`].
    Decided(Result<Vec<TransactionResult>, ErrorFrame>),
    /// Answers [`Output::Pull`].
    Pulled(Result<Pulled, ErrorFrame>),
    /// The log has grown to here, on disk.
    Head(Position),
    /// The moment of [`Output::WakeAt`] has come.
    Tick,
    /// The server stops. A decision under way still sends its results; then the session closes.
    Stop,
}

impl Input {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Frame(_) => "Frame",
            Self::Malformed { .. } => "Malformed",
            Self::Authenticated(_) => "Authenticated",
            Self::Admitted(_) => "Admitted",
            Self::Decided(_) => "Decided",
            Self::Pulled(_) => "Pulled",
            Self::Head(_) => "Head",
            Self::Tick => "Tick",
            Self::Stop => "Stop",
        }
    }
}
