//! What the driver tells the engine.

use super::ReplicaState;
use seaworthy_protocol::{Sequence, ServerFrame, Transaction};

/// What the driver tells the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Whether the application and the browser want a connection. The engine starts offline.
    /// Given again as `true` it means that the network changed: a back-off ends at once, a connection is probed.
    Online(bool),
    /// Answers [`super::Output::NeedToken`]; also given unasked when the application has a new one. `None`: nobody is signed in.
    Token(Option<String>),
    /// The application failed to get a token, and tries again by itself.
    NoToken,
    /// What was written while nobody was signed in belongs to the user of the token at hand.
    Adopt,
    /// The WebSocket of the last [`super::Output::Connect`] is open.
    Connected,
    /// A frame came over the WebSocket.
    Frame(ServerFrame),
    /// Bytes that are not a frame came over the WebSocket.
    Malformed,
    /// The WebSocket closed, or never opened.
    Closed,
    /// The fetch with this id ended.
    Fetched {
        /// The id of [`super::Output::Fetch`].
        id: u32,
        /// The frames of the answer.
        result: Result<Vec<ServerFrame>, FetchError>,
    },
    /// A local transaction was committed.
    Committed {
        /// Its sequence.
        through: Sequence,
    },
    /// The application subscribes to something else: what the store knows now.
    Subscribed(ReplicaState),
    /// Answers [`super::Output::LoadOutbox`], oldest first.
    Outbox(Vec<Transaction>),
    /// Answers [`super::Output::Record`], [`super::Output::ForgetOutcomes`], [`super::Output::Apply`],
    /// [`super::Output::MarkAnonymous`], [`super::Output::BindUser`] and [`super::Output::NewIdentity`]: what the store knows now.
    Stored(ReplicaState),
    /// Answers [`super::Output::Apply`] too: it was applied, but a bucket does not hold what the server says. It is not among
    /// [`ReplicaState::buckets`], so that the next connection brings it anew.
    Diverged {
        /// What the store knows now.
        replica: ReplicaState,
        /// See [`Divergence`].
        divergence: Divergence,
    },
    /// The last storage output failed and changed nothing. The engine disconnects and tries again with back-off.
    StorageFailed,
    /// The moment of [`super::Output::WakeAt`] has come, or is past after a sleep.
    Tick,
}

/// How often in a row a bucket did not hold what the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Divergence {
    /// It may be of another time: it is fetched anew.
    Once,
    /// It was fetched anew. One of both sides reckons wrongly.
    Again,
}

/// Why a fetch brought no frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// No connection, a time-out, or an answer cut short.
    Network,
    /// An answer that no Seaworthy server gives: a captive portal, a proxy's page, a wrong URL.
    NotSeaworthy,
}

impl Input {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Online(_) => "Online",
            Self::Token(_) => "Token",
            Self::NoToken => "NoToken",
            Self::Adopt => "Adopt",
            Self::Connected => "Connected",
            Self::Frame(_) => "Frame",
            Self::Malformed => "Malformed",
            Self::Closed => "Closed",
            Self::Fetched { .. } => "Fetched",
            Self::Committed { .. } => "Committed",
            Self::Subscribed(_) => "Subscribed",
            Self::Outbox(_) => "Outbox",
            Self::Stored(_) => "Stored",
            Self::Diverged { .. } => "Diverged",
            Self::StorageFailed => "StorageFailed",
            Self::Tick => "Tick",
        }
    }
}
