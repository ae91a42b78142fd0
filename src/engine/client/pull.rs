//! Rows on their way to a checkpoint. None is applied before its checkpoint has come.

use super::storage::Work;
use super::timing::MAX_COLLECTED_BYTES;
use super::{Client, Connection, Divergence, Output, ReplicaState, Source, StatusError};
use crate::Millis;
use seaworthy_protocol::{Checkpoint, Position, Rows, Subscription, TransactionId, Value};

#[derive(Debug, Default)]
pub(super) struct Collected {
    rows: Vec<Rows>,
    bytes: usize,
    /// Whether a checkpoint of this connection was applied, so that the cursor is of the server's present history.
    pub(super) synced: bool,
    /// What the server has announced, until a checkpoint shows that it speaks of the history that we follow.
    pub(super) durable_through: Option<Position>,
}

impl Collected {
    /// Rows whose checkpoint did not come.
    pub(super) fn forget_rows(&mut self) {
        (self.rows, self.bytes) = (Vec::new(), 0);
    }

    /// Forgets everything that belongs to the connection.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Client {
    pub(super) fn collect(&mut self, now: Millis, rows: Rows) {
        self.collected.bytes += wire_size(&rows);
        if self.collected.bytes > MAX_COLLECTED_BYTES {
            return self.lose(now, StatusError::too_large(), 0);
        }
        self.collected.rows.push(rows);
    }

    /// What the server is asked about: its first checkpoint of a connection answers.
    pub(super) fn doubtful(&self) -> Vec<TransactionId> {
        if self.collected.synced { Vec::new() } else { self.replica.doubtful.to_vec() }
    }

    /// What is subscribed to, for a frame that is sent now.
    pub(super) fn tell_subscriptions(&mut self) -> Vec<Subscription> {
        self.told_subscriptions = Some(self.replica.subscriptions.clone());
        self.replica.subscriptions.to_vec()
    }

    pub(super) fn has_told_subscriptions(&self) -> bool {
        self.told_subscriptions.as_ref() == Some(&self.replica.subscriptions)
    }

    /// The application subscribes to something else from now on.
    pub(super) fn subscribed(&mut self, now: Millis, replica: ReplicaState) {
        self.replica = replica;
        if !self.has_told_subscriptions() {
            self.hurry_pull(now);
        }
    }

    pub(super) fn reach(&mut self, now: Millis, source: Source, mut checkpoint: Checkpoint) {
        let back = self.replica.cursor.is_some_and(|cursor| checkpoint.cursor.position < cursor.position);
        let asked = !self.collected.synced;
        checkpoint.known = checkpoint.known.filter(|_| asked);
        let unanswered = checkpoint.known.is_none() && !self.replica.doubtful.is_empty();
        if (back && !checkpoint.reset) || (unanswered && asked) {
            return self.violated(now, source);
        }
        if unanswered && checkpoint.reset {
            // Another history, met on the connection that we had: over fetch a server can be restored between two pulls.
            return self.begin_again(now, 0);
        }
        let rows = std::mem::take(&mut self.collected.rows);
        self.collected.forget_rows();
        self.ask_storage(Work::Apply, Output::Apply { rows, checkpoint });
    }

    /// A bucket does not hold what the server says: the next connection brings it anew, unless that was of no use already.
    pub(super) fn diverged(&mut self, now: Millis, replica: ReplicaState, divergence: Divergence) {
        (self.replica, self.work) = (replica, None);
        match divergence {
            Divergence::Once => self.begin_again(now, 0),
            Divergence::Again => self.stop(Connection::Offline, Some(StatusError::bucket_diverged())),
        }
    }

    /// Lets go of what the server cannot forget any more.
    pub(super) fn release(&mut self) {
        if let Some(through) = self.collected.durable_through.take().filter(|_| self.replica.keeps()) {
            self.emit(Output::Release { through });
        }
    }
}

fn wire_size(rows: &Rows) -> usize {
    let names = rows.table.len() + rows.columns.iter().map(String::len).sum::<usize>();
    let values: usize = rows.rows.iter().chain(&rows.gone).flatten().map(Value::wire_size).sum();
    names + values
}
