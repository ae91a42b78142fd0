//! Local transactions: the statements, the captured changeset and the outbox entry commit together or
//! not at all.

use crate::call::{Call, Statement};
use crate::capture::Capture;
use crate::outbox::{self, NewEntry};
use crate::pending::Predecessors;
use crate::request::{self, Receipt};
use crate::touch::{self, Touch};
use crate::{StoreError, answer::Answer, store::Store, whole};
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{Changes, ChangesetError, Policy, Sequence, TransactionId, limits};
use std::collections::BTreeSet;

/// What a write brings from outside: randomness and the wall clock, which the store does not have, and a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The identity of the transaction, should it change anything synced.
    pub id: TransactionId,
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// What the write asks for where it meets another writer's change, if its tables ask for less.
    pub policy: Policy,
}

/// A committed write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The receipt.
    pub receipt: Receipt,
    /// The packed answer.
    pub buffer: Vec<u8>,
    /// This request had been committed before; nothing was done now.
    pub repeated: bool,
}

/// A transaction between its BEGIN and its end.
pub(crate) struct Open {
    capture: Capture,
    total_before: u64,
    changes: u64,
    writes: BTreeSet<String>,
    schema: bool,
}

/// A transaction whose entry and answer are written, before its COMMIT.
pub(crate) struct Kept {
    pub receipt: Receipt,
    pub entry: Option<Queued>,
    /// It changed something, so its answer is kept.
    pub is_change: bool,
    pub writes: BTreeSet<String>,
    pub schema: bool,
}

impl Store {
    /// Runs a call in one transaction of its own. A repeated request gives its first answer.
    pub fn write(&mut self, request: &str, stamp: Stamp, call: &Call) -> Result<Written, StoreError> {
        self.refuse_open()?;
        if let Some((receipt, buffer)) = request::find(&self.conn, request)? {
            return Ok(Written { receipt, buffer, repeated: true });
        }
        self.start()?;
        let buffer = self.run(call).inspect_err(|_| self.abort())?;
        let receipt = self.finish(request, stamp, &buffer)?;
        Ok(Written { receipt, buffer, repeated: false })
    }

    /// Runs a call that changes nothing. While a transaction is open it sees what that has done.
    pub fn read(&mut self, call: &Call) -> Result<Vec<u8>, StoreError> {
        self.run_statements(&call.statements, false, &mut |_| {})
    }

