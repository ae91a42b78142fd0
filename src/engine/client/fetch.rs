//! Working over fetch alone: one long-polling pull and one push at a time, and now and then a try of
//! the WebSocket beside them.

use super::socket::Socket;
use super::timing::{FETCH_FAILURES, PROBE_INTERVAL_MS, PULL_SPACING_MS, PULL_TIMEOUT_MS, SOCKET_FAILURES};
use super::{Client, FetchError, Mode, Output, Source, StatusError};
use crate::Millis;
use seaworthy_protocol::{ClientFrame, Pull, ServerFrame, limits};

#[derive(Debug)]
pub(super) struct FetchLink {
    pub(super) welcomed: bool,
    /// Fetches in a row that failed.
    failures: u32,
    pub(super) pull: PullFetch,
    pub(super) probe_at: Millis,
    pub(super) probe: Option<Socket>,
}

#[derive(Debug)]
pub(super) enum PullFetch {
    Due {
        at: Millis,
    },
    InFlight {
        id: u32,
        asked_at: Millis,
        deadline: Millis,
    },
    /// A WebSocket has sent our cursor: it must not move until that one has answered.
    Held,
}

impl FetchLink {
    pub(super) fn new(now: Millis, probe_at: Millis) -> Self {
        Self { welcomed: false, failures: 0, pull: PullFetch::Due { at: now }, probe_at, probe: None }
    }
}

impl Client {
    pub(super) fn is_probing(&self) -> bool {
        matches!(&self.mode, Mode::Fetch(FetchLink { probe: Some(_), .. }))
    }

    pub(super) fn next_probe(&mut self, now: Millis) -> Millis {
        now + PROBE_INTERVAL_MS + self.random.up_to(PROBE_INTERVAL_MS / 2)
    }

    /// Starts the pull that is due.
    pub(super) fn pull_next(&mut self, now: Millis) {
        let Mode::Fetch(FetchLink { welcomed, pull: PullFetch::Due { at }, .. }) = &self.mode else { return };
        if now < *at {
            return;
        }
        // Nothing is known yet, or an entry or a subscription waits for its checkpoint: an answer at once, even an empty one.
        let wait_ms = if *welcomed && !self.replica.awaiting_checkpoint && self.has_told_subscriptions() { limits::MAX_PULL_WAIT_MS } else { 0 };
        let frame = ClientFrame::Pull(Pull {
            protocol: seaworthy_protocol::VERSION,
            replica: self.replica.replica,
            cursor: self.replica.cursor,
            wait_ms,
            schema_version: self.replica.schema_version,
            doubtful: self.doubtful(),
            subscriptions: self.tell_subscriptions(),
            buckets: self.replica.buckets.to_vec(),
        });
        if let Some(id) = self.fetch(now, frame)
            && let Mode::Fetch(link) = &mut self.mode
        {
            link.pull = PullFetch::InFlight { id, asked_at: now, deadline: now + wait_ms + PULL_TIMEOUT_MS };
        }
    }

    /// Posts a frame, unless the token has ended: then the application is asked for the next.
    pub(super) fn fetch(&mut self, now: Millis, frame: ClientFrame) -> Option<u32> {
        if self.token.usable(now).is_none() {
            self.disconnect();
            self.ask(now);
            return None;
        }
        let token = self.token.present()?;
        self.last_fetch = self.last_fetch.wrapping_add(1);
        self.emit(Output::Fetch { id: self.last_fetch, token, frame });
        Some(self.last_fetch)
    }

    /// Asks for a checkpoint at once: the pull under way may be waiting for news that are none.
    pub(super) fn hurry_pull(&mut self, now: Millis) {
        if let Mode::Fetch(FetchLink { pull: pull @ PullFetch::InFlight { .. }, .. }) = &mut self.mode {
            *pull = PullFetch::Due { at: now };
        }
    }

