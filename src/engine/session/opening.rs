//! From the first frame to the welcome: who is it, and may this replica take part?

use super::{Admission, Identity, Output, Session};
use crate::Millis;
use seaworthy_protocol::{ClientFrame, Cursor, ErrorCode, ErrorFrame, ReplicaId, ServerFrame, VERSION, Welcome, limits};

#[derive(Debug)]
pub(super) enum Stage {
    /// No frame yet.
    Expecting,
    /// The token is being checked.
    Authenticating(Opening),
    /// The replica is being looked up.
    Admitting(Opening),
    /// Welcomed.
    Open,
    Closed,
}

/// What the first frame wants once it is let in.
#[derive(Debug)]
pub(super) enum Opening {
    Stream,
    Push(ClientFrame),
    Pull { wait_ms: u64 },
}

impl Session {
    pub(super) fn take_first(&mut self, now: Millis, frame: ClientFrame) {
        match (frame, self.request.as_ref().map(|request| request.token.clone())) {
            (ClientFrame::Hello(hello), None) => {
                (self.doubtful, self.subscriptions, self.buckets) = (hello.doubtful, hello.subscriptions, hello.buckets);
                self.begin(hello.protocol, hello.token, hello.replica, hello.cursor, Opening::Stream);
            }
            (ClientFrame::Pull(pull), Some(token)) => {
                (self.doubtful, self.subscriptions, self.buckets) = (pull.doubtful, pull.subscriptions, pull.buckets);
                let wait_ms = pull.wait_ms.min(limits::MAX_PULL_WAIT_MS);
                if let Some(request) = &mut self.request {
                    (request.pulls, request.wait_until) = (true, now + wait_ms);
                }
                self.begin(pull.protocol, token, pull.replica, pull.cursor, Opening::Pull { wait_ms });
            }
            (ClientFrame::Push(push), Some(token)) => {
                let replica = push.replica;
                self.begin(VERSION, token, replica, None, Opening::Push(ClientFrame::Push(push)));
            }
            (_, None) => self.refuse("The first frame of a WebSocket must be `hello`."),
            (_, Some(_)) => self.refuse("Over fetch only `push` and `pull` may be sent."),
        }
    }

    fn begin(&mut self, protocol: u16, token: String, replica: ReplicaId, cursor: Option<Cursor>, opening: Opening) {
        if protocol != VERSION {
            let message = format!("This server speaks version {VERSION} of the protocol, not {protocol}. Reload the application.");
            return self.end_with(ErrorFrame::new(ErrorCode::UpgradeRequired, message));
        }
        (self.replica, self.sent, self.read) = (replica, cursor, cursor);
        self.stage = Stage::Authenticating(opening);
        self.authenticate(token);
    }

    pub(super) fn authenticate(&mut self, token: String) {
        if token.len() > limits::MAX_TOKEN_BYTES {
            return self.end_with(ErrorFrame::new(ErrorCode::TooLarge, "The token is too long. Issue a smaller one."));
        }
        self.authenticating = true;
        self.emit(Output::Authenticate { token });
    }

    pub(super) fn authenticated(&mut self, now: Millis, answer: Result<Identity, ErrorFrame>) {
        self.authenticating = false;
        let identity = match answer {
            Ok(identity) => identity,
            Err(error) => return self.end_with(error),
        };
        if self.user().is_some_and(|user| *user != identity.principal.user) {
            return self.end_with(ErrorFrame::new(ErrorCode::WrongUser, "The new token names another user. Connect again with it."));
        }
        self.token_ends_at = now + identity.expires_in_ms;
        if let Some(request) = &mut self.request {
            request.wait_until = request.wait_until.min(self.token_ends_at);
        }
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Authenticating(opening) => {
                self.stage = Stage::Admitting(opening);
                self.emit(Output::Admit { replica: self.replica, user: identity.principal.user.clone() });
            }
            // A renewal: the welcome announces the new lifetime.
            stage => {
                self.stage = stage;
                // Other claims may open other buckets.
                self.unsettled |= self.principal.as_ref() != Some(&identity.principal);
                self.send_welcome(now);
            }
        }
        // What is decided from now on is decided by the claims of this token.
        self.principal = Some(identity.principal);
    }

    pub(super) fn admitted(&mut self, now: Millis, answer: Result<Admission, ErrorFrame>) {
        let admission = match answer {
            Ok(admission) => admission,
            Err(error) => return self.end_with(error),
        };
        (self.admission, self.last_sequence) = (Some(admission), admission.last_sequence);
        match std::mem::replace(&mut self.stage, Stage::Open) {
            Stage::Admitting(Opening::Push(push)) => self.waiting.push_front(push),
            Stage::Admitting(Opening::Pull { wait_ms }) => {
                self.send_welcome(now);
                // Whoever does not wait wants to know where it stands, even if nothing is new.
                self.owed = (wait_ms == 0 || self.sent.is_none()).then_some(self.owed.unwrap_or_default());
                self.pull();
            }
            _ => {
                self.send_welcome(now);
                self.owed = Some(self.owed.unwrap_or_default());
                self.pull();
            }
        }
    }

    fn send_welcome(&mut self, now: Millis) {
        let (Some(admission), Some(user)) = (self.admission, self.user().cloned()) else { return };
        self.emit(Output::Send(ServerFrame::Welcome(Welcome {
            protocol: VERSION,
            epoch: admission.epoch,
            issuer: user.issuer,
            subject: user.subject,
            last_sequence: self.last_sequence,
            durable_through: admission.durable_through,
            token_expires_in_ms: self.token_ends_at.since(now),
        })));
    }
}
