//! What the engine asks of the driver.

use super::{Status, User};
use crate::Millis;
use seaworthy_protocol::{Checkpoint, ClientFrame, Position, Rows, Sequence, Transaction, TransactionResult};

#[cfg(doc)]
use super::Input;

/// What the engine asks of the driver.
///
/// A driver takes and executes them one at a time, in order. When a storage output fails it gives
/// [`Input::StorageFailed`] before it takes the next: the engine then withdraws what depended on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ask the application for a token. `renew`: the one it gave last is no longer good, or soon will not be.
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
        /// Given back in [`Input::Fetched`]. Only the answer to the newest id of each kind counts; an older one may be aborted.
        id: u32,
        /// The bearer token for the header.
        token: String,
        /// The frame.
        frame: ClientFrame,
    },
    /// Read undecided outbox entries behind `after`, in order and without a hole. Answered by [`Input::Outbox`].
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
    /// The server has no record of what it decided after this sequence: it was restored, or is another one. Make those entries
    /// undecided again, and those that are kept doubtful. Answered by [`Input::Stored`].
    ForgetOutcomes {
        /// The last sequence whose outcome stands.
        after: Sequence,
    },
    /// Apply a checkpoint in one transaction, and end every entry with an outcome at or before it. Where it says what is
    /// `known`, what is doubtful and not among it is lost. Answered by [`Input::Stored`], or by [`Input::Diverged`].
    Apply {
        /// The rows since the last checkpoint, or all of them when it resets.
        rows: Vec<Rows>,
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// What was confirmed up to here need not be kept any longer. No answer.
    Release {
        /// As the server has announced.
        through: Position,
    },
    /// Persist whether what is written while there is no user is nobody's. Answered by [`Input::Stored`].
    MarkAnonymous(bool),
    /// Bind the database to its user. Answered by [`Input::Stored`].
    BindUser(User),
    /// Give everything in the outbox to a new replica id, numbered from 1 and undecided. What the server has decided under a
    /// former one it knows by the transaction's id, and answers the same again. Answered by [`Input::Stored`].
    NewIdentity,
    /// Give [`Input::Tick`] at this moment. Replaces any former wish.
    WakeAt(Millis),
    /// The status changed.
    Status(Status),
}

impl Output {
    /// Whether it sends something that a failed storage output before it must hold back.
    pub(super) fn transmits(&self) -> bool {
        matches!(self, Self::Send(_) | Self::Fetch { .. })
    }
}

/// A push, as the transports carry it.
pub(super) fn push_frame(replica: seaworthy_protocol::ReplicaId, transactions: Vec<Transaction>) -> ClientFrame {
    ClientFrame::Push(seaworthy_protocol::Push { replica, transactions })
}
