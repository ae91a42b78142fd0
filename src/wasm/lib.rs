//! Seaworthy in the browser's worker: SQLite on what the browser stores, the transports, and the boundary to JavaScript.
//!
//! It exists so that no other crate knows JavaScript. It promises that every failure crosses as
//! `{ code, message, retryable, details }`, and that calls and answers cross in bulk. It never holds
//! the replica across an await, and decides nothing: the store and the engine do.

#![cfg(target_arch = "wasm32")]

mod clock;
mod database;
mod driver;
mod event;
mod export;
mod failure;
mod fetch;
mod files;
mod idb;
mod import;
mod opfs;
mod options;
mod page_store;
mod panic;
mod place;
mod socket;
mod streams;
mod tier;
mod vfs;

pub use database::Database;
pub use import::Import;
