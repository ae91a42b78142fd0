//! Confirmed writes that the server may still forget: it can be restored from a copy that is older than they are.
//!
//! They are kept until the server says that no such copy lies below them, at most so many and so large. That it knows
//! them follows from the last sequence that it has a record of. Where it does not follow they are *doubtful*: the
//! server is asked about their ids, with every connection, and answers with a checkpoint. What it does not know is listed
//! among the rejected writes in the transaction that takes its rows away. Nothing is ever sent again by itself.

use crate::StoreError;
use crate::rejected::{self, RejectedWrite};
use rusqlite::{Connection, params};
use seaworthy_protocol::{Checkpoint, Position, Sequence, TransactionId, limits};
use std::collections::HashSet;
use std::sync::Arc;

/// The newest writes that are kept at most: the server can be asked about all of them at once.
const KEPT_WRITES: i64 = limits::MAX_DOUBTFUL as i64;
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
    conn.prepare_cached("DELETE FROM seaworthy_kept WHERE position <= ?1")?.execute([through.0 as i64])?;
    Ok(())
}

/// The server has no record of what it decided after this sequence.
pub(crate) fn doubt(conn: &Connection, after: Sequence) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE seaworthy_kept SET doubtful = 1 WHERE sequence > ?1")?.execute([after.0 as i64])?;
    Ok(())
}

/// The replica has another id, under which the server has no records. The former numbers mean nothing.
pub(crate) fn renamed(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("UPDATE seaworthy_kept SET doubtful = 1, sequence = 0, after = NULL", [])?;
    Ok(())
}

/// Those that are doubtful, oldest first.
pub(crate) fn doubtful(conn: &Connection) -> Result<Arc<[TransactionId]>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT id FROM seaworthy_kept WHERE doubtful ORDER BY number")?;
    let ids = statement.query_map([], |row| row.get(0).map(TransactionId))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// What the server has answered about the doubtful ones, with the checkpoint that is being applied. What it does not know
/// is lost, and moves to the rejected writes.
pub(crate) fn answered(
    conn: &Connection,
    doubtful: &[TransactionId],
    known: &[TransactionId],
    checkpoint: &Checkpoint,
) -> Result<Vec<RejectedWrite>, StoreError> {
    let known: HashSet<&TransactionId> = known.iter().collect();
    let mut lost = Vec::new();
    for id in doubtful {
        if !known.contains(id) {
            list(conn, *id)?;
            lost.extend(rejected::find(conn, *id)?);
        } else if checkpoint.reset {
            move_to(conn, *id, checkpoint.cursor.position)?;
        }
    }
    Ok(lost)
}

/// In another history a write may stand elsewhere, at or before this position: its other copy has sent it again.
fn move_to(conn: &Connection, id: TransactionId, position: Position) -> Result<(), StoreError> {
    const MOVE: &str = "UPDATE seaworthy_kept SET position = ?2 WHERE doubtful AND id = ?1";
    conn.prepare_cached(MOVE)?.execute(params![id.0, position.0 as i64])?;
    Ok(())
}

/// Moves a doubtful write to the rejected ones.
fn list(conn: &Connection, id: TransactionId) -> Result<(), StoreError> {
    const LIST: &str = "
        INSERT OR REPLACE INTO seaworthy_rejected (id, position, code, message, columns, seen, sequence, after, whole, committed_at_ms)
        SELECT id, position, ?2, ?3, columns, seen, sequence, after, whole, committed_at_ms FROM seaworthy_kept WHERE doubtful AND id = ?1";
    let message = "the server was restored from a copy that is older than this write, and has lost it: make it again, or discard it";
    conn.prepare_cached(LIST)?.execute(params![id.0, LOST_BY_RESTORE, message])?;
    conn.prepare_cached("DELETE FROM seaworthy_confirmed WHERE id = ?1")?.execute([id.0])?;
    conn.prepare_cached("DELETE FROM seaworthy_kept WHERE doubtful AND id = ?1")?.execute([id.0])?;
    Ok(())
}
