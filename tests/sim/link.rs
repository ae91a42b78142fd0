//! The network between one client and the server.

use super::server::Peer;

/// How a WebSocket fares on this link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sockets {
    #[default]
    Work,
    /// Refused at once, as some proxies do.
    Refused,
    /// Never answered.
    Hang,
    /// Opened by the proxy and cut when the first bytes come.
    CutEarly,
}

/// The ways in which a proxy blocks WebSockets.
pub const BLOCKED: &[Sockets] = &[Sockets::Refused, Sockets::Hang, Sockets::CutEarly];

#[derive(Clone, Debug, Default)]
pub struct Link {
    pub sockets: Sockets,
    /// How they fare at the best of times.
    pub sockets_at_best: Sockets,
    /// Nothing passes.
    pub partitioned: bool,
    /// A captive portal answers everything.
    pub portal: bool,
    /// A proxy cuts connections of this age.
    pub cut_after_ms: Option<u64>,
    /// The WebSocket as the client knows it.
    pub socket: Option<Wire>,
    /// When the link is good again; a later fault moves it.
    pub mends_at: u64,
}

/// One WebSocket. Each direction keeps its order.
#[derive(Clone, Debug)]
pub struct Wire {
    pub socket: u64,
    pub peer: Option<Peer>,
    /// Half-open: neither side learns of its end.
    pub dead: bool,
    pub opened_at: u64,
    pub to_client_at: u64,
    pub to_server_at: u64,
}

impl Wire {
    pub fn new(socket: u64, now: u64) -> Self {
        Self { socket, peer: None, dead: false, opened_at: now, to_client_at: now, to_server_at: now }
    }
}

impl Link {
    /// Whatever was wrong is not any more. Connections that broke stay broken.
    pub fn mend(&mut self) {
        (self.sockets, self.partitioned, self.portal) = (self.sockets_at_best, false, false);
    }
}
