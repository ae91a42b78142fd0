//! The outbox on its way to the server: in order, in batches, one at a time, each marked as sent first.

use super::backoff::Backoff;
use super::storage::Work;
use super::timing::PUSH_TIMEOUT_MS;
use super::{Client, Mode, Output, Source, output};
use crate::{Millis, random::Random};
use seaworthy_protocol::{Outcome, Position, Results, Sequence, Transaction, TransactionResult, limits};

#[derive(Debug, Default)]
pub(super) struct Push {
    stage: Stage,
    /// Everything through here was marked as sent.
    marked: Sequence,
    backoff: Backoff,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    Paused {
        until: Millis,
    },
    InFlight {
        first: Sequence,
        last: Sequence,
        deadline: Millis,
        fetch: Option<u32>,
    },
}

/// What ended a batch early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    None,
    RetryLater { retry_after_ms: u64 },
    Gap { expected: Sequence },
    IdentityReused,
}

impl Push {
    pub(super) fn is_fetch(&self, id: u32) -> bool {
        matches!(self.stage, Stage::InFlight { fetch: Some(flight), .. } if flight == id)
    }

    /// The transport is gone. What was under way is sent again; a pause that the server asked for holds.
    pub(super) fn forget_flight(&mut self) {
        if matches!(self.stage, Stage::InFlight { .. }) {
            self.stage = Stage::Idle;
        }
    }

    pub(super) fn pause(&mut self, now: Millis, at_least_ms: u64, random: &mut Random) {
        self.stage = Stage::Paused { until: now + self.backoff.fail(random, at_least_ms) };
    }

    /// Storage has failed: what it was told may be lost.
    pub(super) fn distrust_marks(&mut self) {
        self.marked = Sequence(0);
    }

    /// When something is to be done about it.
    pub(super) fn deadline(&self) -> Option<Millis> {
        match self.stage {
            Stage::Idle => None,
            Stage::Paused { until } => Some(until),
            Stage::InFlight { deadline, .. } => Some(deadline),
        }
    }

    pub(super) fn end_pause(&mut self, now: Millis) {
        if matches!(self.stage, Stage::Paused { until } if now >= until) {
            self.stage = Stage::Idle;
        }
    }

    pub(super) fn is_overdue(&self, now: Millis) -> bool {
        matches!(self.stage, Stage::InFlight { deadline, .. } if now >= deadline)
    }
}

impl Client {
    /// Loads the next batch if one may be sent now.
    pub(super) fn push_next(&mut self, now: Millis) {
        self.push.end_pause(now);
        if self.work.is_some() || !self.is_linked() || !self.replica.has_undecided() || !matches!(self.push.stage, Stage::Idle) {
            return;
        }
        let after = Sequence(self.replica.first_undecided.0.saturating_sub(1));
        let load = Output::LoadOutbox { after, max_count: limits::MAX_PUSH_TRANSACTIONS, max_bytes: limits::MAX_PUSH_BYTES };
        self.ask_storage(Work::Load, load);
    }

    pub(super) fn loaded(&mut self, now: Millis, transactions: Vec<Transaction>) {
        self.work = None;
        let first = self.replica.first_undecided;
        let expected = (first.0..).map(Sequence);
        let batch: Vec<_> =
            transactions.into_iter().zip(expected).take(limits::MAX_PUSH_TRANSACTIONS).take_while(|(t, s)| t.sequence == *s).map(|(t, _)| t).collect();
        let Some(last) = batch.last().map(|transaction| transaction.sequence) else {
            return self.push.pause(now, 0, &mut self.random);
        };
        if last > self.push.marked {
            self.emit(Output::MarkSent { through: last });
            self.push.marked = last;
        }
        let frame = output::push_frame(self.replica.replica, batch);
        let fetch = if let Mode::Fetch(_) = self.mode {
            let Some(id) = self.fetch(now, frame) else { return };
            Some(id)
        } else {
            self.emit(Output::Send(frame));
            None
        };
        self.push.stage = Stage::InFlight { first, last, deadline: now + PUSH_TIMEOUT_MS, fetch };
    }

