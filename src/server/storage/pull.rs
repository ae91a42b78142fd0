//! Reads what a user may see and a replica does not have, in one snapshot.
//!
//! A replica is told the rows as they are now, never how they came about. A cursor that does not lie
//! on this server's history starts again with everything.

use super::{
    binding::{Bound, values},
    compaction,
    error::StorageError,
    internal, replica,
    stream::{self, Stream, Streams},
    tracking::decode_key,
};
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use seaworthy_engine::session::{Principal, Pulled};
use seaworthy_protocol::{BucketId, Checkpoint, Cursor, Incarnation, Position, Rows, TransactionId, Value, limits};

/// Reads everything behind `cursor`, and which of the doubtful transactions the log has.
pub fn pull(
    conn: &Connection,
    streams: &Streams,
    incarnation: Incarnation,
    principal: &Principal,
    cursor: Option<Cursor>,
    doubtful: &[TransactionId],
) -> Result<Pulled, StorageError> {
    let snapshot = conn.unchecked_transaction()?;
    let head = internal::head(&snapshot)?;
    let from = match cursor {
        Some(cursor) if is_known(&snapshot, cursor, head)? => Some(cursor.position),
        _ => None,
    };
    let mut rows = Vec::new();
    for stream in streams.iter() {
        let mut batch = Batch::new(stream);
        match from {
            Some(from) if from < head => since(&snapshot, stream, principal, from, &mut batch)?,
            Some(_) => {}
            None => everything(&snapshot, stream, principal, &mut batch)?,
        }
        rows.append(&mut batch.finish());
    }
    let known = if doubtful.is_empty() { None } else { Some(replica::known(&snapshot, &principal.user, doubtful)?) };
    let checkpoint = Checkpoint { reset: from.is_none(), known, ..Checkpoint::at(Cursor { position: head, incarnation }) };
    Ok(Pulled { rows, checkpoint })
}

/// Whether the run that announced the cursor is in this history, and reached it, and rows are tracked from there on.
fn is_known(conn: &Connection, cursor: Cursor, head: Position) -> rusqlite::Result<bool> {
    const RUN: &str = "
        SELECT run.start, (SELECT min(later.start) FROM seaworthy_incarnations AS later WHERE later.number > run.number)
        FROM seaworthy_incarnations AS run WHERE run.id = ?1";
    let run = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?));
    let Some((start, end)) = conn.prepare_cached(RUN)?.query_row([cursor.incarnation.0], run).optional()? else { return Ok(false) };
    let floor = compaction::floor(conn)?;
    let end = end.map_or(head, internal::position);
    Ok((internal::position(start)..=end).contains(&cursor.position) && cursor.position >= floor)
}

fn everything(conn: &Connection, stream: &Stream, principal: &Principal, batch: &mut Batch<'_>) -> Result<(), StorageError> {
    let mut statement = conn.prepare_cached(&stream.sql.bucket_rows)?;
    let mut rows = statement.query([stream.bucket_of_user(&principal.user)])?;
    while let Some(row) = rows.next()? {
        batch.row(values(row, 0, stream.columns.len())?);
    }
    Ok(())
}

fn since(conn: &Connection, stream: &Stream, principal: &Principal, from: Position, batch: &mut Batch<'_>) -> Result<(), StorageError> {
    const CHANGED: &str = "SELECT key, gone FROM seaworthy_rows WHERE tbl = ?1 AND bucket = ?2 AND position > ?3 ORDER BY position";
    let bucket = stream.bucket_of_user(&principal.user);
    let mut statement = conn.prepare_cached(CHANGED)?;
    let mut changed = statement.query(params![stream.name, bucket, internal::integer(from)])?;
    let mut select = conn.prepare_cached(&stream.sql.row)?;
    while let Some(entry) = changed.next()? {
        let key = decode_key(entry.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
        if entry.get(1)? {
            batch.gone(key);
            continue;
        }
        let count = stream.columns.len();
        let found = select.query_row(params_from_iter(key.iter().map(Bound)), |row| Ok((values(row, 0, count)?, stream::bucket(row, count)?))).optional()?;
        match found {
            Some((row, Some(holds))) if holds == bucket => batch.row(row),
            // Changed from outside since it was tracked. It is not this user's any more.
            _ => batch.gone(key),
        }
    }
    Ok(())
}

/// Rows of one table in frames of bounded size.
struct Batch<'s> {
    stream: &'s Stream,
    full: Vec<Rows>,
    open: Rows,
    size: usize,
}

impl<'s> Batch<'s> {
    fn new(stream: &'s Stream) -> Self {
        Self { stream, full: Vec::new(), open: Self::empty(stream), size: 0 }
    }

    fn empty(stream: &Stream) -> Rows {
        Rows {
            bucket: BucketId::default(),
            table: stream.name.clone(),
            columns: stream.columns.clone(),
            key: stream.key.clone(),
            rows: Vec::new(),
            gone: Vec::new(),
        }
    }

    fn row(&mut self, row: Vec<Value>) {
        self.make_room(&row);
        self.open.rows.push(row);
    }

    fn gone(&mut self, key: Vec<Value>) {
        self.make_room(&key);
        self.open.gone.push(key);
    }

    fn make_room(&mut self, values: &[Value]) {
        let size: usize = values.iter().map(Value::wire_size).sum();
        if self.size > 0 && self.size + size > limits::TARGET_ROWS_BYTES {
            self.full.push(std::mem::replace(&mut self.open, Self::empty(self.stream)));
            self.size = 0;
        }
        self.size += size;
    }

    fn finish(mut self) -> Vec<Rows> {
        if self.size > 0 {
            self.full.push(self.open);
        }
        self.full
    }
}
