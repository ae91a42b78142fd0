//! Rejected writes: reverted, and kept with their reason until the application has dealt with them.

use crate::outbox::{after_from_text, parse_changes};
use crate::whole::{self, WholeRow};
use crate::{StoreError, store::Store};
use rusqlite::{Connection, OptionalExtension, Row, params};
use seaworthy_protocol::{Changes, Conflict, Policy, Position, RejectData, Sequence, TransactionId};
use serde::Serialize;

/// How many confirmed transactions are remembered for [`Store::fate`].
const REMEMBERED: i64 = 10_000;

/// A write that the server rejected. Its effect is gone from the tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RejectedWrite {
    /// Its identity.
    pub id: TransactionId,
    /// A stable reason, such as `forbidden` or `constraint`.
    pub code: String,
    /// The reason in words.
    pub message: String,
    /// Where in the server's log it was decided.
    pub position: Position,
    /// When it was committed here, in milliseconds since 1970.
    pub committed_at_ms: i64,
    /// What it had changed, one object per row.
    pub changes: Changes,
    /// The rows over which it was rejected, where others had written: as it saw them, as it wanted them, and as the server had them.
    pub conflicts: Vec<Conflict>,
    /// How many more conflicting rows there were.
    pub conflicts_left_out: u32,
    /// The policy that decided, where rows conflicted.
    pub policy: Option<Policy>,
    /// Rejected writes that it builds on and that are kept here.
    pub builds_on: Vec<TransactionId>,
    /// Its number in the replica; 0 under a former identity.
    #[serde(skip)]
    pub(crate) sequence: Sequence,
    #[serde(skip)]
    pub(crate) after: Vec<Sequence>,
    /// The rows that it updated, whole.
    #[serde(skip)]
    pub(crate) whole: Vec<WholeRow>,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Fate {
    /// Still in the outbox.
    Pending,
    /// In the server's log, and in a checkpoint of this replica.
    Confirmed,
    /// Rejected, and kept.
    Rejected {
        /// The write and its reason.
        write: Box<RejectedWrite>,
    },
    /// Never made here, or so long ago that it is forgotten, or discarded.
    Unknown,
}

const COLUMNS: &str = "id, code, message, position, committed_at_ms, columns, seen, data, sequence, after, whole";

impl Store {
    /// Every rejected write that is kept, oldest decision first.
    pub fn rejected(&self) -> Result<Vec<RejectedWrite>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM seaworthy_rejected ORDER BY position, rowid"))?;
        let mut rows = statement.query([])?;
        let mut writes = Vec::new();
        while let Some(row) = rows.next()? {
            writes.push(from_row(&self.conn, row)?);
        }
        Ok(writes)
    }

    /// Drops a rejected write for good.
    pub fn discard(&mut self, id: TransactionId) -> Result<(), StoreError> {
        self.refuse_open()?;
        match remove(&self.conn, id)? {
            0 => Err(StoreError::UnknownWrite { id: id.to_string() }),
            _ => Ok(()),
        }
    }

    /// What became of a transaction, also after a reload.
    pub fn fate(&self, id: TransactionId) -> Result<Fate, StoreError> {
        const CONFIRMED: &str = "SELECT 1 FROM seaworthy_confirmed WHERE id = ?1";
        // There is no index over the ids of what is pending. What one asks about is most often new.
        const PENDING: &str = "SELECT 1 FROM seaworthy_outbox WHERE id = ?1 ORDER BY ordinal DESC";
        if let Some(write) = find(&self.conn, id)? {
            return Ok(Fate::Rejected { write: Box::new(write) });
        }
        if self.conn.prepare_cached(CONFIRMED)?.exists([id.0])? {
            return Ok(Fate::Confirmed);
        }
        let pending = self.conn.prepare_cached(PENDING)?.exists([id.0])?;
        Ok(if pending { Fate::Pending } else { Fate::Unknown })
    }
}

/// Moves an outbox entry to the rejected ones.
pub(crate) fn keep(conn: &Connection, ordinal: i64) -> Result<(), StoreError> {
    const SQL: &str = "INSERT OR REPLACE INTO seaworthy_rejected (id, position, code, message, data, columns, seen, sequence, after, whole, committed_at_ms)
        SELECT id, position, reject_code, reject_message, reject_data, columns, seen, sequence, after, whole, committed_at_ms FROM seaworthy_outbox WHERE ordinal = ?1";
    conn.prepare_cached(SQL)?.execute([ordinal])?;
    Ok(())
}

/// Remembers a confirmed transaction, and forgets the oldest.
pub(crate) fn confirm(conn: &Connection, id: TransactionId) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT OR IGNORE INTO seaworthy_confirmed (id) VALUES (?1)";
    const FORGET: &str = "DELETE FROM seaworthy_confirmed WHERE number <= ?1";
    conn.prepare_cached(INSERT)?.execute([id.0])?;
    conn.prepare_cached(FORGET)?.execute(params![conn.last_insert_rowid() - REMEMBERED])?;
    Ok(())
}

/// The replica has another id: numbers under the former one mean nothing.
pub(crate) fn renamed(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("UPDATE seaworthy_rejected SET sequence = 0, after = NULL", [])?;
    Ok(())
}

/// One rejected write.
pub(crate) fn find(conn: &Connection, id: TransactionId) -> Result<Option<RejectedWrite>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM seaworthy_rejected WHERE id = ?1"))?;
    statement.query_row([id.0], |row| Ok(from_row(conn, row))).optional()?.transpose()
}

/// Removes one.
pub(crate) fn remove(conn: &Connection, id: TransactionId) -> Result<usize, StoreError> {
    Ok(conn.prepare_cached("DELETE FROM seaworthy_rejected WHERE id = ?1")?.execute([id.0])?)
}

fn from_row(conn: &Connection, row: &Row<'_>) -> Result<RejectedWrite, StoreError> {
    let data: Option<String> = row.get(7)?;
    let damaged = |error: serde_json::Error| StoreError::Corrupt { message: format!("seaworthy_rejected: {error}") };
    let after = after_from_text(row.get::<_, Option<String>>(9)?.as_deref());
    let data: Option<RejectData> = data.as_deref().map(serde_json::from_str).transpose().map_err(damaged)?;
    Ok(RejectedWrite {
        id: TransactionId(row.get(0)?),
        code: row.get(1)?,
        message: row.get(2)?,
        position: Position(row.get::<_, i64>(3)? as u64),
        committed_at_ms: row.get(4)?,
        changes: parse_changes(&row.get::<_, String>(5)?, row.get_ref(6)?.as_blob().unwrap_or_default())?,
        conflicts_left_out: data.as_ref().map_or(0, |data| data.left_out),
        policy: data.as_ref().map(|data| data.policy),
        conflicts: data.map_or_else(Vec::new, |data| data.conflicts),
        builds_on: ids_of(conn, &after)?,
        sequence: Sequence(row.get::<_, i64>(8)? as u64),
        after,
        whole: whole::parse(row.get::<_, Option<String>>(10)?.as_deref())?,
    })
}

/// The rejected writes with these numbers.
fn ids_of(conn: &Connection, sequences: &[Sequence]) -> Result<Vec<TransactionId>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT id FROM seaworthy_rejected WHERE sequence = ?1")?;
    let mut ids = Vec::new();
    for sequence in sequences {
        ids.extend(statement.query_row([sequence.0 as i64], |row| row.get(0)).optional()?.map(TransactionId));
    }
    Ok(ids)
}
