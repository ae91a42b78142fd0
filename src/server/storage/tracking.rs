//! Which keys of which bucket changed when: what a pull reads.
//!
//! It is derived from what the server's own session captured, never from what a client sent.

use super::{
    change::Change,
    error::{RecordError, StorageError},
    internal::integer,
    stream::{Stream, Streams},
};
use rusqlite::{Connection, params, session::Session};
use seaworthy_protocol::{Changes, Op, Position, RowChange, RowKey, Value};
use std::collections::HashSet;

/// Starts recording the synchronised tables.
pub fn record<'c>(conn: &'c Connection, streams: &Streams) -> rusqlite::Result<Session<'c>> {
    let mut session = Session::new(conn)?;
    for stream in streams.iter() {
        session.attach(Some(stream.name.as_str()))?;
    }
    Ok(session)
}

/// What was recorded.
pub fn captured(session: &mut Session<'_>, streams: &Streams) -> Result<Changes, StorageError> {
    let mut bytes = Vec::new();
    session.changeset_strm(&mut bytes)?;
    let columns = |table: &str| streams.get(table).map(|stream| stream.recorded.clone());
    Ok(Changes::from_changeset(&bytes, columns).map_err(RecordError::from)?)
}

/// Notes at `position` every row that came, changed or left.
pub fn track(conn: &Connection, streams: &Streams, changes: &Changes, position: Position) -> Result<(), StorageError> {
    for table in &changes.tables {
        let Some(stream) = streams.get(&table.name) else { continue };
        for row in &table.rows {
            let key: Vec<Value> = table.key_of(row).into_iter().cloned().collect();
            let (left, holds) = buckets(conn, stream, row, &key)?;
            let key = encode_key(&key)?;
            if let Some(bucket) = left.filter(|bucket| holds.as_ref() != Some(bucket)) {
                mark(conn, stream, &bucket, &key, position, true)?;
            }
            if let Some(bucket) = holds {
                mark(conn, stream, &bucket, &key, position, false)?;
            }
        }
    }
    Ok(())
}

/// Notes at `position` the rows that a transaction wrote and that are as they were before it: its writer holds
/// other values, which a trigger or a write handler undid, and is to get these.
pub fn track_unchanged(conn: &Connection, changes: &[Change<'_>], captured: &Changes, dropped: &[RowKey], position: Position) -> Result<(), StorageError> {
    let rows = captured.tables.iter().flat_map(|table| table.rows.iter().map(|row| (table.name.as_str(), table.key_of(row))));
    let changed: HashSet<(&str, Vec<&Value>)> = rows.collect();
    for change in changes.iter().filter(|change| change.op != Op::Delete) {
        let is_changed = changed.contains(&(change.stream.name.as_str(), change.key.iter().collect()));
        if is_changed || dropped.contains(&change.row_key()) {
            continue;
        }
        if let Some(bucket) = change.stream.bucket_of_key(conn, &change.key)?.flatten() {
            mark(conn, change.stream, &bucket, &encode_key(&change.key)?, position, false)?;
        }
    }
    Ok(())
}

/// The bucket that a row left, and the one that holds it now.
fn buckets(conn: &Connection, stream: &Stream, row: &RowChange, key: &[Value]) -> rusqlite::Result<(Option<String>, Option<String>)> {
    let of_image = |image: &[Option<Value>]| match &stream.access {
        super::stream::Access::Open => stream.bucket_of_owner(&Value::Null),
        super::stream::Access::Owner { column } => {
            let at = stream.recorded.iter().position(|name| name == column)?;
            stream.bucket_of_owner(image.get(at)?.as_ref()?)
        }
    };
    Ok(match row.op {
        Op::Insert => (None, of_image(&row.new)),
        Op::Delete => (of_image(&row.old), None),
        // An owner that did not change is not in the image: then nothing is left, and the row says where it is.
        Op::Update => (of_image(&row.old), stream.bucket_of_key(conn, key)?.flatten()),
    })
}

fn mark(conn: &Connection, stream: &Stream, bucket: &str, key: &[u8], position: Position, gone: bool) -> rusqlite::Result<()> {
    const MARK: &str = "
        INSERT INTO seaworthy_rows (tbl, bucket, key, position, gone) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET position = excluded.position, gone = excluded.gone";
    conn.prepare_cached(MARK)?.execute(params![stream.name, bucket, key, integer(position), gone])?;
    Ok(())
}

/// Whether the buckets of a table hold as many rows as are tracked. They do not after a write from outside.
pub fn is_complete(conn: &Connection, stream: &Stream) -> rusqlite::Result<bool> {
    let rows = format!("SELECT bucket, count(*) FROM ({}) WHERE bucket IS NOT NULL GROUP BY bucket", stream.sql.buckets);
    const TRACKED: &str = "SELECT bucket, count(*) FROM seaworthy_rows WHERE tbl = ?1 AND NOT gone GROUP BY bucket";
    let differs = format!("SELECT EXISTS (SELECT * FROM ({rows} EXCEPT {TRACKED})) OR EXISTS (SELECT * FROM ({TRACKED} EXCEPT {rows}))");
    conn.query_row(&differs, [&stream.name], |row| row.get(0)).map(|differs: bool| !differs)
}

/// Tracks a table anew: every row as if it had changed at `position`, and everything else as gone.
pub fn rebuild(conn: &Connection, stream: &Stream, position: Position) -> Result<(), StorageError> {
    const FORGET: &str = "UPDATE seaworthy_rows SET gone = 1, position = ?2 WHERE tbl = ?1 AND NOT gone";
    conn.execute(FORGET, params![stream.name, integer(position)])?;
    let mut failed = None;
    stream.each_key(conn, |key, bucket| {
        let Some(bucket) = bucket else { return Ok(()) };
        match encode_key(&key) {
            Ok(key) => mark(conn, stream, &bucket, &key, position, false),
            Err(error) => {
                failed = Some(error);
                Ok(())
            }
        }
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// A key as `seaworthy_rows` stores it: a MessagePack array of its values.
pub fn encode_key(key: &[Value]) -> Result<Vec<u8>, RecordError> {
    Ok(rmp_serde::to_vec(key)?)
}

/// A key as `seaworthy_rows` stored it.
pub fn decode_key(bytes: &[u8]) -> Result<Vec<Value>, RecordError> {
    Ok(rmp_serde::from_slice(bytes)?)
}
