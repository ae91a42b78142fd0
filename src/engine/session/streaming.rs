//! After the welcome: pushes are decided, and the replica is led from checkpoint to checkpoint.

use super::{Output, Pulled, Session, Stage, Standing};
use crate::Millis;
use seaworthy_protocol::{
    BucketId, Checkpoint, ClientFrame, ErrorCode, ErrorFrame, Outcome, Pong, Position, Push, Results, ServerFrame, Subscribe, TransactionResult, limits,
};
use std::collections::BTreeSet;

impl Session {
    pub(super) fn take_frame(&mut self, now: Millis, frame: ClientFrame) {
        if self.stopping {
            return;
        }
        self.heard_at = now;
        match (&self.stage, frame) {
            (Stage::Expecting, frame) => self.take_first(now, frame),
            (_, _) if self.request.is_some() => self.refuse("Over fetch a request carries one frame."),
            (Stage::Open, ClientFrame::Ping(_)) => self.pong(),
            (_, frame) => self.enqueue(frame),
        }
    }

    fn pong(&mut self) {
        self.emit(Output::Send(ServerFrame::Pong(Pong {})));
        // The heartbeat also brings the cursor up to where nothing was found for this user.
        if self.read.map(|cursor| cursor.position) > self.sent.map(|cursor| cursor.position) {
            self.send_reached();
        }
    }

    /// Takes a frame whose turn has come.
    pub(super) fn take_turn(&mut self, frame: ClientFrame) {
        match frame {
            ClientFrame::Push(push) => self.decide(push),
            ClientFrame::Subscribe(subscribe) => self.subscribe(subscribe),
            ClientFrame::Token(renewal) => self.authenticate(renewal.token),
            ClientFrame::Ping(_) => self.pong(),
            ClientFrame::Hello(_) => self.refuse("`hello` may come once."),
            ClientFrame::Pull(_) => self.refuse("`pull` is for fetch: on a WebSocket checkpoints come by themselves."),
        }
    }

    fn decide(&mut self, push: Push) {
        let Some(principal) = self.principal.clone() else { return };
        if push.replica != self.replica {
            return self.refuse("A push must name the replica of `hello`.");
        }
        if push.transactions.is_empty() {
            return self.refuse("A push must carry a transaction.");
        }
        if push.transactions.len() > limits::MAX_PUSH_TRANSACTIONS {
            let message = format!("A push may carry {} transactions. Send smaller batches.", limits::MAX_PUSH_TRANSACTIONS);
            return self.end_with(ErrorFrame::new(ErrorCode::TooLarge, message));
        }
        self.deciding = true;
        self.emit(Output::Decide { principal, push });
    }

    /// The next checkpoint says what has come of it.
    fn subscribe(&mut self, subscribe: Subscribe) {
        self.subscriptions = subscribe.subscriptions;
        self.told_streams = None;
        self.owed = Some(self.owed.unwrap_or_default());
        self.unsettled = true;
    }

    pub(super) fn decided(&mut self, answer: Result<Vec<TransactionResult>, ErrorFrame>) {
        self.deciding = false;
        let results = match answer {
            Ok(results) => results,
            Err(error) => return self.end_with(error),
        };
        for result in &results {
            if let Some(position) = position(result) {
                self.owed = self.owed.max(Some(position));
                self.last_sequence = self.last_sequence.max(result.sequence);
            }
        }
        self.emit(Output::Send(ServerFrame::Results(Results { results })));
        if self.request.is_some() {
            self.close();
        } else if self.stopping {
            self.end_stopping();
        }
    }

    /// Reads on if there is anything to read, or sends the checkpoint that is owed.
    pub(super) fn stream(&mut self) {
        if self.pulling || !matches!(self.stage, Stage::Open) || self.request.as_ref().is_some_and(|request| !request.pulls) {
            return;
        }
        let Some(read) = self.read else { return self.pull() };
        if self.unsettled || self.head > read.position || self.owed.is_some_and(|position| position > read.position) {
            self.pull();
        } else if self.owed.is_some() {
            self.send_reached();
        }
    }

    pub(super) fn pull(&mut self) {
        let Some(principal) = self.principal.clone() else { return };
        (self.pulling, self.unsettled) = (true, false);
        let standing = Standing { cursor: self.read, buckets: self.buckets.clone(), subscriptions: self.subscriptions.clone() };
        let doubtful = std::mem::take(&mut self.doubtful);
        self.emit(Output::Pull { principal, replica: self.replica, standing, doubtful });
    }

    pub(super) fn pulled(&mut self, answer: Result<Pulled, ErrorFrame>) {
        self.pulling = false;
        let Pulled { rows, mut checkpoint, more } = match answer {
            Ok(pulled) => pulled,
            Err(error) => return self.end_with(error),
        };
        self.read = Some(checkpoint.cursor);
        self.head = self.head.max(checkpoint.cursor.position);
        self.unsettled |= more;
        let other_streams = self.hold(&mut checkpoint);
        let is_news = other_streams || !rows.is_empty() || !checkpoint.buckets.is_empty() || checkpoint.reset || checkpoint.known.is_some();
        if !is_news && self.owed.is_none() {
            return;
        }
        for rows in rows {
            self.emit(Output::Send(ServerFrame::Rows(rows)));
        }
        self.send_checkpoint(checkpoint);
    }

    /// Notes which buckets the replica holds once it has applied the checkpoint, which need not repeat what was told.
    /// Answers whether what it is to hold is news. Over fetch nobody knows what was told before: there only a bucket that is left is.
    fn hold(&mut self, checkpoint: &mut Checkpoint) -> bool {
        let joined = checkpoint.buckets.iter().filter(|update| update.joined).map(|update| update.bucket.clone());
        let mut held: BTreeSet<BucketId> = joined.collect();
        if !checkpoint.reset {
            held.extend(std::mem::take(&mut self.buckets));
        }
        let before = held.len();
        if let Some(streams) = &checkpoint.streams {
            let wanted: BTreeSet<&BucketId> = streams.iter().flat_map(|state| &state.buckets).collect();
            held.retain(|bucket| wanted.contains(bucket));
        }
        let is_any_left = held.len() < before;
        self.buckets = held.into_iter().collect();
        if self.told_streams == checkpoint.streams {
            checkpoint.streams = None;
            return is_any_left;
        }
        self.told_streams.clone_from(&checkpoint.streams);
        is_any_left || self.request.is_none()
    }

    /// Tells the replica that it has everything up to where we have read.
    pub(super) fn send_reached(&mut self) {
        if let Some(cursor) = self.read {
            self.send_checkpoint(Checkpoint::at(cursor));
        }
    }

    fn send_checkpoint(&mut self, checkpoint: Checkpoint) {
        self.sent = Some(checkpoint.cursor);
        self.owed = self.owed.filter(|position| *position > checkpoint.cursor.position);
        self.emit(Output::Send(ServerFrame::Checkpoint(checkpoint)));
        if self.request.is_some() {
            self.close();
        }
    }
}

fn position(result: &TransactionResult) -> Option<Position> {
    match &result.outcome {
        Outcome::Applied { position } | Outcome::Merged { position, .. } | Outcome::Rejected { position, .. } => Some(*position),
        Outcome::RetryLater { .. } | Outcome::Gap { .. } | Outcome::IdentityReused => None,
    }
}
