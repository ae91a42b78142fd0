//! Applying a checkpoint: remote rows beneath what is pending, in one SQLite transaction.

use crate::apply::{Batch, Edit};
use crate::outbox::Entry;
use crate::rejected::{self, RejectedWrite};
use crate::table::{Table, quote};
use crate::{StoreError, apply, query, rebase, store::Store, trigger};
use seaworthy_protocol::{Checkpoint, Rows, Sequence, TransactionId, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What a checkpoint brought to an end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Transactions whose effect is now part of the base.
    pub confirmed: Vec<TransactionId>,
    /// Transactions whose effect is gone.
    pub rejected: Vec<RejectedWrite>,
}

impl Store {
    /// Applies a checkpoint, and ends every entry whose outcome stands at or before it. No reader sees a
    /// part of it. It never fails on a constraint of the application's. `now_ms` is what the application may show as
    /// the time of the last synchronisation.
    pub fn apply(&mut self, rows: &[Rows], checkpoint: &Checkpoint, now_ms: i64) -> Result<Applied, StoreError> {
        self.refuse_open()?;
        let batches = resolve(rows, &self.tables)?;
        self.conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")?;
        let result = apply_in_transaction(self, &batches, checkpoint, now_ms);
        if result.is_err() {
            self.abort();
        }
        self.conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF")?;
        // Committed: from here on memory follows, and nothing may fail.
        let done = result?;
        for (ordinal, changes) in &done.left {
            self.pending.remove(*ordinal, changes);
            self.outbox.remove(*ordinal);
        }
        for (ordinal, masked) in done.masks {
            self.outbox.entries.entry(ordinal).and_modify(|entry| entry.masked = masked);
        }
        self.identity = done.identity;
        self.changed.extend(done.changed);
        Ok(done.applied)
    }
}

/// What memory must know after the COMMIT.
pub(crate) struct Done {
    pub applied: Applied,
    pub left: Vec<(i64, seaworthy_protocol::Changes)>,
    pub masks: Vec<(i64, bool)>,
    pub identity: crate::identity::Identity,
    pub changed: BTreeSet<String>,
}

fn apply_in_transaction(store: &Store, batches: &[Batch<'_>], checkpoint: &Checkpoint, now_ms: i64) -> Result<Done, StoreError> {
    let conn = &store.conn;
    conn.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
    trigger::suspend(conn, &store.triggers.synced)?;
    let ends: BTreeMap<i64, Entry> = store
        .outbox
        .entries
        .iter()
        .filter(|(_, entry)| entry.decided.is_some_and(|d| d.position <= checkpoint.cursor.position))
        .map(|(ordinal, entry)| (*ordinal, *entry))
        .collect();
    let mut changed: BTreeSet<String> = batches.iter().filter(|batch| !batch.edits.is_empty()).map(|batch| batch.table.name.clone()).collect();
    let apart = ends.is_empty() && !checkpoint.reset && !store.outbox.entries.values().any(|entry| entry.masked) && !meets_pending(store, batches);
    // Where nothing meets, the new base can go in beneath what is pending without moving it.
    let rebased = if apart {
        apply::past_triggers(conn, batches, &store.triggers.local)?;
        rebase::Rebased::default()
    } else {
        rebase::rebase(store, batches, checkpoint.reset, &ends)?
    };
    let mut applied = Applied::default();
    for (ordinal, entry) in &ends {
        let is_rejected = entry.decided.is_some_and(|d| d.rejected);
        if is_rejected {
            rejected::keep(conn, *ordinal)?;
            applied.rejected.extend(rejected::find(conn, entry.id)?);
        } else {
            rejected::confirm(conn, entry.id)?;
            applied.confirmed.push(entry.id);
        }
        conn.prepare_cached("DELETE FROM seaworthy_outbox WHERE ordinal = ?1")?.execute([ordinal])?;
    }
    let mut identity = store.identity.clone();
    identity.cursor = Some(checkpoint.cursor);
    identity.last_synced_at_ms = Some(now_ms);
    let left = ends.values().map(|entry| entry.sequence).max().unwrap_or(Sequence(0));
    identity.left_through = identity.left_through.max(left);
    identity.save(conn)?;
    trigger::resume(conn, &store.triggers.synced)?;
    conn.prepare_cached("COMMIT")?.raw_execute()?;
    changed.extend(rebased.changed);
    Ok(Done { applied, left: rebased.left, masks: rebased.masks, identity, changed })
}

/// Whether remote rows and pending ones may meet: by their keys, or by UNIQUE values of other rows.
fn meets_pending(store: &Store, batches: &[Batch<'_>]) -> bool {
    let pending = &store.pending;
    let meets = |batch: &Batch<'_>| {
        let table = batch.table;
        let by_key = || batch.edits.iter().any(|edit| pending.meets(&table.name, edit.key(table).into_iter()));
        pending.touches(&table.name) && !batch.edits.is_empty() && (table.unique || by_key())
    };
    batches.iter().any(meets)
}

impl<'a> Edit<'a> {
    /// The primary key of the row that the edit is about.
    pub(crate) fn key(&self, table: &Table) -> Vec<&'a Value> {
        match self {
            Edit::Remove(key) | Edit::Set(key, _) => key.clone(),
            Edit::Put(cells) => table.key.iter().filter_map(|at| cells.iter().find(|(column, _)| column == at)).map(|(_, value)| *value).collect(),
        }
    }
}

