//! The outbox: the durable queue of transactions whose effect has not come back in a checkpoint.
//!
//! Each entry keeps two images. `seen` is the changeset as captured at COMMIT and never changes; it is
//! what is pushed. `undo` is rewritten by every replay, and absent while it equals `seen`.

use crate::StoreError;
use rusqlite::{Connection, Row, params};
use seaworthy_protocol::{Changes, Cursor, Incarnation, Policy, Position, Sequence, Transaction, TransactionId};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What memory knows of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub id: TransactionId,
    /// Its number in the replica; 0 when it was decided under a former identity.
    pub sequence: Sequence,
    pub decided: Option<Decided>,
    /// It cannot stand on what the server has, and is not shown.
    pub masked: bool,
}

/// A recorded outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub position: Position,
    pub rejected: bool,
}

/// The entries by ordinal, their order for ever on this device.
#[derive(Default)]
pub(crate) struct Outbox {
    pub entries: BTreeMap<i64, Entry>,
    by_sequence: HashMap<Sequence, i64>,
}

/// A pending write as the application may see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PendingWrite {
    /// Its identity.
    pub id: TransactionId,
    /// Its number in the replica.
    pub sequence: Sequence,
    /// When it was committed, in milliseconds since 1970.
    pub committed_at_ms: i64,
    /// It may have reached the server.
    pub sent: bool,
    /// It cannot stand on what the server has: it is pushed, but not shown.
    pub blocked: bool,
    /// What it changed, one object per row.
    pub changes: Changes,
}

/// An entry that is about to be written.
pub(crate) struct NewEntry<'a> {
    pub ordinal: i64,
    pub sequence: Sequence,
    pub id: TransactionId,
    pub columns: &'a str,
    pub seen: &'a [u8],
    pub base: Option<Cursor>,
    pub schema_version: u32,
    pub after: &'a [Sequence],
    /// What the write asks for where it meets another writer's change.
    pub policy: Policy,
    /// Under `manual`: the updated rows, whole, as JSON.
    pub whole: Option<&'a str>,
    pub committed_at_ms: i64,
}

impl Outbox {
    pub fn load(conn: &Connection) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT ordinal, id, sequence, position, reject_code IS NOT NULL, masked FROM seaworthy_outbox ORDER BY ordinal";
        let mut outbox = Self::default();
        let mut statement = conn.prepare(SQL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let position: Option<i64> = row.get(3)?;
            let rejected = row.get(4)?;
            let decided = position.map(|p| Decided { position: Position(p as u64), rejected });
            let entry = Entry { id: TransactionId(row.get(1)?), sequence: Sequence(row.get::<_, i64>(2)? as u64), decided, masked: row.get(5)? };
            outbox.add(row.get(0)?, entry);
        }
        Ok(outbox)
    }

    pub fn add(&mut self, ordinal: i64, entry: Entry) {
        if entry.decided.is_none() {
            self.by_sequence.insert(entry.sequence, ordinal);
        }
        self.entries.insert(ordinal, entry);
    }

    pub fn remove(&mut self, ordinal: i64) {
        if let Some(entry) = self.entries.remove(&ordinal) {
            self.by_sequence.remove(&entry.sequence);
        }
    }

    /// The ordinal of an undecided entry.
    pub fn undecided(&self, sequence: Sequence) -> Option<i64> {
        self.by_sequence.get(&sequence).copied()
    }

    pub fn decide(&mut self, ordinal: i64, decided: Decided) {
        if let Some(entry) = self.entries.get_mut(&ordinal) {
            self.by_sequence.remove(&entry.sequence);
            entry.decided = Some(decided);
        }
    }

    /// Forgets every outcome behind a sequence.
    pub fn undecide(&mut self, after: Sequence) {
        for (ordinal, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.sequence > after && entry.decided.is_some()) {
            entry.decided = None;
            self.by_sequence.insert(entry.sequence, *ordinal);
        }
    }

    pub fn last_ordinal(&self) -> i64 {
        self.entries.last_key_value().map_or(0, |(ordinal, _)| *ordinal)
    }

    pub fn last_sequence(&self) -> Sequence {
        self.entries.values().next_back().map_or(Sequence(0), |entry| entry.sequence)
    }

    pub fn first_undecided(&self) -> Option<Sequence> {
        self.entries.values().find(|entry| entry.decided.is_none()).map(|entry| entry.sequence)
    }

    /// Renumbers what is undecided from 1, and gives old number to new number.
    pub fn renumber(&mut self) -> Vec<(i64, Sequence, Sequence)> {
        self.by_sequence.clear();
        let mut next = Sequence(0);
        let mut moved = Vec::new();
        for (ordinal, entry) in &mut self.entries {
            if entry.decided.is_some() {
                entry.sequence = Sequence(0);
                continue;
            }
            next = next.next();
            moved.push((*ordinal, entry.sequence, next));
            entry.sequence = next;
            self.by_sequence.insert(next, *ordinal);
        }
        moved
    }
}

