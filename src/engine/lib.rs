//! The synchronisation state machine, both halves of it, without any I/O.
//!
//! It exists so that the same code runs in the browser's worker, in the server, and in a test that
//! runs a hundred clients, a server and a bad network in one thread from one seed. One call of
//! `handle` is one step; then the outputs are drained with `poll_output`. It never reads a clock,
//! draws a random number, spawns, or opens a socket: time and randomness are inputs.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod client;
mod error;
mod random;
pub mod session;
mod time;

pub use error::EngineError;
pub use time::Millis;