/// Rows as edits. Tables and columns that are not known here are left out; a key that differs is refused.
fn resolve<'a>(rows: &'a [Rows], tables: &'a BTreeMap<String, Table>) -> Result<Vec<Batch<'a>>, StoreError> {
    let mut batches = Vec::new();
    for group in rows {
        let Some(table) = tables.get(&group.table) else { continue };
        let mismatch = |what: String| StoreError::SchemaMismatch { differences: vec![format!("table {} of the server {what}", table.name)] };
        let places: Vec<Option<usize>> = group.columns.iter().map(|name| table.column(name)).collect();
        let key: Vec<usize> =
            table.key.iter().map(|at| group.key.iter().position(|name| *name == table.columns[*at].name)).collect::<Option<_>>().unwrap_or_default();
        if key.len() != group.key.len() || key.len() != table.key.len() || (!group.rows.is_empty() && table.key.iter().any(|at| !places.contains(&Some(*at)))) {
            return Err(mismatch(format!("has the key ({})", group.key.join(", "))));
        }
        let mut edits = Vec::with_capacity(group.rows.len() + group.gone.len());
        for gone in &group.gone {
            let values: Option<Vec<&Value>> = key.iter().map(|at| gone.get(*at)).collect();
            edits.push(Edit::Remove(values.ok_or_else(|| mismatch("sent a key that is too short".to_owned()))?));
        }
        for row in &group.rows {
            if row.len() != group.columns.len() {
                return Err(mismatch("sent a row that does not fit its columns".to_owned()));
            }
            edits.push(Edit::Put(places.iter().zip(row).filter_map(|(at, value)| Some(((*at)?, value))).collect()));
        }
        batches.push(Batch { table, edits });
    }
    Ok(batches)
}

/// Removes every row of the synced tables that a reset does not name.
pub(crate) fn remove_unnamed(store: &Store, batches: &[Batch<'_>]) -> Result<(), StoreError> {
    for table in store.tables.values() {
        let named: HashSet<Vec<&Value>> = batches
            .iter()
            .filter(|batch| batch.table.name == table.name)
            .flat_map(|batch| &batch.edits)
            .filter(|edit| matches!(edit, Edit::Put(_)))
            .map(|edit| edit.key(table))
            .collect();
        let columns: Vec<_> = table.key.iter().map(|at| quote(&table.columns[*at].name)).collect();
        let mut unnamed = Vec::new();
        let mut statement = store.conn.prepare(&format!("SELECT {} FROM {}", columns.join(", "), quote(&table.name)))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key: Vec<Value> = (0..columns.len()).map(|at| row.get_ref(at).map(query::owned)).collect::<Result<_, _>>()?;
            if !named.contains(&key.iter().collect::<Vec<_>>()) {
                unnamed.push(key);
            }
        }
        let edits = unnamed.iter().map(|key| Edit::Remove(key.iter().collect())).collect();
        apply::past_triggers(&store.conn, &[Batch { table, edits }], &store.triggers.local)?;
    }
    Ok(())
}
