//! The Seaworthy server.

pub mod storage;
