//! Which keys of which bucket changed when, and who is to hear of it.
//!
//! It is derived from what the server's own session captured, never from what a client sent.

use super::{
    book::{self, Held, Marking},
    bulletin::Touched,
    change::Change,
    definition::Definition,
    error::{RecordError, StorageError},
    stream::{Lookup, Stream, Streams},
};
use rusqlite::{Connection, session::Session};
use seaworthy_protocol::{Changes, Checksum, Image, Op, Position, RowChange, RowKey, TableChanges, Value};
use std::collections::HashSet;

/// What the server's own session saw of a transaction.
#[derive(Debug, Default)]
pub struct Captured {
    /// The synchronised tables. This is what enters the log.
    pub changes: Changes,
    /// The tables in which streams only look things up.
    pub lookups: Changes,
}

/// Starts recording the synchronised tables, and those that streams look things up in.
pub fn record<'c>(conn: &'c Connection, streams: &Streams) -> rusqlite::Result<Session<'c>> {
    let mut session = Session::new(conn)?;
    for table in streams.recorded() {
        session.attach(Some(table))?;
    }
    Ok(session)
}

/// What was recorded.
pub fn captured(session: &mut Session<'_>, streams: &Streams) -> Result<Captured, StorageError> {
    let mut bytes = Vec::new();
    session.changeset_strm(&mut bytes)?;
    let all = Changes::from_changeset(&bytes, |table| streams.recorded_columns(table)).map_err(RecordError::from)?;
    let (synced, lookups) = all.tables.into_iter().partition(|table| streams.get(&table.name).is_some());
    Ok(Captured { changes: Changes { tables: synced }, lookups: Changes { tables: lookups } })
}

/// Notes at `position` every row that came, changed or left.
pub fn track(conn: &Connection, streams: &Streams, captured: &Captured, position: Position, touched: &mut Touched) -> Result<(), StorageError> {
    for table in captured.changes.tables.iter().chain(&captured.lookups.tables) {
        let (stream, lookup) = (streams.get(&table.name), streams.lookup(&table.name));
        for row in &table.rows {
            let key: Vec<Value> = table.key_of(row).into_iter().cloned().collect();
            if let Some(stream) = stream {
                track_row(conn, stream, &key, position, touched)?;
            }
            if let Some(lookup) = lookup {
                look(conn, lookup, table, row, &key, touched)?;
            }
        }
    }
    Ok(())
}

/// Notes at `position` the rows that a transaction wrote and that are as they were before it: its writer holds
/// other values, which a trigger or a write handler undid, and is to get these.
pub fn track_unchanged(
    conn: &Connection,
    changes: &[Change<'_>],
    captured: &Changes,
    dropped: &[RowKey],
    position: Position,
    touched: &mut Touched,
) -> Result<(), StorageError> {
    let rows = captured.tables.iter().flat_map(|table| table.rows.iter().map(|row| (table.name.as_str(), table.key_of(row))));
    let changed: HashSet<(&str, Vec<&Value>)> = rows.collect();
    for change in changes.iter().filter(|change| change.op != Op::Delete) {
        let is_changed = changed.contains(&(change.stream.name.as_str(), change.key.iter().collect()));
        if !is_changed && !dropped.contains(&change.row_key()) {
            track_row(conn, change.stream, &change.key, position, touched)?;
        }
    }
    Ok(())
}

fn track_row(conn: &Connection, stream: &Stream, key: &[Value], position: Position, touched: &mut Touched) -> Result<(), StorageError> {
    let row = stream.row(conn, key)?;
    let encoded = book::encode_key(key)?;
    for definition in &stream.definitions {
        for bucket in enter(conn, definition, key, &encoded, row.as_deref(), position, Marking::Written)?.1 {
            touched.add(&bucket.0);
        }
    }
    Ok(())
}

/// Enters a row into the buckets of one stream. Answers how many hold it, and those that hear of it.
fn enter(
    conn: &Connection,
    definition: &Definition,
    key: &[Value],
    encoded: &[u8],
    row: Option<&[Value]>,
    position: Position,
    marking: Marking,
) -> rusqlite::Result<(usize, Vec<super::definition::Bucket>)> {
    let buckets = if row.is_some() { definition.buckets_of_row(conn, key)? } else { Vec::new() };
    let held = Held { stream: definition.number, key: encoded, buckets: &buckets, checksum: row.map(Checksum::of_row).unwrap_or_default() };
    Ok((buckets.len(), book::enter(conn, &held, position, marking)?))
}

/// Notes what depends on a row of a table in which streams look things up.
fn look(conn: &Connection, lookup: &Lookup, table: &TableChanges, row: &RowChange, key: &[Value], touched: &mut Touched) -> rusqlite::Result<()> {
    let image = |cells: Vec<Value>| -> Image { lookup.recorded.iter().cloned().zip(cells).collect() };
    let after = if row.op == Op::Delete { None } else { lookup.find(conn, key)?.map(image) };
    let before = (row.op != Op::Insert).then(|| {
        // What has not changed is as it was.
        let mut before = after.clone().unwrap_or_default();
        before.extend(table.columns.iter().zip(&row.old).filter_map(|(name, value)| Some((name.clone(), value.clone()?))));
        before
    });
    for reader in &lookup.readers {
        for answer in reader.touched(&table.name, before.as_ref(), after.as_ref()) {
            touched.add(&answer.0);
        }
    }
    Ok(())
}

/// Compares the book with a table, and enters at `position` what differs: all of it where a stream is new, what
/// a migration changed, what somebody wrote from outside. Answers whether anything did.
pub fn reconcile(conn: &Connection, stream: &Stream, position: Position) -> Result<bool, StorageError> {
    let mut seen = vec![0_u64; stream.definitions.len()];
    let mut differs = false;
    stream.each_row::<StorageError>(conn, |key, row| {
        let encoded = book::encode_key(&key)?;
        for (definition, seen) in stream.definitions.iter().zip(&mut seen) {
            let (holding, touched) = enter(conn, definition, &key, &encoded, Some(&row), position, Marking::Differing)?;
            *seen += holding as u64;
            differs |= !touched.is_empty();
        }
        Ok(())
    })?;
    for (definition, seen) in stream.definitions.iter().zip(seen) {
        // What there is stands in the book by now. If it has more, rows are gone.
        if book::count(conn, definition.number)? == seen {
            continue;
        }
        for encoded in book::keys(conn, definition.number)? {
            let key = book::decode_key(&encoded)?;
            let row = stream.row(conn, &key)?;
            enter(conn, definition, &key, &encoded, row.as_deref(), position, Marking::Differing)?;
        }
        differs = true;
    }
    Ok(differs)
}