    /// Begins an interactive transaction. Until it ends, nothing else may run.
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.refuse_open()?;
        self.start()
    }

    /// Runs a call inside the interactive transaction. A failing statement leaves the ones before it standing.
    pub fn step(&mut self, call: &Call) -> Result<Vec<u8>, StoreError> {
        self.require_open()?;
        let result = self.run(call);
        if self.conn.is_autocommit() {
            self.open = None;
            return Err(match result {
                Err(StoreError::QuotaExceeded) => StoreError::QuotaExceeded,
                Err(error) => StoreError::RolledBack { cause: error.to_string() },
                Ok(_) => StoreError::RolledBack { cause: "a ROLLBACK".to_owned() },
            });
        }
        result
    }

    /// Commits the interactive transaction.
    pub fn commit(&mut self, request: &str, stamp: Stamp) -> Result<Receipt, StoreError> {
        self.require_open()?;
        self.finish(request, stamp, &[])
    }

    /// Rolls the interactive transaction back. Without one it does nothing.
    pub fn rollback(&mut self) -> Result<(), StoreError> {
        if self.open.is_some() {
            self.abort();
        }
        Ok(())
    }

    /// Whether an interactive transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    pub(crate) fn refuse_open(&self) -> Result<(), StoreError> {
        match self.open {
            Some(_) => Err(StoreError::TransactionState { what: "a transaction is open: wait until it ends" }),
            None => Ok(()),
        }
    }

    fn require_open(&self) -> Result<(), StoreError> {
        match self.open {
            Some(_) => Ok(()),
            None => Err(StoreError::TransactionState { what: "the transaction has ended: it was committed, rolled back, or ran out of time" }),
        }
    }

    pub(crate) fn start(&mut self) -> Result<(), StoreError> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
        self.begin_capture();
        Ok(())
    }

    /// From here on is captured what changes.
    pub(crate) fn begin_capture(&mut self) {
        let capture = Capture::begin(&self.conn, &self.shapes);
        let total_before = self.conn.total_changes();
        self.open = Some(Open { capture, total_before, changes: 0, writes: BTreeSet::new(), schema: false });
    }

    /// Part of what the open transaction changed was taken back, or may have been.
    pub(crate) fn doubt(&mut self) {
        if let Some(open) = &mut self.open {
            open.capture.doubt();
        }
    }

    /// Rolls back whatever is open. SQLite has already done so after some errors, and a second time is harmless.
    pub(crate) fn abort(&mut self) {
        self.open = None;
        if !self.conn.is_autocommit() {
            // A failing ROLLBACK leaves nothing else to do: the next BEGIN reports it.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
    }

    pub(crate) fn run(&mut self, call: &Call) -> Result<Vec<u8>, StoreError> {
        let Some(mut open) = self.open.take() else {
            return Err(StoreError::TransactionState { what: "no transaction is open" });
        };
        let result = self.run_statements(&call.statements, true, &mut |ran| {
            open.changes += ran.changes;
            open.schema |= ran.access.schema;
            if ran.access.takes_back {
                open.capture.doubt();
            }
            if ran.changes > 0 {
                open.writes.extend(ran.access.writes.iter().cloned());
            }
        });
        if result.is_err() {
            open.capture.doubt();
        }
        self.open = Some(open);
        result
    }

    fn run_statements(&mut self, statements: &[Statement], may_write: bool, ran: &mut dyn FnMut(&crate::query::Ran)) -> Result<Vec<u8>, StoreError> {
        let mut answer = Answer::new(statements.len());
        for statement in statements {
            let done = self.queries.run(&self.conn, statement, may_write)?;
            answer.push(done.changes, done.rows.as_ref());
            ran(&done);
        }
        Ok(answer.finish())
    }

    /// Writes the outbox entry and the answer, and commits. On any error everything is rolled back.
    pub(crate) fn finish(&mut self, request: &str, stamp: Stamp, buffer: &[u8]) -> Result<Receipt, StoreError> {
        let result = self.try_finish(request, stamp, buffer);
        if result.is_err() {
            self.abort();
        }
        result
    }

    fn try_finish(&mut self, request: &str, stamp: Stamp, buffer: &[u8]) -> Result<Receipt, StoreError> {
        let kept = self.keep(request, stamp, buffer)?;
        if kept.is_change {
            request::forget(&self.conn, &self.acknowledged)?;
        }
        point(Point::StoreWriteBeforeCommit);
        self.conn.prepare_cached("COMMIT")?.raw_execute()?;
        point(Point::StoreWriteAfterCommit);
        // Committed: from here on nothing may fail.
        if kept.is_change {
            self.acknowledged.clear();
            self.changed.extend(kept.writes);
        }
        if let Some(queued) = kept.entry {
            self.note(queued);
        }
        if kept.schema {
            self.schema_changed()?;
        }
        Ok(kept.receipt)
    }

    /// Ends the capture, and writes the outbox entry and the answer.
    pub(crate) fn keep(&mut self, request: &str, stamp: Stamp, buffer: &[u8]) -> Result<Kept, StoreError> {
        let Some(mut open) = self.open.take() else {
            return Err(StoreError::TransactionState { what: "no transaction is open" });
        };
        let changed = self.conn.total_changes() > open.total_before;
        let changeset = open.capture.changeset(&self.conn)?;
        drop(open.capture);
        point(Point::StoreWriteBeforeEntry);
        let entry = if changeset.is_empty() { None } else { Some(self.enqueue(stamp, &changeset)?) };
        point(Point::StoreWriteAfterEntry);
        let receipt = Receipt { id: entry.as_ref().map(|e| e.id), sequence: entry.as_ref().map(|e| e.sequence), changes: open.changes };
        let is_change = entry.is_some() || changed;
        if is_change {
            request::keep(&self.conn, request, &receipt, buffer)?;
        }
        Ok(Kept { receipt, entry, is_change, writes: open.writes, schema: open.schema })
    }

    /// Memory learns of an entry.
    pub(crate) fn note(&mut self, queued: Queued) {
        self.outbox.add(queued.ordinal, queued.sequence);
        if queued.stored {
            self.unindexed.clear();
        }
        self.unindexed.add(queued.ordinal, queued.sequence, queued.touches);
        self.last_sequence = queued.sequence;
    }

    fn enqueue(&self, stamp: Stamp, changeset: &[u8]) -> Result<Queued, StoreError> {
        if changeset.len() > limits::MAX_TRANSACTION_BYTES {
            return Err(StoreError::TransactionTooLarge { what: "bytes", limit: limits::MAX_TRANSACTION_BYTES });
        }
        let changes = Changes::from_changeset(changeset, |name| self.tables.get(name).map(|table| table.column_names())).map_err(refusal)?;
        let (after, touches) = self.connections(&changes)?;
        if after.len() > limits::MAX_AFTER {
            return Err(StoreError::TransactionTooLarge { what: "pending writes at once", limit: limits::MAX_AFTER });
        }
        let policy = self.policy_of(&changes).max(stamp.policy);
        let whole = if policy == Policy::Manual { whole::read(&self.conn, &self.tables, &changes)? } else { None };
        let (ordinal, sequence) = (self.outbox.last_ordinal + 1, self.last_sequence.next());
        let entry = NewEntry {
            ordinal,
            sequence,
            id: stamp.id,
            columns: &column_text(&changes)?,
            seen: changeset,
            base: self.identity.cursor,
            schema_version: self.schema_version,
            after: &after,
            policy,
            whole: whole.as_deref(),
            committed_at_ms: stamp.now_ms,
            touched: &touch::pack(&touches),
        };
        outbox::insert(&self.conn, &entry)?;
        let stored = self.unindexed.is_full();
        if stored {
            self.unindexed.store(&self.conn, self.outbox.last_ordinal)?;
        }
        Ok(Queued { ordinal, sequence, id: stamp.id, touches, stored })
    }

    /// What the changes build on, and what they touch.
    fn connections(&self, changes: &Changes) -> Result<(Vec<Sequence>, Vec<Touch>), StoreError> {
        let mut touches = touch::of_rows(changes);
        let builds_on = match self.outbox.entries {
            0 => Predecessors::default(),
            _ => self.unindexed.predecessors(&self.conn, &self.tables, changes, &touches)?,
        };
        touches.extend(builds_on.references);
        touches.extend(touch::of_values(&self.conn, &self.tables, changes)?);
        Ok((builds_on.after.into_iter().collect(), touch::in_order(touches)))
    }

    /// The strictest policy that the changed tables ask for.
    fn policy_of(&self, changes: &Changes) -> Policy {
        let policies = changes.tables.iter().filter_map(|table| self.tables.get(&table.name)).map(|table| table.policy);
        policies.max().unwrap_or_default()
    }
}

