//! Carries what clients and the server send, over links that are good or bad.

use super::event::Event;
use super::link::{Sockets, Wire};
use super::server::Peer;
use super::world::{Broken, World};
use seaworthy_engine::client::{FetchError, Input};
use seaworthy_protocol::{ClientFrame, Format, decode_server, decode_server_frames, encode_client};

impl World {
    pub fn connect(&mut self, client: usize) {
        self.close_socket(client);
        self.sockets += 1;
        let (now, socket, latency) = (self.now, self.sockets, self.latency());
        let up = self.server.is_up();
        let node = &mut self.clients[client];
        let life = node.life;
        let link = &mut node.link;
        link.socket = Some(Wire::new(socket, now));
        let refused = link.portal || link.sockets == Sockets::Refused || (!up && !link.partitioned);
        if refused {
            self.report.network_faults += 1;
            self.queue.at(now + latency, Event::SocketClosed { client, life, socket });
        } else if link.partitioned || link.sockets == Sockets::Hang {
            self.report.network_faults += 1;
        } else {
            self.queue.at(now + 2 * latency, Event::SocketOpened { client, life, socket });
        }
    }

    pub fn socket_opened(&mut self, client: usize, life: u64, socket: u64) -> Result<(), Broken> {
        if !self.is_current(client, life, socket) {
            return Ok(());
        }
        if self.clients[client].link.sockets != Sockets::CutEarly {
            let Some(peer) = self.accept(client, life, socket) else { return self.socket_closed(client, life, socket) };
            if let Some(wire) = &mut self.clients[client].link.socket {
                wire.peer = Some(peer);
            }
        }
        self.give(client, Input::Connected)
    }

    pub fn socket_frame(&mut self, client: usize, life: u64, socket: u64, bytes: &[u8]) -> Result<(), Broken> {
        if !self.is_current(client, life, socket) {
            return Ok(());
        }
        match decode_server(bytes, Format::MessagePack) {
            Ok(frame) => self.give(client, Input::Frame(frame)),
            Err(error) => Err(Broken(format!("a frame of the server does not decode: {error}"))),
        }
    }

    pub fn socket_closed(&mut self, client: usize, life: u64, socket: u64) -> Result<(), Broken> {
        if !self.is_current(client, life, socket) {
            return Ok(());
        }
        self.clients[client].link.socket = None;
        self.give(client, Input::Closed)
    }

    fn is_current(&self, client: usize, life: u64, socket: u64) -> bool {
        let node = &self.clients[client];
        node.life == life && node.link.socket.as_ref().is_some_and(|wire| wire.socket == socket)
    }

    /// The client closes its WebSocket; the server hears of it, unless the line is dead.
    pub fn close_socket(&mut self, client: usize) {
        let (now, latency) = (self.now, self.latency());
        if let Some(Wire { peer: Some(peer), dead: false, to_server_at, .. }) = self.clients[client].link.socket.take() {
            self.queue.at(to_server_at.max(now + latency), Event::PeerClosed { peer });
        }
    }

    pub fn send(&mut self, client: usize, frame: &ClientFrame) {
        let (now, latency) = (self.now, self.latency());
        let node = &mut self.clients[client];
        let (life, early) = (node.life, node.link.sockets == Sockets::CutEarly);
        let Some(wire) = node.link.socket.as_mut().filter(|wire| !wire.dead) else { return };
        wire.to_server_at = wire.to_server_at.max(now + latency);
        let (at, socket) = (wire.to_server_at, wire.socket);
        match wire.peer {
            Some(peer) => self.queue.at(at, Event::PeerFrame { peer, bytes: encode_client(frame, Format::MessagePack) }),
            None if early => self.queue.at(at, Event::SocketClosed { client, life, socket }),
            None => {}
        }
    }

    pub fn fetch(&mut self, client: usize, id: u32, token: String, frame: &ClientFrame) {
        let (now, latency) = (self.now, self.latency());
        let (loss, duplication) = (self.plan.loss, self.plan.duplication);
        let life = self.clients[client].life;
        let link = &self.clients[client].link;
        let failed = |error| Event::Fetched { client, life, id, result: Err(error) };
        if link.portal {
            return self.queue.at(now + latency, failed(FetchError::NotSeaworthy));
        }
        if link.partitioned || self.random.chance(loss) {
            self.report.network_faults += 1;
            if self.random.chance(0.7) {
                self.queue.at(now + 3_000, failed(FetchError::Network));
            }
            return;
        }
        let bytes = encode_client(frame, Format::MessagePack);
        if self.random.chance(duplication) {
            let late = now + latency + self.random.around(20_000);
            self.queue.at(late, Event::Request { client, life, id, token: token.clone(), bytes: bytes.clone() });
        }
        self.queue.at(now + latency, Event::Request { client, life, id, token, bytes });
    }

    pub fn fetched(&mut self, client: usize, life: u64, id: u32, result: Result<Vec<u8>, FetchError>) -> Result<(), Broken> {
        if self.clients[client].life != life {
            return Ok(());
        }
        // An answer cut short does not decode.
        let result = result.and_then(|bytes| decode_server_frames(&bytes, Format::MessagePack).map_err(|_| FetchError::Network));
        self.give(client, Input::Fetched { id, result })
    }

    /// Carries a frame of the server's session to the client that is at its other end.
    pub fn deliver(&mut self, client: usize, peer: Peer, event: impl FnOnce(u64, u64) -> Event) {
        let (now, latency) = (self.now, self.latency());
        let node = &mut self.clients[client];
        let life = node.life;
        if let Some(wire) = node.link.socket.as_mut().filter(|wire| wire.peer == Some(peer) && !wire.dead) {
            wire.to_client_at = wire.to_client_at.max(now + latency);
            self.queue.at(wire.to_client_at, event(life, wire.socket));
        }
    }
}
