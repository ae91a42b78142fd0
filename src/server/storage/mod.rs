//! Where the server keeps the application's tables, the log, and what it knows about replicas.
//!
//! [`Storage`] is all that the transports see, so that another database can take the place of the
//! embedded one. It promises that a decision is on disk before it is answered, and that a pull reads
//! one snapshot. It never sees a token or a socket.

mod apply;
mod binding;
mod change;
mod conflict;
mod core;
mod decide;
mod embedded;
mod error;
mod foreign_key;
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
mod tracking;
mod writer;

pub use self::core::{Fresh, Group, Location, SqliteCore};
pub use embedded::EmbeddedStorage;
pub use error::{OpenError, StorageError};
pub use migration::{Migration, MigrationError, load as load_migrations};
pub use rule::{EachWrite, Fault, WriteConfig};
pub use table::{Keys, TableConfig, TableError, Tables};

use futures_util::future::BoxFuture;
use seaworthy_engine::{
    client::User,
    session::{Admission, Principal, Pulled},
};
use seaworthy_protocol::{Cursor, Position, Push, ReplicaId, TransactionResult};
use tokio::sync::watch;

/// A database that decides writes and answers pulls.
pub trait Storage: Send + Sync + 'static {
    /// Looks up the replica, or creates it for this user. Refuses one that belongs to another user.
    fn admit(&self, user: User, replica: ReplicaId) -> BoxFuture<'_, Result<Admission, StorageError>>;

    /// Decides a push in order. When it answers, the decisions are on disk; when it fails, nothing was decided.
    fn decide(&self, principal: Principal, push: Push) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>>;

    /// Reads what the user may see and `cursor` does not have, in one snapshot.
    fn pull(&self, principal: Principal, cursor: Option<Cursor>) -> BoxFuture<'_, Result<Pulled, StorageError>>;

    /// The last position that is on disk, and every later one.
    fn head(&self) -> watch::Receiver<Position>;

    /// Whether the database still takes writes.
    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>>;

    /// Finishes what was accepted, refuses the rest, and lets go of the database.
    fn close(&self) -> BoxFuture<'_, ()>;
}
