//! Applying a checkpoint: remote rows beneath what is pending, in one SQLite transaction.

use crate::apply::{Batch, Edit};
use crate::book::{self, Booked};
use crate::incoming::{self, Frame};
use crate::outbox::{self, Ending, Outbox};
use crate::rebase::NewBase;
use crate::rejected::{self, RejectedWrite};
use crate::table::{Table, quote};
use crate::{StoreError, apply, kept, query, rebase, store::Store, touch, trigger};
use seaworthy_engine::client::Divergence;
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{BucketId, Checkpoint, Rows, Sequence, TransactionId, Value};
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// What a checkpoint brought to an end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Transactions whose effect is now part of the base.
    pub confirmed: Vec<TransactionId>,
    /// Transactions whose effect is gone.
    pub rejected: Vec<RejectedWrite>,
    /// How many pending transactions were taken up, since they meet it or others that do.
    pub moved: u64,
    /// [`Store::streams`] answers something else.
    pub streams: bool,
    /// A bucket does not hold what the server says, and is to be fetched anew.
    pub diverged: Option<Divergence>,
}

impl Store {
    /// Applies a checkpoint, and ends every entry whose outcome stands at or before it, unless it is `partial`. No reader
    /// sees a part of it. Where it says what the server knows of the doubtful writes ([`Store::replica`]), the others are
    /// rejected as lost. It never fails on a constraint of the application's. `now_ms` is what the application may show as
    /// the time of the last synchronisation.
    pub fn apply(&mut self, rows: &[Rows], checkpoint: &Checkpoint, now_ms: i64) -> Result<Applied, StoreError> {
        self.refuse_open()?;
        let frames = incoming::read(rows, checkpoint, &self.tables)?;
        let done = unconstrained(self, |store| apply_in_transaction(store, &frames, checkpoint, now_ms))?;
        // Committed: from here on memory follows, and nothing may fail.
        self.unindexed.clear();
        self.outbox = done.outbox;
        self.identity = done.identity;
        self.doubtful = done.doubtful;
        self.buckets = done.buckets;
        self.changed.extend(done.changed);
        Ok(done.applied)
    }

    /// Brings the index of what is pending up to the UNIQUE indexes that there are now. Where they changed, whatever is
    /// pending is undone and replayed under them.
    pub(crate) fn index_pending(&mut self) -> Result<(), StoreError> {
        let uniques = touch::fingerprint(&self.tables);
        let indexed: Option<i64> = self.conn.query_row("SELECT uniques FROM seaworthy_replica", [], |row| row.get(0))?;
        if indexed == Some(uniques) {
            return Ok(());
        }
        let changed = unconstrained(self, |store| {
            let rebased = rebase::rebase_all(store, &NewBase { batches: &[], reset: false, ends: &BTreeSet::new() })?;
            store.conn.execute("UPDATE seaworthy_replica SET uniques = ?1", [uniques])?;
            Ok(rebased.changed)
        })?;
        self.unindexed.clear();
        self.changed.extend(changed);
        Ok(())
    }
}

