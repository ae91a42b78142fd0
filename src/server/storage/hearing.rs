//! What write handlers are shown of a transaction, and what they said about it.
//!
//! They are asked before any database transaction and without a lock. What they said is therefore bound to
//! the rows that they were shown, which are compared where the transaction is decided: rows that have changed
//! by then are shown again. A row that changed and changed back is the same row.

use super::{
    change::Change,
    decide::{self, Stopped},
    error::StorageError,
    replica,
    stream::Streams,
};
use rusqlite::Connection;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Op, ReplicaId, RewrittenRow, RowKey, Transaction, Value};
use std::collections::BTreeMap;

/// What a handler is shown of the server's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The tables that the transaction names.
    pub tables: BTreeMap<String, ShownTable>,
    /// Per change, in its order, the server's row as far as the writer may read it: a value per column.
    pub rows: Vec<Option<Vec<Value>>>,
}

/// How a table replicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownTable {
    /// Every column, in the table's order.
    pub columns: Vec<String>,
    /// The columns of the primary key, in the table's order.
    pub key: Vec<String>,
}

/// What the handlers of a transaction said. Without a refusal and without cells: as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// What they were shown.
    pub shown: Shown,
    /// Why not.
    pub refusal: Option<Refusal>,
    /// The cells to set, by the number of the change.
    pub cells: BTreeMap<usize, Vec<(String, Value)>>,
}

/// A handler's no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code that the client gets.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Whether the handlers of a transaction were heard.
#[derive(Clone, Copy, Debug)]
pub enum Hearing<'r> {
    /// It has none.
    NotNeeded,
    /// They were not asked: only what needs none of them can be answered.
    Missing,
    /// They were.
    Held(&'r Ruling),
}

/// What the handlers of a transaction are to be shown, in one snapshot. Nothing where they need not be asked,
/// because it was decided before, or is not next, or cannot be accepted anyway.
pub fn show(conn: &Connection, streams: &Streams, principal: &Principal, replica: ReplicaId, transaction: &Transaction) -> Result<Option<Shown>, StorageError> {
    let snapshot = conn.unchecked_transaction()?;
    let last = replica::find(&snapshot, &principal.user, replica)?.unwrap_or_default();
    if transaction.sequence != last.next()
        || replica::seen_id(&snapshot, &principal.user, transaction)?.is_some()
        || replica::first_rejected(&snapshot, replica, &transaction.after)?.is_some()
    {
        return Ok(None);
    }
    let changes = match decide::examine(&snapshot, streams, principal, replica, transaction) {
        Ok(changes) => changes,
        Err(Stopped::Failed(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    let stream = |change: &Change<'_>| (change.stream.name.clone(), ShownTable { columns: change.stream.columns.clone(), key: change.stream.key.clone() });
    Ok(Some(Shown { tables: changes.iter().map(stream).collect(), rows: rows(&snapshot, principal, &changes)? }))
}

fn rows(conn: &Connection, principal: &Principal, changes: &[Change<'_>]) -> Result<Vec<Option<Vec<Value>>>, StorageError> {
    changes.iter().map(|change| Ok(change.stream.readable_row(conn, principal, &change.key)?)).collect()
}

impl Hearing<'_> {
    /// Holds what was said against the rows as they are now. Answers a refusal, or rewrites the changes.
    ///
    /// # Errors
    /// [`StorageError::Moved`] when the handlers have yet to be asked about these rows.
    pub fn hold(self, conn: &Connection, principal: &Principal, changes: &mut [Change<'_>]) -> Result<Option<Refusal>, StorageError> {
        let ruling = match self {
            Self::NotNeeded => return Ok(None),
            Self::Missing => return Err(StorageError::Moved),
            Self::Held(ruling) => ruling,
        };
        if ruling.shown.rows != rows(conn, principal, changes)? {
            return Err(StorageError::Moved);
        }
        if ruling.refusal.is_some() {
            return Ok(ruling.refusal.clone());
        }
        for (at, cells) in &ruling.cells {
            changes.get_mut(*at).map_or(Err(StorageError::Moved), |change| set(change, cells))?;
        }
        Ok(None)
    }

    /// The rows of an applied transaction that a handler changed, as they stand now. What was dropped is not among them.
    pub fn rewritten(self, conn: &Connection, principal: &Principal, changes: &[Change<'_>], dropped: &[RowKey]) -> Result<Vec<RewrittenRow>, StorageError> {
        let Self::Held(ruling) = self else { return Ok(Vec::new()) };
        let mut rewritten = Vec::with_capacity(ruling.cells.len());
        for (at, cells) in &ruling.cells {
            let Some(change) = changes.get(*at).filter(|change| !dropped.contains(&change.row_key())) else { continue };
            let row = change.stream.readable_row(conn, principal, &change.key)?.unwrap_or_default();
            let named = change.stream.columns.iter().zip(row);
            let new = named.filter(|(name, _)| cells.iter().any(|(cell, _)| cell == *name)).map(|(name, value)| (name.clone(), value)).collect();
            rewritten.push(RewrittenRow { table: change.stream.name.clone(), key: change.key.clone(), new });
        }
        Ok(rewritten)
    }
}

/// Sets cells of a row that comes or changes. Whatever the handler was shown, only columns that replicate pass.
fn set(change: &mut Change<'_>, cells: &[(String, Value)]) -> Result<(), StorageError> {
    let stream = change.stream;
    for (name, value) in cells {
        let Some(name) = stream.columns.iter().find(|column| *column == name && !stream.key.contains(column)) else { return Err(StorageError::Moved) };
        if change.op == Op::Delete {
            return Err(StorageError::Moved);
        }
        match change.cells.iter_mut().find(|(cell, _)| cell == name) {
            Some((_, former)) => former.clone_from(value),
            None => change.cells.push((name, value.clone())),
        }
    }
    Ok(())
}