/// A new entry of the outbox.
pub(crate) struct Queued {
    ordinal: i64,
    sequence: Sequence,
    id: TransactionId,
    touches: Vec<Touch>,
    /// What had not been indexed was.
    pub stored: bool,
}

/// Why a captured changeset cannot be sent.
fn refusal(error: ChangesetError) -> StoreError {
    match error {
        ChangesetError::NotUtf8 { .. } => StoreError::InvalidText,
        ChangesetError::TooManyTables => StoreError::TransactionTooLarge { what: "tables", limit: limits::MAX_TABLES },
        ChangesetError::TooManyRows => StoreError::TransactionTooLarge { what: "rows", limit: limits::MAX_TRANSACTION_ROWS },
        ChangesetError::TooManyCells => StoreError::TransactionTooLarge { what: "values", limit: limits::MAX_TRANSACTION_CELLS },
        other => StoreError::Corrupt { message: format!("captured changeset: {other}") },
    }
}

/// The names that the changeset's columns stand for, as stored beside it.
fn column_text(changes: &Changes) -> Result<String, StoreError> {
    let names: std::collections::BTreeMap<&str, &[String]> = changes.tables.iter().map(|table| (table.name.as_str(), table.columns.as_slice())).collect();
    serde_json::to_string(&names).map_err(|e| StoreError::Corrupt { message: e.to_string() })
}