/// Runs a transaction in which rows are put into a wanted state: with foreign keys, checks and synced triggers off.
fn unconstrained<T>(store: &Store, run: impl FnOnce(&Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
    store.conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")?;
    let result = transaction(store, run);
    if result.is_err() && !store.conn.is_autocommit() {
        // A failing ROLLBACK leaves nothing else to do: the next BEGIN reports it.
        let _ = store.conn.execute_batch("ROLLBACK");
    }
    store.conn.execute_batch("PRAGMA foreign_keys = ON; PRAGMA ignore_check_constraints = OFF")?;
    result
}

fn transaction<T>(store: &Store, run: impl FnOnce(&Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let conn = &store.conn;
    conn.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
    trigger::suspend(conn, &store.triggers.synced)?;
    store.unindexed.store(conn, store.outbox.last_ordinal)?;
    let done = run(store)?;
    trigger::resume(conn, &store.triggers.synced)?;
    point(Point::StoreApplyBeforeCommit);
    conn.prepare_cached("COMMIT")?.raw_execute()?;
    point(Point::StoreApplyAfterCommit);
    Ok(done)
}

/// What memory must know after the COMMIT.
struct Done {
    applied: Applied,
    outbox: Outbox,
    identity: crate::identity::Identity,
    doubtful: Arc<[TransactionId]>,
    buckets: Arc<[BucketId]>,
    changed: BTreeSet<String>,
}

fn apply_in_transaction(store: &Store, frames: &[Frame<'_>], checkpoint: &Checkpoint, now_ms: i64) -> Result<Done, StoreError> {
    let conn = &store.conn;
    // Where more is to come, what is pending may be about rows that are not here yet.
    let endings = if checkpoint.partial { Vec::new() } else { store.outbox.endings(conn, checkpoint.cursor.position)? };
    let Booked { removed, diverged, changed: streams } = book::enter(conn, frames, checkpoint, &store.tables)?;
    let batches = &incoming::batches(frames, &removed, &store.tables);
    let base = NewBase { batches, reset: checkpoint.reset, ends: &endings.iter().map(|ending| ending.ordinal).collect() };
    let whole = checkpoint.reset || store.outbox.entries == 0;
    let rebased = if whole { rebase::rebase_all(store, &base)? } else { rebase::rebase(store, &base)? };
    let mut applied = Applied { moved: rebased.moved, streams, diverged, ..Applied::default() };
    let mut kept_through = store.identity.kept_through;
    for ending in &endings {
        end(store, ending, &mut applied)?;
        if !ending.rejected {
            kept_through = kept_through.max(ending.sequence);
        }
    }
    let mut doubtful = store.doubtful.clone();
    if let Some(known) = &checkpoint.known {
        applied.rejected.extend(kept::answered(conn, &doubtful, known, checkpoint)?);
        doubtful = kept::doubtful(conn)?;
    }
    point(Point::StoreApplyEnded);
    let mut identity = store.identity.clone();
    identity.kept_through = kept_through;
    identity.cursor = Some(checkpoint.cursor);
    if !checkpoint.partial {
        identity.last_synced_at_ms = Some(now_ms);
    }
    let left = endings.iter().map(|ending| ending.sequence).max().unwrap_or(Sequence(0));
    identity.left_through = identity.left_through.max(left);
    identity.save(conn)?;
    let outbox = store.outbox.after(conn, endings.len())?;
    let mut changed: BTreeSet<String> = batches.iter().filter(|batch| !batch.edits.is_empty()).map(|batch| batch.table.name.clone()).collect();
    changed.extend(rebased.changed);
    let buckets = if streams { book::whole(conn)? } else { store.buckets.clone() };
    Ok(Done { applied, outbox, identity, doubtful, buckets, changed })
}

/// Takes an entry that is no longer shown out of the outbox.
fn end(store: &Store, ending: &Ending, applied: &mut Applied) -> Result<(), StoreError> {
    let conn = &store.conn;
    if ending.rejected {
        rejected::keep(conn, ending.ordinal)?;
        applied.rejected.extend(rejected::find(conn, ending.id)?);
    } else {
        rejected::confirm(conn, ending.id)?;
        kept::keep(conn, ending.ordinal)?;
        applied.confirmed.push(ending.id);
    }
    outbox::remove(conn, ending.ordinal)
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

/// Removes every row of the synced tables that a reset does not name.
pub(crate) fn remove_unnamed(store: &Store, batches: &[Batch<'_>]) -> Result<(), StoreError> {
    for table in store.tables.values() {
        let named: LazyCell<HashSet<Vec<&Value>>, _> = LazyCell::new(|| {
            let edits = batches.iter().filter(|batch| batch.table.name == table.name).flat_map(|batch| &batch.edits);
            edits.filter(|edit| matches!(edit, Edit::Put(_))).map(|edit| edit.key(table)).collect()
        });
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
