//! What can go wrong in storage: while it opens, for the operator; while it serves, for the client.

use super::{definition::StreamError, migration::MigrationError, table::TableError};
use seaworthy_protocol::{ErrorCode, ErrorFrame, limits};
use std::path::PathBuf;

/// Why the database cannot be opened. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpenError {
    #[error("the folder {} cannot be created: {source}. Create it, or set `database` to a place where this user may write", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the database {} is in use by another seaworthy-server. Stop that one first, or set `database` to another file", path.display())]
    InUse { path: PathBuf },
    #[error("the lock file {} cannot be used: {source}. Check that this user may write there", path.display())]
    Lock { path: PathBuf, source: std::io::Error },
    #[error("the database {} cannot be looked at: {source}. Check that this user may read there", path.display())]
    Unreachable { path: PathBuf, source: std::io::Error },
    #[error("the database was written by a newer seaworthy-server (format {found}, this one knows {known}). Install that version again")]
    NewerFormat { found: i64, known: i64 },
    #[error(transparent)]
    Migration(#[from] MigrationError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the writer thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("the system has no randomness to give: {0}")]
    Randomness(getrandom::Error),
    #[error("the database cannot be opened: {0}. Check that the file is a SQLite database and that the disk has room")]
    Sqlite(#[from] rusqlite::Error),
    #[error("what the database recorded earlier cannot be read: {0}")]
    Recorded(#[from] RecordError),
}

/// Why a request to storage failed. Unless it is about the request itself, trying again later is right.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StorageError {
    #[error("this replica belongs to another user. Open a database of your own")]
    WrongUser,
    #[error("a push of {count} transactions is more than {}", limits::MAX_PUSH_TRANSACTIONS)]
    TooManyTransactions { count: usize },
    #[error("a transaction names {count} others in `after`, more than {}", limits::MAX_AFTER)]
    TooManyDependencies { count: usize },
    #[error("write handlers have yet to be asked about the rows as they are now")]
    Moved,
    #[error("the server is stopping")]
    Stopping,
    #[error("the writes waiting for the disk are too many")]
    Busy,
    #[error("the database failed, as the server's log says")]
    Failed,
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Recorded(#[from] RecordError),
}

/// A record of this server's own that does not decode.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RecordError {
    #[error("an outcome cannot be read: {0}")]
    Outcome(#[from] rmp_serde::decode::Error),
    #[error("an outcome or a change cannot be written: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("a captured changeset cannot be read: {0}")]
    Changeset(#[from] seaworthy_protocol::ChangesetError),
}

impl StorageError {
    /// What the client is told. Faults of the database are not described to it: they are in the server's log.
    pub fn to_frame(&self) -> ErrorFrame {
        match self {
            Self::WrongUser => ErrorFrame::new(ErrorCode::WrongUser, self.to_string()),
            Self::TooManyTransactions { .. } | Self::TooManyDependencies { .. } => ErrorFrame::new(ErrorCode::TooLarge, self.to_string()),
            Self::Stopping | Self::Busy | Self::Moved => ErrorFrame::new(ErrorCode::Unavailable, format!("{self}: try again in a moment")),
            Self::Failed | Self::Sqlite(_) | Self::Recorded(_) => ErrorFrame::new(ErrorCode::Unavailable, "the server's storage failed: try again later"),
        }
    }
}
