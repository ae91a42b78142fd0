//! The server's half: one session per WebSocket, and the same for one request over fetch.
//!
//! The driver calls [`Session::handle`] with one [`Input`], then executes every [`Output`] in order.
//! A session asks for one decision and one pull at a time; frames that come meanwhile wait in a
//! bounded queue, and one too many closes it.

use crate::{Millis, client::User};
use seaworthy_protocol::{Checkpoint, ClientFrame, Cursor, Epoch, ErrorFrame, Position, Push, ReplicaId, Rows, Sequence, ServerFrame, TransactionResult};

/// A token that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user that it names.
    pub user: User,
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
}

/// Rows up to a checkpoint, as storage read them in one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Rows, in frames of bounded size.
    pub rows: Vec<Rows>,
    /// Where they lead.
    pub checkpoint: Checkpoint,
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
    /// The server stops.
    Stop,
}

/// What the session asks of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Check a token.
    Authenticate {
        /// As it came.
        token: String,
    },
    /// Look up, or create, the replica and check that it belongs to the user.
    Admit {
        /// The client database.
        replica: ReplicaId,
        /// Whose token it is.
        user: User,
    },
    /// Decide a push, in order.
    Decide {
        /// Whose token it is.
        user: User,
        /// The transactions.
        push: Push,
    },
    /// Read what the user's buckets gained since `cursor`, up to the head.
    Pull {
        /// Whose token it is.
        user: User,
        /// The client database.
        replica: ReplicaId,
        /// Where it stands.
        cursor: Option<Cursor>,
    },
    /// Send a frame.
    Send(ServerFrame),
    /// Close the connection after what was sent.
    Close,
    /// Give [`Input::Tick`] at this moment. Replaces any former wish.
    WakeAt(Millis),
}
