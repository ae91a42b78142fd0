//! What the engine knows of the database that it synchronises.

use seaworthy_protocol::{BucketId, Cursor, ReplicaId, Sequence, Subscription, TransactionId};
use std::sync::Arc;

/// The user that a replica belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct User {
    /// The token's `iss`.
    pub issuer: String,
    /// The token's `sub`.
    pub subject: String,
}

/// What the store knows when the engine starts, and after every storage output that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// The client database.
    pub replica: ReplicaId,
    /// The user that it is bound to, once the server has said so.
    pub user: Option<User>,
    /// The application has said that nobody is signed in, and no user has taken over what was written then.
    pub anonymous: bool,
    /// The application's schema version.
    pub schema_version: u32,
    /// The last checkpoint.
    pub cursor: Option<Cursor>,
    /// The first sequence that is still in the outbox and has no recorded outcome; if there is none, the one after the last.
    pub first_undecided: Sequence,
    /// The last sequence that was committed; 0 if none.
    pub last_sequence: Sequence,
    /// Whether entries with a recorded outcome wait for a checkpoint.
    pub awaiting_checkpoint: bool,
    /// The highest confirmed sequence that is kept in case the server forgets it; 0 if none.
    pub kept_through: Sequence,
    /// Those that are kept of which no sequence tells whether the server still knows them, oldest first.
    pub doubtful: Arc<[TransactionId]>,
    /// The buckets that it holds at `cursor`, and need not get anew.
    pub buckets: Arc<[BucketId]>,
    /// What the application subscribes to.
    pub subscriptions: Arc<[Subscription]>,
}

impl ReplicaState {
    /// Whether something waits to be decided.
    pub(super) fn has_undecided(&self) -> bool {
        self.first_undecided <= self.last_sequence
    }

    /// Whether it holds writes of somebody who was not signed in, which nobody has adopted.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.user.is_none() && self.anonymous && self.has_undecided()
    }

    /// Whether confirmed writes are kept in case the server forgets them.
    pub(super) fn keeps(&self) -> bool {
        self.kept_through > Sequence(0) || !self.doubtful.is_empty()
    }

    /// Whether a server that has decided no more than `last` has forgotten what it told us.
    pub(super) fn is_ahead_of(&self, last: Sequence) -> bool {
        self.kept_through > last || self.awaiting_checkpoint && self.first_undecided > last.next()
    }
}
