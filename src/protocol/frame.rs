//! The two sums of frames: what a client says, and what the server says.
//!
//! Each family has a file of its own: [`crate::Hello`] opens, [`crate::Push`] sends writes,
//! [`crate::Pull`] brings rows, [`crate::ErrorFrame`] refuses. `PROTOCOL.md` says what each side MUST
//! do with them. A frame is added here, in `NAMES`, in the document and in the golden vectors at once.

use crate::{Checkpoint, ErrorFrame, Hello, Ping, Pong, Pull, Push, Results, Rows, Subscribe, TokenRenewal, Welcome};
use serde::{Deserialize, Serialize};

/// What a client sends. Encoded as a map with one entry, whose key names the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    /// See [`Hello`].
    Hello(Hello),
    /// See [`Push`].
    Push(Push),
    /// See [`Pull`].
    Pull(Pull),
    /// See [`Subscribe`].
    Subscribe(Subscribe),
    /// See [`TokenRenewal`].
    Token(TokenRenewal),
    /// See [`Ping`].
    Ping(Ping),
}

/// What the server sends. Encoded as a map with one entry, whose key names the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    /// See [`Welcome`].
    Welcome(Welcome),
    /// See [`Results`].
    Results(Results),
    /// See [`Rows`].
    Rows(Rows),
    /// See [`Checkpoint`].
    Checkpoint(Checkpoint),
    /// See [`ErrorFrame`].
    Error(ErrorFrame),
    /// See [`Pong`].
    Pong(Pong),
}

impl ClientFrame {
    /// The names of all client frames on the wire.
    pub const NAMES: &'static [&'static str] = &["hello", "push", "pull", "subscribe", "token", "ping"];
}

impl ServerFrame {
    /// The names of all server frames on the wire.
    pub const NAMES: &'static [&'static str] = &["welcome", "results", "rows", "checkpoint", "error", "pong"];
}
