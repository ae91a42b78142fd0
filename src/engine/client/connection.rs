//! From wanting a connection to being welcomed, and what happens when it is lost.

use super::socket::Socket;
use super::storage::Work;
use super::timing::TOKEN_TIMEOUT_MS;
use super::{Client, Connection, FetchLink, Mode, Output, Source, StatusError, User, timing};
use crate::Millis;
use seaworthy_protocol::{ErrorCode, ErrorFrame, ServerFrame, Welcome, limits};

impl Client {
    pub(super) fn set_wanted(&mut self, now: Millis, wanted: bool) {
        match (&mut self.mode, wanted) {
            (Mode::Offline, true) => self.start(now),
            (Mode::Offline, false) | (Mode::Stopped(_) | Mode::Asking { .. }, true) => {}
            // The network may have changed: do not wait for a time-out to find out.
            (Mode::Waiting { .. }, true) => self.start(now),
            (Mode::Socket(_) | Mode::Fetch(_), true) => self.ping(now),
            (_, false) => {
                self.disconnect();
                self.error = None;
                self.mode = Mode::Offline;
            }
        }
    }

    pub(super) fn take_token(&mut self, now: Millis, token: Option<String>) {
        self.note_who_writes(token.is_none());
        let error = token.as_ref().filter(|token| token.len() > limits::MAX_TOKEN_BYTES).map(|_| StatusError::token_too_long());
        let token = token.filter(|_| error.is_none());
        let (had_one, has_one) = (self.token.usable(now).is_some(), token.is_some());
        self.token.replace(now, token);
        match &self.mode {
            Mode::Offline | Mode::Stopped(Connection::UpgradeRequired | Connection::Offline) => {}
            _ if !has_one => self.stop(Connection::NeedsAuth, error),
            Mode::Asking { .. } | Mode::Stopped(_) => self.connect(now),
            Mode::Waiting { .. } if !had_one => self.connect(now),
            Mode::Waiting { .. } | Mode::Socket(_) | Mode::Fetch(_) => {}
        }
    }

    /// What is written while nobody is signed in is nobody's, until somebody adopts it.
    fn note_who_writes(&mut self, nobody: bool) {
        let replica = &self.replica;
        if replica.user.is_none() && replica.anonymous != nobody && (nobody || !replica.has_undecided()) {
            self.ask_storage(Work::Mark, Output::MarkAnonymous(nobody));
        }
    }

    pub(super) fn adopt(&mut self) {
        if self.replica.is_unclaimed() {
            self.ask_storage(Work::Adopt, Output::MarkAnonymous(false));
        }
    }

    pub(super) fn adopted(&mut self, now: Millis) {
        if let Mode::Stopped(Connection::NeedsAdopt) = self.mode {
            self.start(now);
        }
    }

    /// Without a token there is no connection, and a person may know it.
    pub(super) fn miss_token(&mut self, now: Millis) {
        if let Mode::Asking { deadline } = &mut self.mode {
            *deadline = now + TOKEN_TIMEOUT_MS;
            self.backoff.count();
            self.error = Some(StatusError::no_token());
        }
    }

    /// Begins a try: with the token that there is, or by asking for one.
    pub(super) fn start(&mut self, now: Millis) {
        if self.token.usable(now).is_some() { self.connect(now) } else { self.ask(now) }
    }

    pub(super) fn ask(&mut self, now: Millis) {
        let renew = self.token.needs_renewal();
        self.emit(Output::NeedToken { renew });
        self.mode = Mode::Asking { deadline: now + TOKEN_TIMEOUT_MS };
    }

    fn connect(&mut self, now: Millis) {
        if self.replica.is_unclaimed() {
            self.stop(Connection::NeedsAdopt, Some(StatusError::needs_adopt()));
        } else if self.socket_failures >= timing::SOCKET_FAILURES {
            let probe_at = self.next_probe(now);
            self.mode = Mode::Fetch(FetchLink::new(now, probe_at));
        } else {
            self.emit(Output::Connect);
            self.mode = Mode::Socket(Socket::opening(now));
        }
    }

    /// Leaves the transport. What was under way on it is forgotten; its late answers are ignored.
    pub(super) fn disconnect(&mut self) {
        if matches!(self.mode, Mode::Socket(_) | Mode::Fetch(_)) {
            self.emit(Output::Disconnect);
        }
        self.inbox.clear();
        self.collected.clear();
        self.told_subscriptions = None;
        self.push.forget_flight();
    }

