//! Named places in the commit paths at which a test can make the process die, so that it needs neither
//! luck nor sleep to meet the moment.
//!
//! Without the feature `armed`, and in every build without debug assertions, a point is an empty
//! function. A product never dies here.

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use armed::{Died, VARIABLE, arm, disarm, take_reached};

/// A place in a commit path. `Store…` are the client's, `Server…` the server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each name says where it stands")]
pub enum Point {
    StoreWriteBeforeEntry,
    StoreWriteAfterEntry,
    StoreWriteBeforeCommit,
    StoreWriteAfterCommit,
    StoreRetryBeforeEntry,
    StoreSentBeforeCommit,
    StoreSentAfterCommit,
    StoreRecordBeforeCommit,
    StoreRecordAfterCommit,
    StoreApplyUndone,
    StoreApplyReplayed,
    StoreApplyEnded,
    StoreApplyBeforeCommit,
    StoreApplyAfterCommit,
    StoreForgetAfterCommit,
    StoreIdentityBeforeCommit,
    StoreIdentityAfterCommit,
    ServerAdmitCreated,
    ServerDecideApplied,
    ServerDecideLogged,
    ServerDecideTracked,
    ServerDecideRemembered,
    ServerBeforeCommit,
    ServerAfterCommitBeforeAnswer,
    ServerCompactBeforeCommit,
    ServerCompactAfterCommit,
}

impl Point {
    /// Every point.
    pub const ALL: &'static [Self] = &[
        Self::StoreWriteBeforeEntry,
        Self::StoreWriteAfterEntry,
        Self::StoreWriteBeforeCommit,
        Self::StoreWriteAfterCommit,
        Self::StoreRetryBeforeEntry,
        Self::StoreSentBeforeCommit,
        Self::StoreSentAfterCommit,
        Self::StoreRecordBeforeCommit,
        Self::StoreRecordAfterCommit,
        Self::StoreApplyUndone,
        Self::StoreApplyReplayed,
        Self::StoreApplyEnded,
        Self::StoreApplyBeforeCommit,
        Self::StoreApplyAfterCommit,
        Self::StoreForgetAfterCommit,
        Self::StoreIdentityBeforeCommit,
        Self::StoreIdentityAfterCommit,
        Self::ServerAdmitCreated,
        Self::ServerDecideApplied,
        Self::ServerDecideLogged,
        Self::ServerDecideTracked,
        Self::ServerDecideRemembered,
        Self::ServerBeforeCommit,
        Self::ServerAfterCommitBeforeAnswer,
        Self::ServerCompactBeforeCommit,
        Self::ServerCompactAfterCommit,
    ];

    /// Whether it stands in the server.
    pub fn is_server(self) -> bool {
        self >= Self::ServerAdmitCreated
    }
}

/// The process dies here if a test wants it to.
#[inline(always)]
#[allow(unused_variables, reason = "without the feature there is nothing to do")]
pub fn point(point: Point) {
    #[cfg(feature = "armed")]
    if cfg!(debug_assertions) {
        armed::reach(point);
    }
}
