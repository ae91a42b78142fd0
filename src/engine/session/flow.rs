//! Turns, limits, deadlines and ends of a session.

use super::timing::{IDLE_TIMEOUT_MS, MAX_WAITING_FRAMES, MAX_WAITING_PUSHES, OPENING_TIMEOUT_MS};
use super::{Output, Session, Stage};
use crate::Millis;
use seaworthy_protocol::{ClientFrame, ErrorCode, ErrorFrame, ServerFrame};

impl Session {
    /// Keeps a frame until its turn. A client that sends faster than it may is cut off.
    pub(super) fn enqueue(&mut self, frame: ClientFrame) {
        self.waiting.push_back(frame);
        let pushes = self.waiting.iter().filter(|frame| matches!(frame, ClientFrame::Push(_))).count();
        let spare = if self.deciding { 0 } else { 1 };
        if self.waiting.len() > MAX_WAITING_FRAMES || pushes > MAX_WAITING_PUSHES + spare {
            self.end_with(ErrorFrame::new(ErrorCode::RateLimited, "Too many frames at once. Send one push, and wait for its results."));
        }
    }

    /// Everything that follows from an input.
    pub(super) fn advance(&mut self, now: Millis) {
        self.take_turns();
        self.stream();
        self.run_timers(now);
        self.tell();
    }

    fn take_turns(&mut self) {
        while matches!(self.stage, Stage::Open) {
            let must_wait = match self.waiting.front() {
                None => return,
                // A push behind a new token is decided by what that one claims.
                Some(ClientFrame::Push(_)) => self.deciding || self.authenticating,
                Some(ClientFrame::Token(_)) => self.authenticating,
                Some(_) => false,
            };
            if must_wait {
                return;
            }
            if let Some(frame) = self.waiting.pop_front() {
                self.take_turn(frame);
            }
        }
    }

    fn run_timers(&mut self, now: Millis) {
        match self.stage {
            Stage::Closed => {}
            Stage::Expecting if now >= self.opened_at + OPENING_TIMEOUT_MS => self.refuse("No frame came in time."),
            Stage::Open if now >= self.token_ends_at && !self.authenticating => {
                self.end_with(ErrorFrame::new(ErrorCode::Unauthorized, "The token has ended. Connect again with a new one."));
            }
            Stage::Open if self.holds_pull() && self.request.as_ref().is_some_and(|request| now >= request.wait_until) => self.send_reached(),
            _ if now >= self.heard_at + IDLE_TIMEOUT_MS => self.close(),
            _ => {}
        }
    }

    /// Whether a pull over fetch is held open until there is news.
    fn holds_pull(&self) -> bool {
        !self.pulling && self.request.as_ref().is_some_and(|request| request.pulls)
    }

    fn next_deadline(&self) -> Option<Millis> {
        let mut deadline = match self.stage {
            Stage::Closed => return None,
            Stage::Expecting => self.opened_at + OPENING_TIMEOUT_MS,
            _ => self.heard_at + IDLE_TIMEOUT_MS,
        };
        if matches!(self.stage, Stage::Open) && !self.authenticating {
            deadline = deadline.min(self.token_ends_at);
        }
        if let (Stage::Open, true, Some(request)) = (&self.stage, self.holds_pull(), &self.request) {
            deadline = deadline.min(request.wait_until);
        }
        Some(deadline)
    }

    pub(super) fn tell(&mut self) {
        let deadline = self.next_deadline();
        if let Some(at) = deadline
            && self.told_wake != deadline
        {
            self.emit(Output::WakeAt(at));
        }
        self.told_wake = deadline;
    }

    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.waiting.clear();
        if !self.deciding {
            self.end_stopping();
        }
    }

    pub(super) fn end_stopping(&mut self) {
        self.end_with(ErrorFrame::new(ErrorCode::Unavailable, "The server is stopping. Connect again in a moment."));
    }

    /// Ends the session over a frame that may not come.
    pub(super) fn refuse(&mut self, message: &str) {
        self.end_with(ErrorFrame::new(ErrorCode::BadFrame, message));
    }

    pub(super) fn end_with(&mut self, error: ErrorFrame) {
        self.emit(Output::Send(ServerFrame::Error(error)));
        self.close();
    }

    pub(super) fn close(&mut self) {
        if !self.is_closed() {
            self.stage = Stage::Closed;
            self.waiting.clear();
            self.emit(Output::Close);
        }
    }
}
