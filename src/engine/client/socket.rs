//! A WebSocket from opening to its end, and the heartbeat that finds out about half-open ones.

use super::timing::{OPEN_TIMEOUT_MS, PONG_TIMEOUT_MS, SILENCE_MS, WELCOME_TIMEOUT_MS};
use super::{Client, Mode, Output, Source, StatusError};
use crate::Millis;
use seaworthy_protocol::{ClientFrame, Hello, Ping, ServerFrame, Subscribe, TokenRenewal};

#[derive(Debug)]
pub(super) enum Socket {
    /// Asked for.
    Opening { deadline: Millis },
    /// Open; `hello` was sent.
    Greeting { deadline: Millis },
    /// Welcomed.
    Live { heard_at: Millis, pinged_at: Option<Millis> },
}

impl Socket {
    pub(super) fn opening(now: Millis) -> Self {
        Self::Opening { deadline: now + OPEN_TIMEOUT_MS }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Live { .. })
    }

    pub(super) fn deadline(&self) -> Millis {
        match self {
            Self::Opening { deadline } | Self::Greeting { deadline } => *deadline,
            Self::Live { heard_at, pinged_at: None } => *heard_at + SILENCE_MS,
            Self::Live { pinged_at: Some(at), .. } => *at + PONG_TIMEOUT_MS,
        }
    }

    /// After a sleep nothing was pinged, yet the silence says it all.
    fn is_dead(&self, now: Millis) -> bool {
        match self {
            Self::Live { heard_at, pinged_at: None } => now.since(*heard_at) >= SILENCE_MS + PONG_TIMEOUT_MS,
            _ => now >= self.deadline(),
        }
    }
}

impl Client {
    pub(super) fn opened(&mut self, now: Millis) {
        if !matches!(self.socket(), Some(Socket::Opening { .. })) {
            return;
        }
        let Some(token) = self.token.present() else {
            self.disconnect();
            return self.ask(now);
        };
        self.hold_pull();
        let hello = Hello {
            protocol: seaworthy_protocol::VERSION,
            token,
            replica: self.replica.replica,
            cursor: self.replica.cursor,
            schema_version: self.replica.schema_version,
            doubtful: self.doubtful(),
            subscriptions: self.tell_subscriptions(),
            buckets: self.replica.buckets.to_vec(),
        };
        self.emit(Output::Send(ClientFrame::Hello(hello)));
        if let Some(socket) = self.socket_mut() {
            *socket = Socket::Greeting { deadline: now + WELCOME_TIMEOUT_MS };
        }
    }

    pub(super) fn socket_frame(&mut self, now: Millis, frame: ServerFrame) {
        match self.socket_mut() {
            None | Some(Socket::Opening { .. }) => return,
            Some(Socket::Greeting { .. }) => {}
            Some(Socket::Live { heard_at, pinged_at }) => (*heard_at, *pinged_at) = (now, None),
        }
        self.inbox.push_back((Source::Socket, frame));
    }

    pub(super) fn socket_malformed(&mut self, now: Millis) {
        if self.socket().is_some() {
            self.violated(now, Source::Socket);
        }
    }

    pub(super) fn socket_closed(&mut self, now: Millis) {
        match &self.mode {
            Mode::Socket(Socket::Live { .. }) => self.lose(now, StatusError::network(), 0),
            Mode::Socket(_) => self.socket_failed(now),
            _ if self.is_probing() => self.probe_failed(now, false),
            _ => {}
        }
    }

    /// A WebSocket did not reach `welcome`.
    fn socket_failed(&mut self, now: Millis) {
        self.socket_failures = self.socket_failures.saturating_add(1);
        if self.socket_failures < super::timing::SOCKET_FAILURES {
            return self.lose(now, StatusError::network(), 0);
        }
        self.disconnect();
        self.start(now);
    }

    pub(super) fn socket_welcomed(&mut self, now: Millis) {
        self.socket_failures = 0;
        if matches!(&self.mode, Mode::Socket(socket) if socket.is_live()) {
            return;
        }
        // What fetch had under way goes on without us: its late answers are ignored.
        self.collected.clear();
        self.push.forget_flight();
        self.mode = Mode::Socket(Socket::Live { heard_at: now, pinged_at: None });
    }

    pub(super) fn ping(&mut self, now: Millis) {
        if let Mode::Socket(Socket::Live { pinged_at: pinged_at @ None, .. }) = &mut self.mode {
            *pinged_at = Some(now);
            self.emit(Output::Send(ClientFrame::Ping(Ping {})));
        }
    }

    /// Presents a token that came while the connection was up.
    pub(super) fn send_token(&mut self) {
        if self.token.is_fresh()
            && matches!(&self.mode, Mode::Socket(socket) if socket.is_live())
            && let Some(token) = self.token.present()
        {
            self.emit(Output::Send(ClientFrame::Token(TokenRenewal { token })));
        }
    }

    /// Tells of subscriptions that changed while the connection was up.
    pub(super) fn send_subscriptions(&mut self) {
        if self.has_told_subscriptions() || !matches!(&self.mode, Mode::Socket(socket) if socket.is_live()) {
            return;
        }
        let subscriptions = self.tell_subscriptions();
        self.emit(Output::Send(ClientFrame::Subscribe(Subscribe { subscriptions })));
    }

    pub(super) fn run_socket_timer(&mut self, now: Millis) {
        let Mode::Socket(socket) = &self.mode else { return };
        if socket.is_dead(now) {
            if socket.is_live() { self.lose(now, StatusError::network(), 0) } else { self.socket_failed(now) }
        } else if now >= socket.deadline() {
            self.ping(now);
        }
    }

    /// The WebSocket in use, or the one that is tried beside fetch.
    fn socket(&self) -> Option<&Socket> {
        match &self.mode {
            Mode::Socket(socket) => Some(socket),
            Mode::Fetch(link) => link.probe.as_ref(),
            _ => None,
        }
    }

    fn socket_mut(&mut self) -> Option<&mut Socket> {
        match &mut self.mode {
            Mode::Socket(socket) => Some(socket),
            Mode::Fetch(link) => link.probe.as_mut(),
            _ => None,
        }
    }
}
