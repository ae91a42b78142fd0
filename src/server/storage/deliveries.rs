//! The log as post-commit webhooks read it, and how far each has been delivered.
//!
//! A webhook's place is durable, so that nothing is left out after a crash; what was sent and not yet noted
//! is sent again. Whoever shortens the log asks [`needed_from`] first.

use super::{
    error::{RecordError, StorageError},
    internal::{self, integer},
};
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_engine::client::User;
use seaworthy_protocol::{Changes, Position, ReplicaId, TransactionId};
use std::collections::BTreeMap;

/// Most entries that are read at once.
const MAX_ENTRIES: i64 = 200;

/// No further entry is read at once when the changesets of those before it take this many bytes.
const TARGET_BYTES: usize = 1024 * 1024;

/// An accepted transaction, as the server's own session captured it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the log.
    pub position: Position,
    /// Its identity.
    pub transaction: TransactionId,
    /// Who pushed it.
    pub replica: ReplicaId,
    /// Whose replica that is, if it is still known.
    pub user: Option<User>,
    /// When it was decided, in milliseconds since 1970.
    pub decided_at_ms: i64,
    /// What it changed, all columns included.
    pub changes: Changes,
}

/// A stretch of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// The transactions of replicas in it, in order.
    pub entries: Vec<LogEntry>,
    /// Where it ends.
    pub end: Position,
}

/// Gives every webhook its place. One that is new begins at the end of the log, one that is not named loses its place.
pub fn begin(conn: &Connection, names: &[String]) -> Result<BTreeMap<String, Position>, StorageError> {
    const CREATE: &str = "INSERT INTO seaworthy_webhooks (name, position) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let known: BTreeMap<String, Position> = conn
        .prepare("SELECT name, position FROM seaworthy_webhooks")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1).map(internal::position)?)))?
        .collect::<Result<_, _>>()?;
    for name in known.keys().filter(|name| !names.contains(name)) {
        conn.execute("DELETE FROM seaworthy_webhooks WHERE name = ?1", [name])?;
    }
    let head = internal::head(conn)?;
    let place = |name: &String| {
        conn.execute(CREATE, params![name, integer(head)])?;
        Ok((name.clone(), known.get(name).copied().unwrap_or(head)))
    };
    names.iter().map(place).collect()
}

/// Notes that a webhook has everything up to a position.
pub fn delivered(conn: &Connection, name: &str, position: Position) -> Result<(), StorageError> {
    conn.prepare_cached("UPDATE seaworthy_webhooks SET position = ?2 WHERE name = ?1")?.execute(params![name, integer(position)])?;
    Ok(())
}

/// The first position behind which some webhook still has to read; none without webhooks.
pub fn needed_from(conn: &Connection) -> Result<Option<Position>, StorageError> {
    let lowest = conn.prepare_cached("SELECT min(position) FROM seaworthy_webhooks")?.query_row([], |row| row.get::<_, Option<i64>>(0)).optional()?;
    Ok(lowest.flatten().map(internal::position))
}

/// The log behind a position. Entries of the server's own tell nobody anything and are left out.
pub fn read(conn: &Connection, after: Position) -> Result<LogPart, StorageError> {
    const READ: &str = "
        SELECT log.position, log.replica, log.id, log.decided_at_ms, log.changes, owner.issuer, owner.subject
        FROM seaworthy_log AS log LEFT JOIN seaworthy_replicas AS owner USING (replica)
        WHERE log.position > ?1 ORDER BY log.position LIMIT ?2";
    let mut part = LogPart { entries: Vec::new(), end: after };
    let mut bytes = 0;
    let mut statement = conn.prepare_cached(READ)?;
    let mut rows = statement.query(params![integer(after), MAX_ENTRIES])?;
    while let Some(row) = rows.next()? {
        let changes = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
        if bytes > 0 && bytes + changes.len() > TARGET_BYTES {
            break;
        }
        bytes += changes.len();
        part.end = internal::position(row.get(0)?);
        let (Some(replica), Some(id)) = (row.get(1)?, row.get(2)?) else { continue };
        let user = row.get::<_, Option<String>>(5)?.zip(row.get(6)?).map(|(issuer, subject)| User { issuer, subject });
        part.entries.push(LogEntry {
            position: part.end,
            transaction: TransactionId(id),
            replica: ReplicaId(replica),
            user,
            decided_at_ms: row.get(3)?,
            changes: rmp_serde::from_slice(changes).map_err(RecordError::from)?,
        });
    }
    Ok(part)
}
