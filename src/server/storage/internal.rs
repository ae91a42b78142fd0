//! The server's own tables, which begin with `seaworthy_`, and their numbered versions.

use super::error::OpenError;
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_protocol::{Epoch, Incarnation, Position};

/// One batch per format, applied in order and once each.
const FORMATS: &[&str] = &["
    CREATE TABLE seaworthy_meta (
        name TEXT NOT NULL PRIMARY KEY,
        value ANY
    ) STRICT, WITHOUT ROWID;

    -- One row per run of the server. Positions from `start` on were announced by this run, up to the next one's start.
    CREATE TABLE seaworthy_incarnations (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE,
        start INTEGER NOT NULL,
        started_at_ms INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE seaworthy_migrations (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        hash BLOB NOT NULL,
        applied_at_ms INTEGER NOT NULL
    ) STRICT;

    -- Every stream that was ever served, by the number that its buckets carry. A number is never used again.
    CREATE TABLE seaworthy_streams (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        retired INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE seaworthy_replicas (
        replica BLOB NOT NULL PRIMARY KEY,
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        last_sequence INTEGER NOT NULL,
        created_at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Every decision, so that a retry gets the same answer.
    CREATE TABLE seaworthy_seen (
        replica BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        id BLOB NOT NULL,
        hash BLOB NOT NULL,
        position INTEGER NOT NULL,
        rejected INTEGER NOT NULL,
        outcome BLOB NOT NULL,
        PRIMARY KEY (replica, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX seaworthy_seen_id ON seaworthy_seen (id);
    CREATE INDEX seaworthy_seen_rejected ON seaworthy_seen (replica, sequence) WHERE rejected;

    -- Accepted transactions in order, as the server's own session captured them. Entries without a replica are the server's own.
    CREATE TABLE seaworthy_log (
        position INTEGER PRIMARY KEY,
        replica BLOB,
        id BLOB,
        decided_at_ms INTEGER NOT NULL,
        changes BLOB NOT NULL
    ) STRICT;
    CREATE INDEX seaworthy_log_decided_at ON seaworthy_log (decided_at_ms);

    -- When a key last came into a bucket, changed there or left, and the checksum of its row.
    CREATE TABLE seaworthy_rows (
        stream INTEGER NOT NULL,
        key BLOB NOT NULL,
        bucket TEXT NOT NULL,
        position INTEGER NOT NULL,
        gone INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (stream, key, bucket)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX seaworthy_rows_position ON seaworthy_rows (bucket, position);
    CREATE INDEX seaworthy_rows_gone ON seaworthy_rows (position) WHERE gone;

    -- What each bucket holds.
    CREATE TABLE seaworthy_buckets (
        bucket TEXT NOT NULL PRIMARY KEY,
        rows INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- How far the log was delivered to each webhook.
    CREATE TABLE seaworthy_webhooks (
        name TEXT NOT NULL PRIMARY KEY,
        position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// The format that this server writes.
const KNOWN: i64 = FORMATS.len() as i64;

/// The format of the tables; 0 where there are none.
pub fn format(conn: &Connection) -> Result<i64, OpenError> {
    const EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'seaworthy_meta')";
    match if conn.query_row(EXISTS, [], |row| row.get(0))? { meta_integer(conn, "format")?.unwrap_or(0) } else { 0 } {
        found if found > KNOWN => Err(OpenError::NewerFormat { found, known: KNOWN }),
        found => Ok(found),
    }
}

/// Whether nothing has to be upgraded.
pub fn is_current(format: i64) -> bool {
    format == KNOWN
}

/// Creates or upgrades the tables.
pub fn upgrade(conn: &mut Connection) -> Result<(), OpenError> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for format in FORMATS.iter().skip(format(&tx)? as usize) {
        tx.execute_batch(format)?;
    }
    set_meta(&tx, "format", KNOWN)?;
    tx.commit()?;
    Ok(())
}

/// The history's epoch; `fresh` if it begins now.
pub fn epoch(conn: &Connection, fresh: Epoch) -> rusqlite::Result<Epoch> {
    conn.execute("INSERT INTO seaworthy_meta (name, value) VALUES ('epoch', ?1) ON CONFLICT DO NOTHING", [fresh.0])?;
    conn.query_row("SELECT value FROM seaworthy_meta WHERE name = 'epoch'", [], |row| row.get(0)).map(Epoch)
}

/// A number of `seaworthy_meta`.
pub fn meta_integer(conn: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    conn.prepare_cached("SELECT value FROM seaworthy_meta WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// Sets a number of `seaworthy_meta`.
pub fn set_meta(conn: &Connection, name: &str, value: i64) -> rusqlite::Result<()> {
    conn.execute("INSERT INTO seaworthy_meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value", params![name, value])?;
    Ok(())
}

/// Records that a run begins at `start`.
pub fn append_incarnation(conn: &Connection, id: Incarnation, start: Position, now_ms: i64) -> rusqlite::Result<()> {
    const APPEND: &str = "INSERT INTO seaworthy_incarnations (id, start, started_at_ms) VALUES (?1, ?2, ?3)";
    conn.execute(APPEND, params![id.0, integer(start), now_ms])?;
    Ok(())
}

/// The end of the log.
pub fn head(conn: &Connection) -> rusqlite::Result<Position> {
    conn.prepare_cached("SELECT coalesce(max(position), 0) FROM seaworthy_log")?.query_row([], |row| row.get(0).map(position))
}

/// The end of the log as a copy that was made at this time has it.
pub fn head_at(conn: &Connection, ms: i64) -> rusqlite::Result<Position> {
    const HEAD: &str = "SELECT position FROM seaworthy_log WHERE decided_at_ms <= ?1 ORDER BY decided_at_ms DESC, position DESC LIMIT 1";
    let head = conn.prepare_cached(HEAD)?.query_row([ms], |row| row.get(0).map(position)).optional()?;
    Ok(head.unwrap_or_default())
}

/// Appends a log entry and gives its position.
pub fn append_log(conn: &Connection, origin: Option<([u8; 16], [u8; 16])>, now_ms: i64, changes: &[u8]) -> rusqlite::Result<Position> {
    const APPEND: &str = "
        INSERT INTO seaworthy_log (position, replica, id, decided_at_ms, changes)
        VALUES ((SELECT coalesce(max(position), 0) + 1 FROM seaworthy_log), ?1, ?2, ?3, ?4)";
    let (replica, id) = origin.unzip();
    conn.prepare_cached(APPEND)?.execute(params![replica, id, now_ms, changes])?;
    Ok(position(conn.last_insert_rowid()))
}

/// A position as SQLite stores it. Positions grow by one per transaction and never come near the end of 63 bits.
pub fn integer(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

/// A position as SQLite stored it.
pub fn position(stored: i64) -> Position {
    Position(stored.unsigned_abs())
}
