//! Where the server keeps the application's tables, the log, and what it knows about replicas.
//!
//! [`Storage`] is all that the transports see, so that another database can take the place of the
//! embedded one. It promises that a decision is on disk before it is answered, and that a pull reads
//! one snapshot. It never sees a token or a socket.

mod apply;
mod binding;
mod book;
mod bulletin;
mod change;
mod compaction;
mod conflict;
mod core;
mod decide;
mod definition;
mod deliveries;
mod embedded;
mod error;
mod foreign_key;
mod hearing;
mod holding;
mod inspection;
mod internal;
mod migration;
mod own;
mod permission;
mod pull;
mod replica;
mod rule;
mod shuffle;
mod start;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tracking;
mod writer;

pub use self::core::{DEFAULT_RESTORE_WINDOW_MS, Fresh, Group, Location, Served, SqliteCore};
pub use bulletin::{Bulletin, Interest, MAX_INTEREST, Touched, Waiter};
pub use decide::shown_bytes_of;
pub use definition::{Bucket, Definition, LookupKey, MAX_PRIORITY, Opened, OpeningError, Row, StreamConfig, StreamConfigs, StreamError, definitions};
pub use deliveries::{LogEntry, LogPart};
pub use embedded::EmbeddedStorage;
pub use error::{OpenError, StorageError};
pub use hearing::{Hearing, Refusal, Ruling, Shown, ShownTable};
pub(crate) use inspection::Inspection;
pub use migration::{Migration, MigrationError, load as load_migrations};
pub use pull::Read;
pub use rule::{EachWrite, WriteConfig};
pub use table::{Keys, TableConfig, TableError, Tables};
pub use text::Fault;

use futures_util::future::BoxFuture;
use seaworthy_engine::{
    client::User,
    session::{Admission, Principal, Standing},
};
use seaworthy_protocol::{Position, Push, ReplicaId, Transaction, TransactionId, TransactionResult};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// A database that decides writes and answers pulls.
pub trait Storage: Send + Sync + 'static {
    /// Looks up the replica, or creates it for this user. Refuses one that belongs to another user.
    fn admit(&self, user: User, replica: ReplicaId) -> BoxFuture<'_, Result<Admission, StorageError>>;

    /// Decides a push in order. When it answers, the decisions are on disk; when it fails, nothing was decided.
    fn decide(&self, principal: Principal, push: Push) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>>;

    /// What the write handlers of a transaction are to be shown, in one snapshot. Nothing where they need not be asked.
    fn show(&self, principal: Principal, replica: ReplicaId, transaction: Arc<Transaction>) -> BoxFuture<'_, Result<Option<Shown>, StorageError>>;

    /// Decides a push of one transaction that has write handlers, by what they said: nothing, where [`Storage::show`]
    /// said that they need not be asked. It fails with [`StorageError::Moved`] when they must be asked anew.
    fn settle(&self, principal: Principal, push: Push, ruling: Option<Ruling>) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>>;

    /// Reads what the replica is to hold and does not have, and which of the doubtful transactions of this user are
    /// in the log there, in one snapshot.
    fn pull(&self, principal: Principal, standing: Standing, doubtful: Vec<TransactionId>) -> BoxFuture<'_, Result<Read, StorageError>>;

    /// Gives every webhook its place in the log. One that is new begins at the end, one that is not named loses its place.
    fn begin_deliveries(&self, webhooks: Vec<String>) -> BoxFuture<'_, Result<BTreeMap<String, Position>, StorageError>>;

    /// The transactions behind a position, as many as one request should carry.
    fn log(&self, after: Position) -> BoxFuture<'_, Result<LogPart, StorageError>>;

    /// Notes on disk that a webhook has everything up to a position.
    fn delivered(&self, webhook: String, position: Position) -> BoxFuture<'_, Result<(), StorageError>>;

    /// The lowest position that a webhook has reached: the log behind it is still needed. None without webhooks.
    fn log_needed_from(&self) -> BoxFuture<'_, Result<Option<Position>, StorageError>>;

    /// The last position that is on disk, and every later one.
    fn head(&self) -> watch::Receiver<Position>;

    /// Somebody who waits until it is worth it to read again.
    fn waiter(&self) -> Waiter;

    /// Whether the database still takes writes.
    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>>;

    /// Finishes what was accepted, refuses the rest, and lets go of the database.
    fn close(&self) -> BoxFuture<'_, ()>;
}
