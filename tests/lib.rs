//! What several test targets share: the deterministic simulation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod sim;