    pub(super) fn hold_pull(&mut self) {
        if let Mode::Fetch(link) = &mut self.mode {
            link.pull = PullFetch::Held;
            self.collected.clear();
        }
    }

    pub(super) fn fetched(&mut self, now: Millis, id: u32, result: Result<Vec<ServerFrame>, FetchError>) {
        let Mode::Fetch(link) = &mut self.mode else { return };
        let pulled_at = match link.pull {
            PullFetch::InFlight { id: pull, asked_at, .. } if pull == id => Some(asked_at),
            _ if self.push.is_fetch(id) => None,
            _ => return,
        };
        let frames = match (result, pulled_at) {
            (Err(error), _) => return self.fetch_failed(now, error, pulled_at.is_some()),
            (Ok(frames), Some(_)) if frames.is_empty() => return self.fetch_failed(now, FetchError::NotSeaworthy, true),
            (Ok(frames), None) if !frames.iter().any(|frame| matches!(frame, ServerFrame::Results(_) | ServerFrame::Error(_))) => {
                return self.fetch_failed(now, FetchError::NotSeaworthy, false);
            }
            (Ok(frames), _) => frames,
        };
        link.failures = 0;
        if let Some(asked_at) = pulled_at {
            self.collected.forget_rows();
            let news = frames.iter().any(|frame| matches!(frame, ServerFrame::Rows(_)));
            link.pull = PullFetch::Due { at: if news { now } else { asked_at + PULL_SPACING_MS } };
        }
        let source = if pulled_at.is_some() { Source::PullFetch } else { Source::PushFetch };
        self.inbox.extend(frames.into_iter().map(|frame| (source, frame)));
    }

    pub(super) fn fetch_welcomed(&mut self) {
        if let Mode::Fetch(link) = &mut self.mode {
            link.welcomed = true;
        }
    }

    fn fetch_failed(&mut self, now: Millis, error: FetchError, is_pull: bool) {
        let Mode::Fetch(link) = &mut self.mode else { return };
        link.failures += 1;
        if !link.welcomed || link.failures >= FETCH_FAILURES || error == FetchError::NotSeaworthy {
            return self.lose_fetch(now, error);
        }
        // One request that was lost is not a connection that was lost.
        if is_pull {
            let wait = self.backoff.fail(&mut self.random, 0);
            link.pull = PullFetch::Due { at: now + wait };
        } else {
            self.push.pause(now, 0, &mut self.random);
        }
    }

    fn lose_fetch(&mut self, now: Millis, error: FetchError) {
        // Fetch fails too, so nothing is known about the WebSocket: the next try is one again.
        self.socket_failures = SOCKET_FAILURES - 1;
        let error = match error {
            FetchError::Network => StatusError::network(),
            FetchError::NotSeaworthy => StatusError::not_seaworthy(),
        };
        self.lose(now, error, 0);
    }

    /// The WebSocket that was tried beside fetch failed. `open`: the driver still holds it.
    pub(super) fn probe_failed(&mut self, now: Millis, open: bool) {
        if open {
            // The driver has one word for both: fetches under way are aborted with it, and made again.
            self.disconnect();
        }
        let probe_at = self.next_probe(now);
        let Mode::Fetch(link) = &mut self.mode else { return };
        (link.probe, link.probe_at) = (None, probe_at);
        if open || matches!(link.pull, PullFetch::Held) {
            link.pull = PullFetch::Due { at: now };
        }
    }

    pub(super) fn run_fetch_timers(&mut self, now: Millis) {
        let Mode::Fetch(link) = &mut self.mode else { return };
        if matches!(link.pull, PullFetch::InFlight { deadline, .. } if now >= deadline) {
            return self.fetch_failed(now, FetchError::Network, true);
        }
        match &link.probe {
            Some(socket) if now >= socket.deadline() => self.probe_failed(now, true),
            None if link.welcomed && now >= link.probe_at => {
                link.probe = Some(Socket::opening(now));
                self.emit(Output::Connect);
            }
            _ => {}
        }
    }
}
