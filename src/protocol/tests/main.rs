//! What the protocol promises, from outside: round trips, agreement with SQLite, and hostile input.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod arbitrary;
mod hostile;
mod memory;
mod refusals;
mod round_trip;
mod sqlite;
mod version;
