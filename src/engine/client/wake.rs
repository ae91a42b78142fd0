//! Deadlines: which is next, and what happens when one has passed.

use super::fetch::PullFetch;
use super::{Client, Mode, Output, StatusError};
use crate::Millis;

impl Client {
    /// Runs whatever is due. After a sleep everything may be: each thing times out once.
    pub(super) fn run_timers(&mut self, now: Millis) {
        match &self.mode {
            Mode::Waiting { until } if now >= *until => self.start(now),
            Mode::Asking { deadline } if now >= *deadline => self.lose(now, StatusError::no_token(), 0),
            _ => {}
        }
        self.run_socket_timer(now);
        self.run_fetch_timers(now);
        if self.push.is_overdue(now) {
            self.lose(now, StatusError::network(), 0);
        }
        if !self.is_linked() {
            return;
        }
        if self.token.usable(now).is_none() {
            self.disconnect();
            self.ask(now);
        } else if self.token.renewal_due(now) {
            self.emit(Output::NeedToken { renew: true });
        }
    }

    /// When the driver is to give the next tick.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let mode = match &self.mode {
            Mode::Offline | Mode::Stopped(_) => return None,
            Mode::Asking { deadline: at } | Mode::Waiting { until: at } => Some(*at),
            Mode::Socket(socket) => Some(socket.deadline()),
            Mode::Fetch(link) => {
                let pull = match link.pull {
                    PullFetch::Due { at } | PullFetch::InFlight { deadline: at, .. } => Some(at),
                    PullFetch::Held => None,
                };
                let probe = match &link.probe {
                    Some(socket) => Some(socket.deadline()),
                    None => link.welcomed.then_some(link.probe_at),
                };
                earliest(pull, probe)
            }
        };
        if !self.is_linked() {
            return mode;
        }
        earliest(mode, earliest(self.push.deadline(), self.token.deadline()))
    }
}

fn earliest(a: Option<Millis>, b: Option<Millis>) -> Option<Millis> {
    [a, b].into_iter().flatten().min()
}
