//! Bounds of the server that its operator may change.

use super::ConfigError;
use seaworthy_protocol::limits::MAX_FRAME_BYTES;
use serde::Deserialize;

/// Bounds with safe defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest frame that is taken, in bytes. Not above the protocol's own limit.
    pub max_frame_bytes: usize,
    /// Most WebSockets and requests over fetch at the same time.
    pub max_connections: usize,
    /// How long a client may take to read one frame, in milliseconds. A slower one is cut off.
    pub send_timeout_ms: u64,
    /// How long a request may take to arrive, in milliseconds.
    pub request_timeout_ms: u64,
    /// How long the server waits for connections to end when it stops, in milliseconds.
    pub shutdown_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_frame_bytes: MAX_FRAME_BYTES, max_connections: 10_000, send_timeout_ms: 30_000, request_timeout_ms: 30_000, shutdown_timeout_ms: 10_000 }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let most_connections = u32::MAX as usize;
        let bounds = [
            ("max_frame_bytes", self.max_frame_bytes as u64, 1024, MAX_FRAME_BYTES as u64),
            ("max_connections", self.max_connections as u64, 1, most_connections as u64),
            ("send_timeout_ms", self.send_timeout_ms, 100, 3_600_000),
            ("request_timeout_ms", self.request_timeout_ms, 100, 3_600_000),
            ("shutdown_timeout_ms", self.shutdown_timeout_ms, 100, 3_600_000),
        ];
        match bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, _, least, most)) => Err(ConfigError::Limit { name, least, most }),
            None => Ok(()),
        }
    }
}
