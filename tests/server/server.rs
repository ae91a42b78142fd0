//! The real binary over real sockets, with databases on disk.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backend;
mod by_hand;
mod checking;
mod crowd;
mod embedding;
mod example;
mod explaining;
mod fetching;
mod handlers;
mod hostile;
mod identity;
mod isolation;
mod issuer;
mod keys;
mod killing;
mod peer;
mod process;
mod rules;
mod running;
mod site;
mod socket;
mod starting;
mod streaming;
mod tokens;
mod webhooks;
