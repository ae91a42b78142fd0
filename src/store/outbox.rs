//! The outbox: the durable queue of transactions whose effect has not come back in a checkpoint.
//!
//! Each entry keeps two images. `seen` is the changeset as captured at COMMIT and never changes; it is
//! what is pushed. `undo` is rewritten by every replay, and absent while it equals `seen`.

use crate::{StoreError, pending};
use rusqlite::{Connection, OptionalExtension, Row, params};
use seaworthy_protocol::{Changes, Cursor, Incarnation, Policy, Position, Sequence, Transaction, TransactionId};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// What memory knows of the queue, of any length. Everything else is asked of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outbox {
    pub entries: u64,
    pub first_undecided: Option<Sequence>,
    /// Its ordinal, or the next. The server decides in order: entries before are decided, and wait for their checkpoint.
    undecided_from: i64,
    /// Whether an entry is decided and waits for its checkpoint.
    pub awaiting: bool,
    pub last_ordinal: i64,
}

/// An entry whose outcome a checkpoint has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    pub ordinal: i64,
    pub id: TransactionId,
    /// Its number in the replica.
    pub sequence: Sequence,
    pub rejected: bool,
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
    /// What it touches, packed.
    pub touched: &'a [u8],
}

impl Outbox {
    pub fn load(conn: &Connection) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT (SELECT count(*) FROM seaworthy_outbox), max(indexed_through, coalesce((SELECT max(ordinal) FROM seaworthy_outbox), 0))
            FROM seaworthy_replica";
        let (entries, last_ordinal): (i64, i64) = conn.query_row(SQL, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Self { entries: entries as u64, last_ordinal, ..Self::default() }.renewed(conn)
    }

