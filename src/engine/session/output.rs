//! What the session asks of the driver.

use super::{Principal, Standing};
use crate::{Millis, client::User};
use seaworthy_protocol::{Push, ReplicaId, ServerFrame, TransactionId};

#[cfg(doc)]
use super::Input;

/// What the session asks of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Check a token. Answered by [`Input::Authenticated`].
    Authenticate {
        /// As it came.
        token: String,
    },
    /// Look up, or create, the replica and check that it belongs to the user. Answered by [`Input::Admitted`].
    Admit {
        /// The client database.
        replica: ReplicaId,
        /// Whose token it is.
        user: User,
    },
    /// Decide a push, in order. Answered by [`Input::Decided`].
    Decide {
        /// Whose token it is.
        principal: Principal,
        /// The transactions.
        push: Push,
    },
    /// Read what the replica's buckets gained since its cursor, up to the head, and which of `doubtful` the log has there.
    /// Answered by [`Input::Pulled`].
    Pull {
        /// Whose token it is.
        principal: Principal,
        /// The client database.
        replica: ReplicaId,
        /// What it has and wants.
        standing: Standing,
        /// Transactions of this user. The checkpoint says in `known` which are in the log; it leaves it out where there are none.
        doubtful: Vec<TransactionId>,
    },
    /// Send a frame.
    Send(ServerFrame),
    /// Close the connection after what was sent. Nothing comes after it.
    Close,
    /// Give [`Input::Tick`] at this moment. Replaces any former wish.
    WakeAt(Millis),
}