    /// Leaves the transport and waits for the next try.
    pub(super) fn lose(&mut self, now: Millis, error: StatusError, retry_after_ms: u64) {
        // A captive portal also refuses WebSockets: the more telling reason stays.
        let masked = error.code == "network" && self.error.as_ref().is_some_and(|known| known.code == "not_seaworthy");
        if !masked {
            self.error = Some(error);
        }
        self.begin_again(now, retry_after_ms);
    }

    /// The same where nothing has failed: the next `hello` says who we are now and asks what we ask now. Waiting keeps a
    /// server that brings this about each time from being stormed.
    pub(super) fn begin_again(&mut self, now: Millis, retry_after_ms: u64) {
        self.disconnect();
        let wait = self.backoff.fail(&mut self.random, retry_after_ms);
        self.mode = Mode::Waiting { until: now + wait };
    }

    /// Leaves the transport until the application does something. The queue is kept.
    pub(super) fn stop(&mut self, why: Connection, error: Option<StatusError>) {
        self.disconnect();
        self.error = error;
        self.mode = Mode::Stopped(why);
    }

    /// A frame of the transport in use, or of a WebSocket that is being tried beside fetch.
    pub(super) fn read(&mut self, now: Millis, source: Source, frame: ServerFrame) {
        match frame {
            ServerFrame::Welcome(welcome) => self.welcomed(now, source, welcome),
            ServerFrame::Error(error) => self.refused(now, source, error),
            _ if !self.is_linked() || (source == Source::Socket && self.is_probing()) => self.violated(now, source),
            ServerFrame::Results(results) if source != Source::PullFetch => self.take_results(now, source, results),
            ServerFrame::Rows(rows) if source != Source::PushFetch => self.collect(now, rows),
            ServerFrame::Checkpoint(checkpoint) if source != Source::PushFetch => self.reach(now, source, checkpoint),
            ServerFrame::Results(_) | ServerFrame::Rows(_) | ServerFrame::Checkpoint(_) => self.violated(now, source),
            ServerFrame::Pong(_) => {}
        }
    }

    fn welcomed(&mut self, now: Millis, source: Source, welcome: Welcome) {
        if welcome.protocol != seaworthy_protocol::VERSION {
            return self.stop(Connection::UpgradeRequired, Some(StatusError::upgrade_required()));
        }
        let user = User { issuer: welcome.issuer, subject: welcome.subject };
        if self.replica.user.as_ref().is_some_and(|bound| *bound != user) {
            return self.stop(Connection::UserChanged, Some(StatusError::user_changed()));
        }
        self.token.welcome(now, welcome.token_expires_in_ms);
        match source {
            Source::Socket => self.socket_welcomed(now),
            Source::PullFetch | Source::PushFetch => self.fetch_welcomed(),
        }
        self.error = None;
        if self.replica.user.is_none() {
            self.bind(user);
        } else if self.replica.is_ahead_of(welcome.last_sequence) {
            self.forget_outcomes(welcome.last_sequence, None);
        }
        self.collected.durable_through = Some(welcome.durable_through);
    }

    fn refused(&mut self, now: Millis, source: Source, error: ErrorFrame) {
        let is = |code: ErrorCode| error.code == code.as_str();
        if is(ErrorCode::Unauthorized) {
            let error = StatusError::of_frame(error);
            if !self.token.refuse(now) {
                return self.stop(Connection::NeedsAuth, Some(error));
            }
            self.disconnect();
            self.ask(now);
        } else if is(ErrorCode::WrongUser) && self.replica.user.is_none() {
            // Somebody else said hello with it once and never heard the welcome. Nothing was pushed under this name.
            self.take_new_identity();
        } else if is(ErrorCode::WrongUser) {
            self.stop(Connection::UserChanged, Some(StatusError::user_changed()));
        } else if is(ErrorCode::UpgradeRequired) {
            self.stop(Connection::UpgradeRequired, Some(StatusError::upgrade_required()));
        } else if source == Source::Socket && self.is_probing() {
            self.probe_failed(now, true);
        } else {
            let retry_after_ms = error.retry_after_ms.unwrap_or(0);
            self.lose(now, StatusError::of_frame(error), retry_after_ms);
        }
    }

    /// The other side sent what it may not.
    pub(super) fn violated(&mut self, now: Millis, source: Source) {
        if source == Source::Socket && self.is_probing() {
            self.probe_failed(now, true);
        } else {
            self.lose(now, StatusError::bad_frame(), 0);
        }
    }
}
