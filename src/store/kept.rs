//! Confirmed writes that the server may still forget: it can be restored from a copy that is older than they are.
//!
//! They are kept until the server says that no such copy lies below them, at most so many and so large. What a
//! restored server does not know is marked at once, since only this connection's welcome tells, and is listed
//! among the rejected writes in the transaction that takes its rows away. Nothing is ever sent again by itself.

use crate::StoreError;
use crate::rejected::{self, RejectedWrite};
use rusqlite::{Connection, params};
use seaworthy_protocol::{Position, Sequence, TransactionId};

/// The newest writes that are kept at most.
const KEPT_WRITES: i64 = 10_000;
/// The bytes of changesets that are kept at most.
const KEPT_BYTES: i64 = 32 * 1024 * 1024;
/// The stable reason of a write that a restored server has lost.
pub const LOST_BY_RESTORE: &str = "lost_by_restore";

/// Keeps an outbox entry that is confirmed, and lets the oldest go beyond the limits.
pub(crate) fn keep(conn: &Connection, ordinal: i64) -> Result<(), StoreError> {
    const KEEP: &str = "
        INSERT INTO seaworthy_kept (sequence, position, id, columns, seen, after, whole, committed_at_ms, bytes_before)
        SELECT sequence, position, id, columns, seen, after, whole, committed_at_ms,
               coalesce((SELECT bytes_before + length(seen) FROM seaworthy_kept ORDER BY number DESC LIMIT 1), 0)
        FROM seaworthy_outbox WHERE ordinal = ?1";
    const LET_GO: &str = "
        DELETE FROM seaworthy_kept
        WHERE number <= ?1 OR number < (SELECT number FROM seaworthy_kept WHERE bytes_before >= ?2 ORDER BY number LIMIT 1)";
    const BYTES: &str = "SELECT bytes_before + length(seen) FROM seaworthy_kept WHERE number = ?1";
    conn.prepare_cached(KEEP)?.execute([ordinal])?;
    let number = conn.last_insert_rowid();
    let bytes: i64 = conn.prepare_cached(BYTES)?.query_row([number], |row| row.get(0))?;
    conn.prepare_cached(LET_GO)?.execute(params![number - KEPT_WRITES, bytes - KEPT_BYTES])?;
    Ok(())
}

/// Lets go of what no copy of the server can lack.
pub(crate) fn release(conn: &Connection, through: Position) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM seaworthy_kept WHERE position <= ?1 AND NOT lost")?.execute([through.0 as i64])?;
    Ok(())
}

/// The server knows of nothing that it decided after this sequence.
pub(crate) fn mark_lost(conn: &Connection, after: Sequence) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE seaworthy_kept SET lost = 1 WHERE sequence > ?1")?.execute([after.0 as i64])?;
    Ok(())
}

/// The replica has another id: of what is not marked the server will not say any more what it knows, and numbers mean nothing.
pub(crate) fn renamed(conn: &Connection) -> Result<(), StoreError> {
    conn.execute_batch("DELETE FROM seaworthy_kept WHERE NOT lost; UPDATE seaworthy_kept SET sequence = 0, after = NULL")?;
    Ok(())
}

/// Moves what was lost to the rejected writes.
pub(crate) fn list_lost(conn: &Connection) -> Result<Vec<RejectedWrite>, StoreError> {
    const LOST: &str = "SELECT id FROM seaworthy_kept WHERE lost ORDER BY number";
    const LIST: &str = "
        INSERT OR REPLACE INTO seaworthy_rejected (id, position, code, message, columns, seen, sequence, after, whole, committed_at_ms)
        SELECT id, position, ?1, ?2, columns, seen, sequence, after, whole, committed_at_ms FROM seaworthy_kept WHERE lost ORDER BY number";
    const UNCONFIRM: &str = "DELETE FROM seaworthy_confirmed WHERE id IN (SELECT id FROM seaworthy_kept WHERE lost)";
    let ids: Vec<[u8; 16]> = conn.prepare_cached(LOST)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let message = "the server was restored from a copy that is older than this write, and has lost it: make it again, or discard it";
    conn.prepare_cached(LIST)?.execute(params![LOST_BY_RESTORE, message])?;
    conn.execute(UNCONFIRM, [])?;
    conn.execute("DELETE FROM seaworthy_kept WHERE lost", [])?;
    ids.into_iter().filter_map(|id| rejected::find(conn, TransactionId(id)).transpose()).collect()
}
