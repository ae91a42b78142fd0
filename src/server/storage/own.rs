//! What the earlier transactions of a replica left here, where a later one was made before it knew.
//!
//! A trigger or a write handler may have changed a value on its way in; the writer, who still saw its own, must
//! not conflict with itself. It is read from the log, and from the outcome where a handler put back what was
//! there before, so that nothing changed. Both only once something differs. Compaction keeps those
//! entries of the log that can answer something else than the writer knew.

use super::{
    change::Change,
    error::{RecordError, StorageError},
};
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_protocol::{Changes, Image, Op, Outcome, ReplicaId, RowChange, Sequence, TableChanges, Value};
use std::collections::HashMap;

/// How many of the transactions that one builds on are looked at, newest first.
const MAX_READ: usize = 1000;

/// The transactions of a replica that one builds on.
pub struct Own<'c> {
    conn: &'c Connection,
    replica: ReplicaId,
    after: &'c [Sequence],
    rows: Option<HashMap<(String, Vec<Value>), Left>>,
}

/// A row as they left it.
#[derive(Default)]
struct Left {
    cells: HashMap<String, Value>,
    /// It came or went with what was read last: older transactions say nothing more about it.
    is_whole: bool,
    is_gone: bool,
}

impl<'c> Own<'c> {
    /// Reads nothing yet.
    pub fn new(conn: &'c Connection, replica: ReplicaId, after: &'c [Sequence]) -> Self {
        Self { conn, replica, after, rows: None }
    }

    /// The value that they left in a cell.
    pub fn left_cell(&mut self, change: &Change<'_>, column: &str) -> Result<Option<&Value>, StorageError> {
        Ok(self.left(change)?.and_then(|left| left.cells.get(column)))
    }

    /// Whether they left a row.
    pub fn left_row(&mut self, change: &Change<'_>) -> Result<bool, StorageError> {
        Ok(self.left(change)?.is_some_and(|left| !left.is_gone))
    }

    /// Whether they removed the row.
    pub fn left_none(&mut self, change: &Change<'_>) -> Result<bool, StorageError> {
        Ok(self.left(change)?.is_some_and(|left| left.is_gone))
    }

    fn left(&mut self, change: &Change<'_>) -> Result<Option<&Left>, StorageError> {
        if self.rows.is_none() {
            self.rows = Some(read(self.conn, self.replica, self.after)?);
        }
        let identity = (change.stream.name.clone(), change.key.clone());
        Ok(self.rows.as_ref().and_then(|rows| rows.get(&identity)))
    }
}

fn read(conn: &Connection, replica: ReplicaId, after: &[Sequence]) -> Result<HashMap<(String, Vec<Value>), Left>, StorageError> {
    const CAPTURED: &str = "
        SELECT log.changes, seen.outcome FROM seaworthy_seen AS seen JOIN seaworthy_log AS log USING (position)
        WHERE seen.replica = ?1 AND seen.sequence = ?2 AND NOT seen.rejected";
    let mut newest_first = after.to_vec();
    newest_first.sort_unstable_by(|one, other| other.cmp(one));
    let mut rows: HashMap<(String, Vec<Value>), Left> = HashMap::new();
    let mut statement = conn.prepare_cached(CAPTURED)?;
    for sequence in newest_first.into_iter().take(MAX_READ) {
        let sequence = i64::try_from(sequence.0).unwrap_or(i64::MAX);
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?));
        let Some((captured, outcome)) = statement.query_row(params![replica.0, sequence], row).optional()? else { continue };
        let captured: Changes = rmp_serde::from_slice(&captured).map_err(RecordError::from)?;
        let outcome: Outcome = rmp_serde::from_slice(&outcome).map_err(RecordError::from)?;
        for table in &captured.tables {
            for row in &table.rows {
                let key = table.key_of(row).into_iter().cloned().collect();
                rows.entry((table.name.clone(), key)).or_default().reach_back(table, row);
            }
        }
        if let Outcome::Merged { rewritten, .. } = outcome {
            for row in rewritten {
                rows.entry((row.table, row.key)).or_default().add(row.new);
            }
        }
    }
    Ok(rows)
}

impl Left {
    /// Adds what an older transaction left and no newer one touched.
    fn reach_back(&mut self, table: &TableChanges, row: &RowChange) {
        if self.is_whole {
            return;
        }
        self.is_gone |= row.op == Op::Delete && self.cells.is_empty();
        self.is_whole = row.op != Op::Update;
        let cells = table.columns.iter().zip(&row.new).filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        self.fill(cells);
    }

    /// Adds what a handler set and the log does not say, because it was there before.
    fn add(&mut self, cells: Image) {
        if !self.is_whole {
            self.fill(cells);
        }
    }

    fn fill(&mut self, cells: impl IntoIterator<Item = (String, Value)>) {
        for (name, value) in cells {
            self.cells.entry(name).or_insert(value);
        }
    }
}
