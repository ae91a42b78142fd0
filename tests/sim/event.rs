//! What may happen next, in the order of time.

use super::server::{Peer, Work};
use seaworthy_engine::client::FetchError;
use seaworthy_engine::session;
use std::collections::BTreeMap;

/// Events name the life of the process that they are meant for: what comes for a former life is lost.
#[derive(Debug)]
pub enum Event {
    /// The application does something.
    Act {
        client: usize,
    },
    Fault,
    Heal,
    ClientTick {
        client: usize,
        life: u64,
        wish: u64,
    },
    Token {
        client: usize,
        life: u64,
        token: Option<String>,
    },
    /// The user takes over what nobody wrote.
    Adopt {
        client: usize,
        life: u64,
    },
    SocketOpened {
        client: usize,
        life: u64,
        socket: u64,
    },
    SocketFrame {
        client: usize,
        life: u64,
        socket: u64,
        bytes: Vec<u8>,
    },
    SocketClosed {
        client: usize,
        life: u64,
        socket: u64,
    },
    Fetched {
        client: usize,
        life: u64,
        id: u32,
        result: Result<Vec<u8>, FetchError>,
    },
    /// A process that crashed is started again.
    Reopen {
        client: usize,
    },
    /// The application ends its interactive transaction.
    EndTransaction {
        client: usize,
        life: u64,
        commit: bool,
    },
    /// A link that was bad is good again.
    Mend {
        client: usize,
    },
    PeerFrame {
        peer: Peer,
        bytes: Vec<u8>,
    },
    PeerClosed {
        peer: Peer,
    },
    Request {
        client: usize,
        life: u64,
        id: u32,
        token: String,
        bytes: Vec<u8>,
    },
    /// The server's storage does what a session asked for.
    Work {
        run: u64,
        peer: Peer,
        work: Work,
    },
    Answer {
        run: u64,
        peer: Peer,
        input: session::Input,
    },
    Head {
        run: u64,
        peer: Peer,
    },
    PeerTick {
        run: u64,
        peer: Peer,
        wish: u64,
    },
    StartServer,
}

/// Events by time; those of the same moment in the order in which they were made.
#[derive(Default)]
pub struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    made: u64,
}

impl Queue {
    pub fn at(&mut self, ms: u64, event: Event) {
        self.made += 1;
        self.events.insert((ms, self.made), event);
    }

    pub fn pop(&mut self) -> Option<(u64, Event)> {
        self.events.pop_first().map(|((ms, _), event)| (ms, event))
    }
}