    pub(super) fn take_results(&mut self, now: Millis, source: Source, results: Results) {
        let Stage::InFlight { first, last, .. } = self.push.stage else { return self.violated(now, source) };
        let consecutive = results.results.iter().zip(first.0..=last.0).all(|(result, sequence)| result.sequence.0 == sequence);
        if results.results.is_empty() || results.results.len() as u64 > last.0 - first.0 + 1 || !consecutive {
            return self.violated(now, source);
        }
        self.push.stage = Stage::Idle;
        let (decided, tail) = split(results.results);
        if decided.is_empty() {
            return self.follow(now, tail);
        }
        self.push.backoff.reset();
        let lowest = decided.iter().filter_map(position).min();
        self.ask_storage(Work::Record { lowest, tail }, Output::Record(decided));
    }

    /// Outcomes are on disk. Those at or before the cursor will get no further checkpoint: they end here.
    pub(super) fn recorded(&mut self, now: Millis, lowest: Option<Position>, tail: Tail) {
        if self.replica.awaiting_checkpoint {
            self.hurry_pull(now);
        }
        let cursor = self.replica.cursor.filter(|cursor| self.collected.synced && lowest.is_some_and(|position| position <= cursor.position));
        if let Some(cursor) = cursor {
            return self.settle(cursor, tail);
        }
        self.follow(now, tail);
    }

    /// Does what the end of a batch asks for.
    pub(super) fn follow(&mut self, now: Millis, tail: Tail) {
        match tail {
            Tail::None => {}
            Tail::RetryLater { retry_after_ms } => self.push.pause(now, retry_after_ms, &mut self.random),
            Tail::Gap { expected } if expected < self.replica.first_undecided => {
                self.forget_outcomes(Sequence(expected.0.saturating_sub(1)), Some(expected));
            }
            Tail::Gap { .. } => self.push.pause(now, 0, &mut self.random),
            Tail::IdentityReused => self.take_new_identity(),
        }
    }

    pub(super) fn forget_outcomes(&mut self, after: Sequence, expected: Option<Sequence>) {
        self.ask_storage(Work::Forget { expected }, Output::ForgetOutcomes { after });
    }

    /// What the server has forgotten is undecided again, where we still hold it. About what is confirmed it is asked,
    /// before a checkpoint can take rows away.
    pub(super) fn forgotten(&mut self, now: Millis, expected: Option<Sequence>) {
        if expected.is_some_and(|expected| expected < self.replica.first_undecided) {
            self.take_new_identity();
        } else if !self.replica.doubtful.is_empty() {
            self.begin_again(now, 0);
        }
    }

    /// The server knows this replica id otherwise than we do: this database, or the server's, is a copy.
    pub(super) fn take_new_identity(&mut self) {
        self.ask_storage(Work::NewIdentity, Output::NewIdentity);
    }
}

fn split(results: Vec<TransactionResult>) -> (Vec<TransactionResult>, Tail) {
    let mut decided = Vec::with_capacity(results.len());
    for result in results {
        let tail = match result.outcome {
            Outcome::Applied { .. } | Outcome::Merged { .. } | Outcome::Rejected { .. } => {
                decided.push(result);
                continue;
            }
            Outcome::RetryLater { retry_after_ms, .. } => Tail::RetryLater { retry_after_ms },
            Outcome::Gap { expected } => Tail::Gap { expected },
            Outcome::IdentityReused => Tail::IdentityReused,
        };
        return (decided, tail);
    }
    (decided, Tail::None)
}

fn position(result: &TransactionResult) -> Option<Position> {
    match &result.outcome {
        Outcome::Applied { position } | Outcome::Merged { position, .. } | Outcome::Rejected { position, .. } => Some(*position),
        Outcome::RetryLater { .. } | Outcome::Gap { .. } | Outcome::IdentityReused => None,
    }
}
