//! Rejected writes made again: as they were, edited, or as a resolver decided.
//!
//! A write that met another writer's change under `manual` waits here with those that build on it. They are
//! one question to the resolver: `base` is what the first of them saw, `local` what the last of them wanted,
//! `remote` what this device holds now. The answer becomes one new transaction that ends them all. If what
//! was shown as `remote` has changed meanwhile nothing is written, and the question is asked again.

use crate::apply::{self, Batch, Edit};
use crate::rejected::{self, RejectedWrite};
use crate::request::{self, Receipt};
use crate::whole::{self, WholeRow};
use crate::{Stamp, StoreError, outbox, store::Store, trigger};
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{Changes, Conflict, Image, Op, Policy, RejectCode, RowChange, TableChanges, TransactionId, Value};
use serde::{Deserialize, Serialize};

/// A rejected write that a resolver may decide.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenConflict {
    /// The write that the server refused.
    pub id: TransactionId,
    /// The rows to decide, whole where this device has them whole.
    pub rows: Vec<Conflict>,
}

/// What a row is to be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Decision {
    /// The table.
    pub table: String,
    /// The primary key, by column.
    pub key: Image,
    /// The row that the decision was made over. A resolver's does not hold once it has changed.
    #[serde(default)]
    pub over: Option<Over>,
    /// The cells that the row is to have, without the key; `None`: no such row.
    pub row: Option<Image>,
}

/// A row as a resolver was shown it; `None`: there was none.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Over {
    /// Its cells, without the key.
    pub remote: Option<Image>,
}

impl Store {
    /// The rejected writes that wait for a resolver, oldest decision first.
    pub fn conflicts(&self) -> Result<Vec<OpenConflict>, StoreError> {
        let rejected = self.rejected()?;
        let mut open = Vec::new();
        for write in rejected.iter().filter(|write| is_manual(write)) {
            let chain = chain(write, &rejected);
            if !self.is_built_on(&chain)? {
                open.push(OpenConflict { id: write.id, rows: self.questions(write, &chain)? });
            }
        }
        Ok(open)
    }

    /// Makes a rejected write again, as a new transaction on top of what is there now. `edits` are cells that it is to
    /// have instead of its own. A repeated request gives its first answer.
    pub fn retry(&mut self, request: &str, id: TransactionId, stamp: Stamp, edits: &[Decision]) -> Result<Receipt, StoreError> {
        if let Some((receipt, _)) = request::find(&self.conn, request)? {
            return Ok(receipt);
        }
        let write = rejected::find(&self.conn, id)?.ok_or_else(|| StoreError::UnknownWrite { id: id.to_string() })?;
        self.remake(request, &[&write], edits, stamp)
    }

    /// Ends a conflict: commits what a resolver decided, with the rest of the write and of those that build on it.
    /// A repeated request gives its first answer.
    pub fn resolve(&mut self, request: &str, id: TransactionId, stamp: Stamp, decisions: &[Decision]) -> Result<Receipt, StoreError> {
        if let Some((receipt, _)) = request::find(&self.conn, request)? {
            return Ok(receipt);
        }
        let rejected = self.rejected()?;
        let write = rejected.iter().find(|write| write.id == id).ok_or_else(|| StoreError::UnknownWrite { id: id.to_string() })?;
        let chain = chain(write, &rejected);
        if self.is_built_on(&chain)? || self.has_moved(decisions)? {
            return Err(StoreError::ConflictMoved { id: id.to_string() });
        }
        self.remake(request, &chain, decisions, stamp)
    }

