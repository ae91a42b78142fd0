//! Bounds of the server that its operator may change.

use super::ConfigError;
use seaworthy_protocol::limits::MAX_FRAME_BYTES;
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bounds with safe defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest frame that is taken, in bytes. Not above the protocol's own limit.
    pub max_frame_bytes: usize,
    /// Most WebSockets and requests over fetch at the same time.
    pub max_connections: usize,
    /// Most connections from one address (IPv6: from one /64) at the same time.
    pub max_connections_per_address: usize,
    /// Most WebSockets and requests over fetch of one user at the same time.
    pub max_connections_per_user: usize,
    /// Most pushes of one user per second, on average over ten seconds.
    pub max_pushes_per_second: u64,
    /// How many bytes per second are read of one WebSocket, on average. A frame counts at least 16 KiB.
    pub max_received_bytes_per_second: u64,
    /// Addresses of reverse proxies, which say in `X-Forwarded-For` from where they were asked.
    pub proxies: Vec<IpAddr>,
    /// How long a client may take to read one frame, in milliseconds. A slower one is cut off.
    pub send_timeout_ms: u64,
    /// How long the head of a request, and how long its body may take to arrive, in milliseconds.
    pub request_timeout_ms: u64,
    /// How long the server waits for connections to end when it stops, in milliseconds.
    pub shutdown_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: MAX_FRAME_BYTES,
            max_connections: 10_000,
            max_connections_per_address: 1000,
            max_connections_per_user: 100,
            max_pushes_per_second: 100,
            max_received_bytes_per_second: 4 * 1024 * 1024,
            proxies: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            send_timeout_ms: 30_000,
            request_timeout_ms: 30_000,
            shutdown_timeout_ms: 10_000,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let most_connections = u64::from(u32::MAX);
        let bounds = [
            ("max_frame_bytes", self.max_frame_bytes as u64, 1024, MAX_FRAME_BYTES as u64),
            ("max_connections", self.max_connections as u64, 1, most_connections),
            ("max_connections_per_address", self.max_connections_per_address as u64, 1, most_connections),
            ("max_connections_per_user", self.max_connections_per_user as u64, 1, most_connections),
            ("max_pushes_per_second", self.max_pushes_per_second, 1, 1_000_000),
            ("max_received_bytes_per_second", self.max_received_bytes_per_second, 16 * 1024, 1 << 40),
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
