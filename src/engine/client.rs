//! The client's half: connects, authenticates, pushes the outbox, and moves the replica from
//! checkpoint to checkpoint.
//!
//! The driver calls [`Client::handle`] with one [`Input`], then executes every [`Output`] in order.
//! Outputs that touch storage come before the frames that depend on them, and each is answered by the
//! input that its documentation names before any other input is given.

use crate::Millis;
use seaworthy_protocol::{Checkpoint, ClientFrame, Cursor, ReplicaId, Rows, Sequence, ServerFrame, Transaction, TransactionResult};

/// The user that a replica belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The token's `iss`.
    pub issuer: String,
    /// The token's `sub`.
    pub subject: String,
}

/// What the store knows when the engine starts, and after every change of identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// The client database.
    pub replica: ReplicaId,
    /// The user that it is bound to, once the server has said so.
    pub user: Option<User>,
    /// The last checkpoint.
    pub cursor: Option<Cursor>,
    /// The first sequence that is still in the outbox and has no recorded outcome; if there is none, the one after the last.
    pub first_undecided: Sequence,
    /// The last sequence that was committed; 0 if none.
    pub last_sequence: Sequence,
    /// Whether entries with a recorded outcome wait for a checkpoint.
    pub awaiting_checkpoint: bool,
}

/// What the driver tells the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Whether the application and the browser want a connection. The engine starts offline.
    Online(bool),
    /// Answers [`Output::NeedToken`]; also given unasked when the application has a new one. `None`: nobody is signed in.
    Token(Option<String>),
    /// The WebSocket of the last [`Output::Connect`] is open.
    Connected,
    /// A frame came over the WebSocket.
    Frame(ServerFrame),
    /// Bytes that are not a frame came over the WebSocket.
    Malformed,
    /// The WebSocket closed, or never opened.
    Closed,
    /// The fetch with this id ended.
    Fetched {
        /// The id of [`Output::Fetch`].
        id: u32,
        /// The frames of the answer.
        result: Result<Vec<ServerFrame>, FetchError>,
    },
    /// A local transaction was committed.
    Committed {
        /// Its sequence.
        through: Sequence,
    },
    /// Answers [`Output::LoadOutbox`], oldest first.
    Outbox(Vec<Transaction>),
    /// Answers [`Output::Record`], [`Output::Apply`], [`Output::BindUser`] and [`Output::NewIdentity`]: what the store knows now.
    Stored(ReplicaState),
    /// Storage failed; nothing was changed. The engine disconnects and tries again with back-off.
    StorageFailed,
    /// The moment of [`Output::WakeAt`] has come, or is past after a sleep.
    Tick,
}

/// Why a fetch brought no frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// No connection, a time-out, or an answer cut short.
    Network,
    /// An answer that no Seaworthy server gives: a captive portal, a proxy's page, a wrong URL.
    NotSeaworthy,
}

/// What the engine asks of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ask the application for a token. `renew`: the one it gave last is no longer good.
    NeedToken {
        /// A cached token will not do.
        renew: bool,
    },
    /// Open a WebSocket. Any former one is closed first and its events are dropped.
    Connect,
    /// Close the WebSocket, drop its later events, and abort fetches under way.
    Disconnect,
    /// Send over the WebSocket.
    Send(ClientFrame),
    /// POST a frame. `push` goes to `/push`, `pull` to `/pull`.
    Fetch {
        /// Given back in [`Input::Fetched`]. Only the answer to the newest id of each kind counts.
        id: u32,
        /// The bearer token for the header.
        token: String,
        /// The frame.
        frame: ClientFrame,
    },
    /// Read undecided outbox entries behind `after`. Answered by [`Input::Outbox`].
    LoadOutbox {
        /// Entries after this sequence.
        after: Sequence,
        /// At most so many.
        max_count: usize,
        /// Stop once the changesets exceed this; at least one entry is given.
        max_bytes: usize,
    },
    /// Persist that everything through this sequence may have reached the server. No answer.
    MarkSent {
        /// The last sequence of the batch that is about to be sent.
        through: Sequence,
    },
    /// Persist outcomes. Touches no synced table. Answered by [`Input::Stored`].
    Record(Vec<TransactionResult>),
    /// Apply a checkpoint in one transaction, and end every entry with an outcome at or before it. Answered by [`Input::Stored`].
    Apply {
        /// The rows since the last checkpoint, or all of them when it resets.
        rows: Vec<Rows>,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// Bind the database to its user. Answered by [`Input::Stored`].
    BindUser(User),
    /// Give what is undecided to a new replica id, numbered from 1. Answered by [`Input::Stored`].
    NewIdentity,
    /// Give [`Input::Tick`] at this moment. Replaces any former wish.
    WakeAt(Millis),
    /// The status changed.
    Status(Status),
}

/// What the application may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// See [`Connection`].
    pub connection: Connection,
    /// Whether fetch does the work because the WebSocket is blocked.
    pub over_fetch: bool,
    /// The last failure, until a connection is made: a stable code and a message that says what to do.
    pub error: Option<StatusError>,
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Not wanted.
    #[default]
    Offline,
    /// Wanted; being made, or waiting for the next try.
    Connecting,
    /// Made, and authenticated.
    Online,
    /// The application must sign in. The queue is kept.
    NeedsAuth,
    /// The server speaks only other versions: reload the application.
    UpgradeRequired,
    /// The token names another user than the database belongs to. The queue is kept.
    UserChanged,
}

/// A failure that the application may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusError {
    /// Stable: a protocol [`seaworthy_protocol::ErrorCode`], or `network`, `not_seaworthy`, `storage`, `user_changed`.
    pub code: String,
    /// What to do.
    pub message: String,
}