    /// Whether a pending write builds on one of these, so that the server's word on it is still to come.
    fn is_built_on(&self, chain: &[&RejectedWrite]) -> Result<bool, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT after FROM seaworthy_outbox WHERE after IS NOT NULL")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let after = outbox::after_from_text(row.get::<_, Option<String>>(0)?.as_deref());
            if chain.iter().any(|write| after.contains(&write.sequence)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_moved(&self, decisions: &[Decision]) -> Result<bool, StoreError> {
        for decision in decisions {
            let (Some(over), Some(table)) = (&decision.over, self.tables.get(&decision.table)) else { continue };
            if whole::current(&self.conn, table, &decision.key)? != over.remote {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn questions(&self, write: &RejectedWrite, chain: &[&RejectedWrite]) -> Result<Vec<Conflict>, StoreError> {
        let mut rows = Vec::new();
        for conflict in &write.conflicts {
            let Some(table) = self.tables.get(&conflict.table) else { continue };
            let remote = whole::current(&self.conn, table, &conflict.key)?;
            let (mut base, mut local) = (None, None);
            for (at, step) in chain.iter().filter_map(|write| Step::find(write, conflict)).enumerate() {
                if at == 0 {
                    base = step.before(remote.as_ref());
                }
                local = step.after(local.as_ref().or(remote.as_ref()));
            }
            rows.push(Conflict { base, local, remote, ..conflict.clone() });
        }
        Ok(rows)
    }

    fn remake(&mut self, request: &str, writes: &[&RejectedWrite], decisions: &[Decision], stamp: Stamp) -> Result<Receipt, StoreError> {
        self.refuse_open()?;
        self.conn.execute_batch("PRAGMA foreign_keys = OFF")?;
        let result = self.remake_with_triggers_off(request, writes, decisions, stamp);
        if result.is_err() {
            self.abort();
        }
        self.conn.execute_batch("PRAGMA foreign_keys = ON")?;
        let receipt = result?;
        self.changed.extend(writes.iter().flat_map(|write| &write.changes.tables).map(|table| table.name.clone()));
        Ok(receipt)
    }

    fn remake_with_triggers_off(&mut self, request: &str, writes: &[&RejectedWrite], decisions: &[Decision], stamp: Stamp) -> Result<Receipt, StoreError> {
        self.start()?;
        // Single edits are taken back and made in another order.
        self.doubt();
        trigger::suspend(&self.conn, &self.triggers.synced)?;
        for write in writes {
            let rest = without(&write.changes, decisions);
            self.make(&apply::forward(&rest, &self.tables))?;
        }
        for decision in decisions {
            self.make(&self.decided(decision)?)?;
        }
        trigger::resume(&self.conn, &self.triggers.synced)?;
        for write in writes {
            rejected::remove(&self.conn, write.id)?;
        }
        point(Point::StoreRetryBeforeEntry);
        self.finish(request, stamp, &[])
    }

    fn make(&self, batches: &[Batch<'_>]) -> Result<(), StoreError> {
        match apply::past_triggers(&self.conn, batches, &self.triggers.local) {
            Ok(missing) if missing.0 > 0 => Err(StoreError::CannotRetry { reason: "a row that it changes is gone".to_owned() }),
            Ok(_) => Ok(()),
            Err(StoreError::ConstraintViolation { message, .. }) => Err(StoreError::CannotRetry { reason: message }),
            Err(error) => Err(error),
        }
    }

    /// A decision as an edit: what it does not name stays.
    fn decided<'a>(&'a self, decision: &'a Decision) -> Result<[Batch<'a>; 1], StoreError> {
        let unknown = |what: &str| StoreError::CannotRetry { reason: format!("{what} is not known here") };
        let table = self.tables.get(&decision.table).ok_or_else(|| unknown(&format!("table {:?}", decision.table)))?;
        let place = |name: &String| table.column(name).ok_or_else(|| unknown(&format!("column {:?} of {:?}", name, table.name)));
        let key: Vec<&Value> = table.key.iter().map(|at| decision.key.get(&table.columns[*at].name).unwrap_or(&Value::Null)).collect();
        let edit = match &decision.row {
            None => Edit::Remove(key),
            Some(row) => {
                let mut cells = Vec::with_capacity(row.len());
                for (name, value) in row.iter().filter(|(name, _)| !decision.key.contains_key(*name)) {
                    cells.push((place(name)?, value));
                }
                match whole::current(&self.conn, table, &decision.key)? {
                    Some(_) => Edit::Set(key, cells),
                    None => Edit::Put(table.key.iter().copied().zip(key).chain(cells).collect()),
                }
            }
        };
        Ok([Batch { table, edits: vec![edit] }])
    }
}

/// Whether a resolver may decide: it must have been shown every row.
fn is_manual(write: &RejectedWrite) -> bool {
    write.code == RejectCode::Conflict.as_str() && write.policy == Some(Policy::Manual) && write.conflicts_left_out == 0
}

/// The write and those that were rejected because they build on it, in order.
fn chain<'a>(write: &'a RejectedWrite, rejected: &'a [RejectedWrite]) -> Vec<&'a RejectedWrite> {
    let mut chain = vec![write];
    let mut dependents: Vec<&RejectedWrite> = rejected.iter().filter(|other| other.code == RejectCode::DependsOn.as_str()).collect();
    dependents.sort_by_key(|other| other.sequence);
    for other in dependents {
        if chain.iter().any(|former| other.after.contains(&former.sequence)) {
            chain.push(other);
        }
    }
    chain
}

/// What one write did to one row.
struct Step<'a> {
    group: &'a TableChanges,
    change: &'a RowChange,
    /// The row after it.
    whole: Option<&'a WholeRow>,
}

impl<'a> Step<'a> {
    fn find(write: &'a RejectedWrite, conflict: &Conflict) -> Option<Self> {
        let (group, change) = rows(&write.changes).find(|(group, change)| is_row(group, change, &conflict.table, &conflict.key))?;
        let whole = write.whole.iter().find(|row| row.table == conflict.table && row.key == conflict.key);
        Some(Self { group, change, whole })
    }

    /// The row before it. Cells that were not kept are as `other` has them.
    fn before(&self, other: Option<&Image>) -> Option<Image> {
        match self.change.op {
            Op::Insert => None,
            _ => Some(self.over(&self.change.old, other)),
        }
    }

    /// The row after it.
    fn after(&self, other: Option<&Image>) -> Option<Image> {
        match self.change.op {
            Op::Delete => None,
            _ => Some(self.over(&self.change.new, other)),
        }
    }

    fn over(&self, cells: &[Option<Value>], other: Option<&Image>) -> Image {
        let mut image = self.whole.map(|whole| whole.row.clone()).or_else(|| other.cloned()).unwrap_or_default();
        let named = self.group.columns.iter().zip(cells).enumerate().filter(|(at, _)| !self.group.is_key(*at));
        image.extend(named.filter_map(|(_, (name, value))| Some((name.clone(), value.clone()?))));
        image
    }
}

fn rows(changes: &Changes) -> impl Iterator<Item = (&TableChanges, &RowChange)> {
    changes.tables.iter().flat_map(|group| group.rows.iter().map(move |change| (group, change)))
}

fn is_row(group: &TableChanges, change: &RowChange, table: &str, key: &Image) -> bool {
    group.name == table && group.key_columns().into_iter().zip(group.key_of(change)).all(|(name, value)| key.get(name) == Some(value))
}

/// The changes of other rows than the decided ones.
fn without(changes: &Changes, decisions: &[Decision]) -> Changes {
    let mut rest = changes.clone();
    for group in &mut rest.tables {
        let mut rows = std::mem::take(&mut group.rows);
        rows.retain(|change| !decisions.iter().any(|decision| is_row(group, change, &decision.table, &decision.key)));
        group.rows = rows;
    }
    rest
}