pub(crate) fn insert(conn: &Connection, entry: &NewEntry<'_>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO seaworthy_outbox
            (ordinal, sequence, id, columns, seen, base_position, base_incarnation, schema_version, after, policy, whole, committed_at_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    conn.prepare_cached(SQL)?.execute(params![
        entry.ordinal,
        entry.sequence.0 as i64,
        entry.id.0,
        entry.columns,
        entry.seen,
        entry.base.map(|cursor| cursor.position.0 as i64),
        entry.base.map(|cursor| cursor.incarnation.0),
        entry.schema_version,
        after_to_text(entry.after),
        (entry.policy != Policy::Rebase).then(|| entry.policy.as_str()),
        entry.whole,
        entry.committed_at_ms,
    ])?;
    Ok(())
}

/// Undecided entries from an ordinal on, for a push.
pub(crate) fn load_from(conn: &Connection, first: i64, max_count: usize, max_bytes: usize) -> Result<Vec<Transaction>, StoreError> {
    const SQL: &str = "SELECT id, sequence, base_position, base_incarnation, schema_version, after, columns, seen, policy
        FROM seaworthy_outbox WHERE ordinal >= ?1 AND position IS NULL ORDER BY ordinal LIMIT ?2";
    let mut statement = conn.prepare_cached(SQL)?;
    let mut rows = statement.query(params![first, max_count as i64])?;
    let (mut transactions, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        bytes += row.get_ref(7)?.as_blob().map_or(0, <[u8]>::len);
        if bytes > max_bytes && !transactions.is_empty() {
            break;
        }
        transactions.push(to_transaction(row)?);
    }
    Ok(transactions)
}

/// Everything that is pending, for the application.
pub(crate) fn list(conn: &Connection, sent_through: Sequence) -> Result<Vec<PendingWrite>, StoreError> {
    const SQL: &str = "SELECT id, sequence, committed_at_ms, masked, columns, seen FROM seaworthy_outbox ORDER BY ordinal";
    let mut statement = conn.prepare(SQL)?;
    let mut rows = statement.query([])?;
    let mut writes = Vec::new();
    while let Some(row) = rows.next()? {
        let sequence = Sequence(row.get::<_, i64>(1)? as u64);
        let changes = parse_changes(&row.get::<_, String>(4)?, row.get_ref(5)?.as_blob().unwrap_or_default())?;
        let sent = sequence <= sent_through;
        writes.push(PendingWrite { id: TransactionId(row.get(0)?), sequence, committed_at_ms: row.get(2)?, sent, blocked: row.get(3)?, changes });
    }
    Ok(writes)
}

/// Parses a stored changeset with its stored column names.
pub(crate) fn parse_changes(columns: &str, changeset: &[u8]) -> Result<Changes, StoreError> {
    let damaged = |message: String| StoreError::Corrupt { message: format!("seaworthy_outbox: {message}") };
    let names: BTreeMap<String, Vec<String>> = serde_json::from_str(columns).map_err(|e| damaged(e.to_string()))?;
    Changes::from_changeset(changeset, |table| names.get(table).cloned()).map_err(|e| damaged(e.to_string()))
}

pub(crate) fn after_to_text(after: &[Sequence]) -> Option<String> {
    let numbers: Vec<_> = after.iter().map(|sequence| sequence.0.to_string()).collect();
    (!numbers.is_empty()).then(|| numbers.join(" "))
}

pub(crate) fn after_from_text(text: Option<&str>) -> Vec<Sequence> {
    text.unwrap_or_default().split(' ').filter_map(|number| number.parse().ok().map(Sequence)).collect()
}

fn to_transaction(row: &Row<'_>) -> Result<Transaction, StoreError> {
    let base = match (row.get::<_, Option<i64>>(2)?, row.get(3)?) {
        (Some(position), Some(incarnation)) => Some(Cursor { position: Position(position as u64), incarnation: Incarnation(incarnation) }),
        _ => None,
    };
    Ok(Transaction {
        id: TransactionId(row.get(0)?),
        sequence: Sequence(row.get::<_, i64>(1)? as u64),
        base,
        schema_version: row.get(4)?,
        after: after_from_text(row.get::<_, Option<String>>(5)?.as_deref()),
        policy: row.get::<_, Option<String>>(8)?.as_deref().and_then(Policy::parse),
        changes: parse_changes(&row.get::<_, String>(6)?, row.get_ref(7)?.as_blob().unwrap_or_default())?,
    })
}
