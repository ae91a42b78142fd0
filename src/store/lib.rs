//! The replica on disk: SQLite, the outbox in it, and everything that keeps both in agreement.
//!
//! It exists so that a local write and its place in the queue are one SQLite transaction, and so that
//! what others wrote can be applied beneath what is still pending. It promises that what the
//! application sees is always the last checkpoint plus the pending transactions that can stand.
//! It never opens a socket, reads a clock or draws a random number: stamps are inputs.
//!
//! `FORMAT.md` beside this file describes every table and byte that it stores.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::expect_used))]

mod access;
mod answer;
mod apply;
mod book;
mod call;
mod capture;
mod checkpoint;
mod connected;
mod error;
mod format;
mod group;
mod identity;
mod import;
mod incoming;
mod kept;
mod live;
mod naming;
mod outbox;
mod pending;
mod query;
mod rebase;
mod rejected;
mod replica;
mod request;
mod resolve;
mod schema;
mod snapshot;
mod store;
mod subscribe;
mod table;
mod touch;
mod transaction;
mod trigger;
mod users;
mod whole;

pub use call::{Call, Statement};
pub use checkpoint::Applied;
pub use error::StoreError;
pub use group::Write;
pub use import::Seat;
pub use kept::LOST_BY_RESTORE;
pub use outbox::PendingWrite;
pub use rejected::{Fate, RejectedWrite};
pub use replica::{Action, Environment, Replica};
pub use request::Receipt;
pub use resolve::{Decision, OpenConflict, Over};
pub use schema::{ColumnSchema, ColumnType, IndexSchema, Keys, Reference, Schema, TableSchema};
pub use store::{Counts, Store};
pub use subscribe::StreamInfo;
pub use transaction::{Stamp, Written};
pub use users::Users;
