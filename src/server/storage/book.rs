//! The book of the buckets: which key each of them holds, or held, since when, and what that adds up to.
//!
//! It is what a pull reads. A key's entry in a bucket stays when the key has left, until compaction, so
//! that replicas hear of it.

use super::{
    definition::Bucket,
    error::{RecordError, StorageError},
    internal::integer,
};
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_protocol::{Checksum, Position, Value, limits};

/// A key as it stands in a bucket.
pub struct Entry {
    /// The key.
    pub key: Vec<Value>,
    /// Whether it has left.
    pub gone: bool,
    /// Of the row, as it was written last.
    pub checksum: Checksum,
}

/// What a bucket holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many rows.
    pub rows: u64,
    /// The sum of their checksums.
    pub checksum: Checksum,
}

/// Which entries are written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// All of a row that was written.
    Written,
    /// Those that are not right.
    Differing,
}

/// A row as it stands: in these buckets of one stream, with this checksum.
pub struct Held<'a> {
    /// The number of the stream.
    pub stream: i64,
    /// The key, as the book has it.
    pub key: &'a [u8],
    /// The buckets; none if there is no row.
    pub buckets: &'a [Bucket],
    /// Of the row.
    pub checksum: Checksum,
}

/// Enters a row as it stands from `position` on. Answers the buckets that hear of it.
pub fn enter(conn: &Connection, held: &Held<'_>, position: Position, marking: Marking) -> rusqlite::Result<Vec<Bucket>> {
    const TRACKED: &str = "SELECT bucket, gone, checksum FROM seaworthy_rows WHERE stream = ?1 AND key = ?2";
    let entry = |row: &rusqlite::Row<'_>| Ok((Bucket(row.get(0)?), row.get::<_, bool>(1)?, Checksum(row.get::<_, i64>(2)?.unsigned_abs())));
    let mut statement = conn.prepare_cached(TRACKED)?;
    let tracked = statement.query_map(params![held.stream, held.key], entry)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut touched = Vec::new();
    for (bucket, gone, checksum) in &tracked {
        if !gone && !held.buckets.contains(bucket) {
            mark(conn, held, bucket, position, true)?;
            add(conn, bucket, -1, Checksum::default().minus(*checksum))?;
            touched.push(bucket.clone());
        }
    }
    for bucket in held.buckets {
        let before = tracked.iter().find(|(tracked, gone, _)| !gone && tracked == bucket).map(|(.., checksum)| *checksum);
        if marking == Marking::Differing && before == Some(held.checksum) {
            continue;
        }
        mark(conn, held, bucket, position, false)?;
        let (rows, change) = (i64::from(before.is_none()), held.checksum.minus(before.unwrap_or_default()));
        if rows != 0 || change != Checksum::default() {
            add(conn, bucket, rows, change)?;
        }
        touched.push(bucket.clone());
    }
    Ok(touched)
}

fn mark(conn: &Connection, held: &Held<'_>, bucket: &Bucket, position: Position, gone: bool) -> rusqlite::Result<()> {
    const MARK: &str = "
        INSERT INTO seaworthy_rows (stream, key, bucket, position, gone, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT DO UPDATE SET position = excluded.position, gone = excluded.gone, checksum = excluded.checksum";
    let checksum = stored(if gone { Checksum::default() } else { held.checksum });
    conn.prepare_cached(MARK)?.execute(params![held.stream, held.key, bucket.0, integer(position), gone, checksum])?;
    Ok(())
}

fn add(conn: &Connection, bucket: &Bucket, rows: i64, checksum: Checksum) -> rusqlite::Result<()> {
    const ADD: &str = "
        INSERT INTO seaworthy_buckets (bucket, rows, checksum) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, checksum = (checksum + excluded.checksum) & ?4";
    conn.prepare_cached(ADD)?.execute(params![bucket.0, rows, stored(checksum), limits::MAX_COUNTER.cast_signed()])?;
    Ok(())
}

/// What the bucket holds.
pub fn sum(conn: &Connection, bucket: &Bucket) -> rusqlite::Result<Sum> {
    const SUM: &str = "SELECT rows, checksum FROM seaworthy_buckets WHERE bucket = ?1";
    let sum = |row: &rusqlite::Row<'_>| Ok(Sum { rows: row.get::<_, i64>(0)?.unsigned_abs(), checksum: Checksum(row.get::<_, i64>(1)?.unsigned_abs()) });
    Ok(conn.prepare_cached(SUM)?.query_row([&bucket.0], sum).optional()?.unwrap_or_default())
}

/// Calls `each` with what has come, changed or left behind a position; behind 0, that is everything.
pub fn since(conn: &Connection, bucket: &Bucket, position: Position, mut each: impl FnMut(Entry) -> Result<(), StorageError>) -> Result<(), StorageError> {
    const SINCE: &str = "SELECT key, gone, checksum FROM seaworthy_rows WHERE bucket = ?1 AND position > ?2 ORDER BY position";
    let mut statement = conn.prepare_cached(SINCE)?;
    let mut rows = statement.query(params![bucket.0, integer(position)])?;
    while let Some(row) = rows.next()? {
        let key = decode_key(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
        each(Entry { key, gone: row.get(1)?, checksum: Checksum(row.get::<_, i64>(2)?.unsigned_abs()) })?;
    }
    Ok(())
}

/// How many keys the buckets of a stream hold, each counted once per bucket.
pub fn count(conn: &Connection, stream: i64) -> rusqlite::Result<u64> {
    conn.query_row("SELECT count(*) FROM seaworthy_rows WHERE stream = ?1 AND NOT gone", [stream], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// The keys that the buckets of a stream hold.
pub fn keys(conn: &Connection, stream: i64) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut statement = conn.prepare("SELECT DISTINCT key FROM seaworthy_rows WHERE stream = ?1 AND NOT gone")?;
    statement.query_map([stream], |row| row.get(0))?.collect()
}

/// Strikes out everything about a stream that is no more.
pub fn forget(conn: &Connection, stream: i64) -> rusqlite::Result<()> {
    conn.execute("DELETE FROM seaworthy_rows WHERE stream = ?1", [stream])?;
    // Behind the dot comes the slash.
    conn.execute("DELETE FROM seaworthy_buckets WHERE bucket >= ?1 AND bucket < ?2", [format!("{stream}."), format!("{stream}/")])?;
    Ok(())
}

/// A key as the book has it: a MessagePack array of its values.
pub fn encode_key(key: &[Value]) -> Result<Vec<u8>, RecordError> {
    Ok(rmp_serde::to_vec(key)?)
}

/// A key that the book has.
pub fn decode_key(bytes: &[u8]) -> Result<Vec<Value>, RecordError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

fn stored(checksum: Checksum) -> i64 {
    checksum.0.cast_signed()
}
