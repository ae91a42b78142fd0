//! How the store behaves, told through its public interface against real SQLite.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs)]

mod buckets;
mod capture;
mod crash;
mod definition;
mod fixture;
mod group;
mod import;
mod kept;
mod keys;
mod live;
mod memory;
mod naming;
mod opening;
mod push;
mod rebase;
mod resolve;
mod scale;
mod union;
mod users;
mod values;