    /// The queue as the database has it now, after entries were decided, and this many have left.
    pub fn after(&self, conn: &Connection, left: usize) -> Result<Self, StoreError> {
        const FIRST: &str = "SELECT ordinal, sequence FROM seaworthy_outbox WHERE ordinal >= ?1 AND position IS NULL ORDER BY ordinal LIMIT 1";
        const AWAITING: &str = "SELECT EXISTS (SELECT 1 FROM seaworthy_outbox WHERE ordinal < ?1)";
        let first: Option<(i64, i64)> = conn.prepare_cached(FIRST)?.query_row([self.undecided_from], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let undecided_from = first.map_or(self.last_ordinal + 1, |(ordinal, _)| ordinal);
        Ok(Self {
            entries: self.entries.saturating_sub(left as u64),
            first_undecided: first.map(|(_, sequence)| Sequence(sequence as u64)),
            undecided_from,
            awaiting: conn.prepare_cached(AWAITING)?.query_row([undecided_from], |row| row.get(0))?,
            last_ordinal: self.last_ordinal,
        })
    }

    /// The same where decided entries may have become undecided.
    pub fn renewed(&self, conn: &Connection) -> Result<Self, StoreError> {
        Self { undecided_from: 0, ..self.clone() }.after(conn, 0)
    }

    /// A new entry was committed.
    pub fn add(&mut self, ordinal: i64, sequence: Sequence) {
        self.entries += 1;
        self.last_ordinal = ordinal;
        self.first_undecided.get_or_insert(sequence);
    }

    /// The ordinals of undecided entries through a sequence.
    pub fn undecided(&self, conn: &Connection, through: Sequence) -> Result<HashMap<Sequence, i64>, StoreError> {
        const SQL: &str = "SELECT sequence, ordinal FROM seaworthy_outbox WHERE ordinal >= ?1 AND position IS NULL ORDER BY ordinal";
        let mut statement = conn.prepare_cached(SQL)?;
        let mut rows = statement.query([self.undecided_from])?;
        let mut ordinals = HashMap::new();
        while let Some(row) = rows.next()? {
            let sequence = Sequence(row.get::<_, i64>(0)? as u64);
            if sequence > through {
                break;
            }
            ordinals.insert(sequence, row.get(1)?);
        }
        Ok(ordinals)
    }

    /// Undecided entries after a sequence, for a push.
    pub fn load_after(&self, conn: &Connection, after: Sequence, max_count: usize, max_bytes: usize) -> Result<Vec<Transaction>, StoreError> {
        const SQL: &str = "SELECT id, sequence, base_position, base_incarnation, schema_version, after, columns, seen, policy
            FROM seaworthy_outbox WHERE ordinal >= ?1 AND position IS NULL AND sequence > ?2 ORDER BY ordinal LIMIT ?3";
        let mut statement = conn.prepare_cached(SQL)?;
        let mut rows = statement.query(params![self.undecided_from, after.0 as i64, max_count as i64])?;
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

    /// The entries that end at a position, in order.
    pub fn endings(&self, conn: &Connection, position: Position) -> Result<Vec<Ending>, StoreError> {
        const SQL: &str = "SELECT ordinal, id, sequence, reject_code IS NOT NULL FROM seaworthy_outbox
            WHERE ordinal < ?1 AND position <= ?2 ORDER BY ordinal";
        let mut statement = conn.prepare_cached(SQL)?;
        let endings = statement.query_map([self.undecided_from, position.0 as i64], |row| {
            let sequence = Sequence(row.get::<_, i64>(2)? as u64);
            Ok(Ending { ordinal: row.get(0)?, id: TransactionId(row.get(1)?), sequence, rejected: row.get(3)? })
        })?;
        Ok(endings.collect::<Result<_, _>>()?)
    }
}

/// The number of the newest entry.
pub(crate) fn last_sequence(conn: &Connection) -> Result<Sequence, StoreError> {
    const SQL: &str = "SELECT sequence FROM seaworthy_outbox ORDER BY ordinal DESC LIMIT 1";
    let sequence: Option<i64> = conn.prepare_cached(SQL)?.query_row([], |row| row.get(0)).optional()?;
    Ok(Sequence(sequence.unwrap_or(0) as u64))
}

/// Removes an entry, and what is known of its changes.
pub(crate) fn remove(conn: &Connection, ordinal: i64) -> Result<(), StoreError> {
    pending::remove(conn, ordinal)?;
    conn.prepare_cached("DELETE FROM seaworthy_masked WHERE ordinal = ?1")?.execute([ordinal])?;
    conn.prepare_cached("DELETE FROM seaworthy_outbox WHERE ordinal = ?1")?.execute([ordinal])?;
    Ok(())
}

/// Makes every entry undecided and numbers them anew, from 1, and with them what names them. Gives the last.
pub(crate) fn renumber(conn: &Connection) -> Result<Sequence, StoreError> {
    const UNDECIDE: &str = "UPDATE seaworthy_outbox SET position = NULL, reject_code = NULL, reject_message = NULL, reject_data = NULL
        WHERE position IS NOT NULL";
    const SELECT: &str = "SELECT ordinal, sequence, after FROM seaworthy_outbox ORDER BY ordinal";
    const UPDATE: &str = "UPDATE seaworthy_outbox SET sequence = ?2, after = ?3 WHERE ordinal = ?1";
    conn.execute_batch(UNDECIDE)?;
    let mut statement = conn.prepare(SELECT)?;
    let former: Vec<(i64, i64, Option<String>)> = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let numbers: HashMap<u64, u64> = former.iter().zip(1..).map(|((_, old, _), new)| (*old as u64, new)).collect();
    for ((ordinal, _, after), new) in former.iter().zip(1_i64..) {
        let after: Vec<Sequence> = after_from_text(after.as_deref()).iter().filter_map(|old| numbers.get(&old.0).copied().map(Sequence)).collect();
        conn.prepare_cached(UPDATE)?.execute(params![ordinal, new, after_to_text(&after)])?;
    }
    Ok(Sequence(former.len() as u64))
}

pub(crate) fn insert(conn: &Connection, entry: &NewEntry<'_>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO seaworthy_outbox
            (ordinal, sequence, id, columns, seen, base_position, base_incarnation, schema_version, after, policy, whole, committed_at_ms, touched)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
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
        entry.touched,
    ])?;
    Ok(())
}

/// Everything that is pending, for the application.
pub(crate) fn list(conn: &Connection, sent_through: Sequence) -> Result<Vec<PendingWrite>, StoreError> {
    const SQL: &str = "SELECT id, sequence, committed_at_ms, m.ordinal IS NOT NULL, columns, seen
        FROM seaworthy_outbox AS o LEFT JOIN seaworthy_masked AS m USING (ordinal) ORDER BY o.ordinal";
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
