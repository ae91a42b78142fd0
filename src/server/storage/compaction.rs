//! Forgets old history: entries of the log, and which rows left before everybody who may still ask.
//!
//! A replica that stands below the floor is told to start anew, as one with an unknown cursor is. Who
//! stands at the floor or above never notices. Decisions stay, so that a retry gets its answer however late.

use super::{
    deliveries,
    error::{RecordError, StorageError},
    internal::{self, integer},
};
use rusqlite::Connection;
use seaworthy_protocol::{Changes, Position};

/// No cursor below this position can be continued from.
const FLOOR: &str = "floor";

/// The floor.
pub fn floor(conn: &Connection) -> rusqlite::Result<Position> {
    Ok(internal::meta_integer(conn, FLOOR)?.map_or(Position(0), internal::position))
}

/// Raises the floor. It never falls.
pub fn raise_floor(conn: &Connection, to: Position) -> rusqlite::Result<()> {
    internal::set_meta(conn, FLOOR, integer(floor(conn)?.max(to)))
}

/// Forgets the history through a position, or as far as the log reaches and no webhook still has to read it. Answers
/// the floor.
pub fn compact(conn: &Connection, through: Position) -> Result<Position, StorageError> {
    let (from, head) = (floor(conn)?, internal::head(conn)?);
    let through = through.min(head).min(deliveries::needed_from(conn)?.unwrap_or(head));
    if through <= from {
        return Ok(from);
    }
    raise_floor(conn, through)?;
    conn.execute("DELETE FROM seaworthy_rows WHERE gone AND position <= ?1", [integer(through)])?;
    forget_entries(conn, through.min(Position(head.0.saturating_sub(1))))?;
    Ok(through)
}

/// The last entry is never forgotten: the log goes on from it. Nor is one that left something else than its writer
/// had pushed, since a later transaction of that writer may build on what it does not know (see [`super::own`]).
fn forget_entries(conn: &Connection, through: Position) -> Result<(), StorageError> {
    const ENTRIES: &str = "
        SELECT log.position, log.changes, seen.hash
        FROM seaworthy_log AS log LEFT JOIN seaworthy_seen AS seen ON seen.replica = log.replica AND seen.id = log.id
        WHERE log.position <= ?1";
    let mut forgotten = Vec::new();
    let mut statement = conn.prepare_cached(ENTRIES)?;
    let mut entries = statement.query([integer(through)])?;
    while let Some(entry) = entries.next()? {
        let captured: Changes = rmp_serde::from_slice(entry.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?).map_err(RecordError::from)?;
        let pushed: Option<[u8; 16]> = entry.get(2)?;
        if pushed.is_none_or(|hash| hash == captured.hash()) {
            forgotten.push(entry.get::<_, i64>(0)?);
        }
    }
    let mut forget = conn.prepare_cached("DELETE FROM seaworthy_log WHERE position = ?1")?;
    forgotten.into_iter().try_for_each(|position| forget.execute([position]).map(drop))?;
    Ok(())
}
