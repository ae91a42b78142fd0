//! Rebase: what is pending, put on top of a new base.
//!
//! The definition is: undo newest first, apply the checkpoint, replay oldest first. A transaction that
//! cannot stand any more is masked whole, with those that build on it: it stays pending and is pushed,
//! and the server decides. Replay never rejects.

use crate::apply::{self, Batch};
use crate::capture::Capture;
use crate::outbox::{Entry, after_from_text, parse_changes};
use crate::{StoreError, checkpoint, store::Store};
use rusqlite::params;
use seaworthy_protocol::{Changes, Sequence};
use std::collections::{BTreeMap, BTreeSet};

/// What a rebase did.
#[derive(Default)]
pub(crate) struct Rebased {
    /// The entries that ended, with what they had changed.
    pub left: Vec<(i64, Changes)>,
    /// The entries that remain, and whether each is masked.
    pub masks: Vec<(i64, bool)>,
    pub changed: BTreeSet<String>,
}

struct Pending {
    ordinal: i64,
    sequence: Sequence,
    seen: Changes,
    /// `None`: as `seen`.
    undo: Option<Changes>,
    after: Vec<Sequence>,
    masked: bool,
}

/// Rebases inside the caller's transaction, with foreign keys, checks and synced triggers off.
pub(crate) fn rebase(store: &Store, batches: &[Batch<'_>], reset: bool, ends: &BTreeMap<i64, Entry>) -> Result<Rebased, StoreError> {
    let entries = load(store)?;
    let mut rebased = Rebased::default();
    for entry in entries.iter().rev().filter(|entry| !entry.masked) {
        apply::past_triggers(&store.conn, &apply::backward(entry.undo.as_ref().unwrap_or(&entry.seen), &store.tables), &store.triggers.local)?;
    }
    if reset {
        checkpoint::remove_unnamed(store, batches)?;
        rebased.changed.extend(store.tables.keys().cloned());
    }
    apply::past_triggers(&store.conn, batches, &store.triggers.local)?;
    let mut masked: BTreeSet<Sequence> = BTreeSet::new();
    for entry in entries {
        rebased.changed.extend(entry.seen.tables.iter().map(|table| table.name.clone()));
        if ends.contains_key(&entry.ordinal) {
            rebased.left.push((entry.ordinal, entry.seen));
            continue;
        }
        let stands = !entry.after.iter().any(|sequence| masked.contains(sequence)) && replay(store, &entry)?;
        if !stands {
            masked.insert(entry.sequence);
            mask(store, &entry)?;
        }
        rebased.masks.push((entry.ordinal, !stands));
    }
    Ok(rebased)
}

fn load(store: &Store) -> Result<Vec<Pending>, StoreError> {
    const SQL: &str = "SELECT ordinal, sequence, columns, seen, undo, after, masked FROM seaworthy_outbox ORDER BY ordinal";
    let mut statement = store.conn.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let columns: String = row.get(2)?;
        let undo = row.get_ref(4)?.as_blob_or_null().unwrap_or_default();
        entries.push(Pending {
            ordinal: row.get(0)?,
            sequence: Sequence(row.get::<_, i64>(1)? as u64),
            seen: parse_changes(&columns, row.get_ref(3)?.as_blob().unwrap_or_default())?,
            undo: undo
                .map(|bytes| Changes::from_changeset(bytes, |name| store.tables.get(name).map(|table| table.column_names())))
                .transpose()
                .map_err(|e| StoreError::Corrupt { message: e.to_string() })?,
            after: after_from_text(row.get::<_, Option<String>>(5)?.as_deref()),
            masked: row.get(6)?,
        });
    }
    Ok(entries)
}

/// Makes a pending transaction's changes again. `false`: it cannot stand, and nothing was changed.
fn replay(store: &Store, entry: &Pending) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE seaworthy_outbox SET undo = ?2, masked = 0 WHERE ordinal = ?1";
    let conn = &store.conn;
    conn.prepare_cached("SAVEPOINT replay")?.raw_execute()?;
    let capture = Capture::begin(conn, store.tables.values())?;
    let stands = match apply::past_triggers(conn, &apply::forward(&entry.seen, &store.tables), &store.triggers.local) {
        Ok(missing) => missing.0 == 0,
        Err(StoreError::ConstraintViolation { .. }) => false,
        Err(error) => return Err(error),
    };
    if stands {
        let undo = capture.changeset()?;
        let same = entry.undo.is_none() && undo == entry.seen.to_changeset();
        if !same || entry.masked {
            conn.prepare_cached(SQL)?.execute(params![entry.ordinal, undo])?;
        }
    } else {
        conn.prepare_cached("ROLLBACK TO replay")?.raw_execute()?;
    }
    drop(capture);
    conn.prepare_cached("RELEASE replay")?.raw_execute()?;
    Ok(stands)
}

fn mask(store: &Store, entry: &Pending) -> Result<(), StoreError> {
    if !entry.masked {
        store.conn.prepare_cached("UPDATE seaworthy_outbox SET masked = 1 WHERE ordinal = ?1")?.execute([entry.ordinal])?;
    }
    Ok(())
}
