//! The net change of each row: what it was before the first change, and what it is after the last.

use super::Shape;
use crate::StoreError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};
use seaworthy_protocol::Op;
use seaworthy_protocol::record::{self, Cell};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::os::raw::c_int;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// What has changed, in memory that grows with it. Tables come out by name, rows in the order of their first change.
#[derive(Debug)]
pub(super) struct Net {
    shapes: Arc<[Shape]>,
    tables: Vec<Touched>,
    /// The cells and keys of all rows.
    bytes: Vec<u8>,
}

/// The changed rows of one table.
#[derive(Debug)]
struct Touched {
    shape: usize,
    rows: Vec<Row>,
    /// The newest row whose key has this hash.
    places: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
}

/// What is a hash already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[derive(Debug)]
struct Row {
    key: Range<usize>,
    /// The row before its first change; `None`: there was none.
    before: Option<Range<usize>>,
    /// The row after the last; `None`: there is none.
    after: Option<Range<usize>>,
    /// Where `after` was written, with what it may grow into.
    room: Range<usize>,
    /// Only triggers and foreign-key actions have changed it.
    indirect: bool,
    /// An older row whose key has the same hash.
    same_hash: Option<usize>,
}

/// One table while a change is noted.
pub(super) struct Noting<'n> {
    shape: &'n Shape,
    table: &'n mut Touched,
    bytes: &'n mut Vec<u8>,
}

impl Net {
    pub fn new(shapes: Arc<[Shape]>) -> Self {
        Self { shapes, tables: Vec::new(), bytes: Vec::new() }
    }

    #[cfg(test)]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The table with this name, if its changes are captured.
    pub fn table(&mut self, name: &[u8]) -> Option<Noting<'_>> {
        let known = self.tables.iter().position(|table| self.shapes[table.shape].name.as_bytes() == name);
        let at = match known {
            Some(at) => at,
            None => {
                let shape = self.shapes.binary_search_by(|shape| shape.name.as_bytes().cmp(name)).ok()?;
                self.tables.push(Touched { shape, rows: Vec::new(), places: HashMap::default() });
                self.tables.len() - 1
            }
        };
        let table = &mut self.tables[at];
        Some(Noting { shape: &self.shapes[table.shape], table, bytes: &mut self.bytes })
    }

    /// Takes the rows from the database as they stand.
    pub fn read_again(&mut self, conn: &Connection) -> Result<(), StoreError> {
        for table in &mut self.tables {
            let mut statement = conn.prepare_cached(&self.shapes[table.shape].select)?;
            for row in &mut table.rows {
                let mut key = &self.bytes[row.key.clone()];
                for at in 1.. {
                    let Some((cell, rest)) = Cell::split(key) else { break };
                    statement.raw_bind_parameter(at, Bound(cell))?;
                    key = rest;
                }
                let mut found = statement.raw_query();
                row.after = match found.next()? {
                    None => None,
                    Some(standing) => {
                        let from = self.bytes.len();
                        for at in 0..standing.as_ref().column_count() {
                            cell_of(standing.get_ref(at)?).put(&mut self.bytes);
                        }
                        Some(from..self.bytes.len())
                    }
                };
            }
        }
        Ok(())
    }

    /// The changes in SQLite's changeset format. A table of which nothing remains is left out.
    pub fn changeset(&mut self) -> Vec<u8> {
        self.tables.sort_by_key(|table| table.shape);
        let mut out = Vec::with_capacity(self.bytes.len());
        let mut new = Vec::new();
        for table in &self.tables {
            let shape = &self.shapes[table.shape];
            let start = out.len();
            record::put_table(&mut out, &shape.name, &shape.key);
            let records = out.len();
            for row in &table.rows {
                let image = |of: &Range<usize>| &self.bytes[of.clone()];
                match (&row.before, &row.after) {
                    (None, None) => {}
                    (None, Some(after)) => {
                        record::put_op(&mut out, Op::Insert, row.indirect);
                        out.extend_from_slice(image(after));
                    }
                    (Some(before), None) => {
                        record::put_op(&mut out, Op::Delete, row.indirect);
                        out.extend_from_slice(image(before));
                    }
                    (Some(before), Some(after)) if image(before) == image(after) => {}
                    (Some(before), Some(after)) => put_update(&mut out, &mut new, shape, row.indirect, [image(before), image(after)]),
                }
            }
            if out.len() == records {
                out.truncate(start);
            }
        }
        out
    }
}

impl Noting<'_> {
    pub fn inserted<'v>(self, indirect: bool, new: impl Fn(c_int) -> Result<Cell<'v>, c_int>) -> Result<(), c_int> {
        self.note(|noting| {
            let after = noting.write(new)?;
            let key = noting.key_of(&after);
            Ok(noting.change(key, None, Some(after), indirect))
        })
    }

    pub fn deleted<'v>(self, indirect: bool, old: impl Fn(c_int) -> Result<Cell<'v>, c_int>) -> Result<(), c_int> {
        self.note(|noting| {
            let before = noting.write(old)?;
            let key = noting.key_of(&before);
            Ok(noting.change(key, Some(before), None, indirect))
        })
    }

    /// A row whose key has changed is gone, and another has come.
    pub fn updated<'v>(
        self,
        indirect: bool,
        old: impl Fn(c_int) -> Result<Cell<'v>, c_int>,
        new: impl Fn(c_int) -> Result<Cell<'v>, c_int>,
    ) -> Result<(), c_int> {
        self.note(|noting| {
            let (before, after) = (noting.write(old)?, noting.write(new)?);
            let (former, key) = (noting.key_of(&before), noting.key_of(&after));
            if noting.bytes[former.clone()] == noting.bytes[key.clone()] {
                return Ok(noting.change(former, Some(before), Some(after), indirect));
            }
            let left = noting.change(former, Some(before), None, indirect);
            let came = noting.change(key, None, Some(after), indirect);
            Ok(left || came)
        })
    }

    /// Writes what a change consists of behind everything, and takes it away again where nothing of it is kept.
    fn note(mut self, change: impl FnOnce(&mut Self) -> Result<bool, c_int>) -> Result<(), c_int> {
        let end = self.bytes.len();
        if !change(&mut self)? {
            self.bytes.truncate(end);
        }
        Ok(())
    }

    fn write<'v>(&mut self, cell: impl Fn(c_int) -> Result<Cell<'v>, c_int>) -> Result<Range<usize>, c_int> {
        let from = self.bytes.len();
        for column in &self.shape.columns {
            cell(*column)?.put(self.bytes);
        }
        Ok(from..self.bytes.len())
    }

    fn key_of(&mut self, image: &Range<usize>) -> Range<usize> {
        let (from, mut at) = (self.bytes.len(), image.start);
        for column in 0..=self.shape.last_key {
            let next = image.end - Cell::split(&self.bytes[at..image.end]).map_or(0, |(_, rest)| rest.len());
            if self.shape.key[column] != 0 {
                self.bytes.extend_from_within(at..next);
            }
            at = next;
        }
        from..self.bytes.len()
    }

    /// A row was changed. Of one that was changed before, the end counts. Whether anything that was written is kept.
    fn change(&mut self, key: Range<usize>, before: Option<Range<usize>>, after: Option<Range<usize>>, indirect: bool) -> bool {
        let hash = xxh3_64(&self.bytes[key.clone()]);
        let newest = self.table.places.get(&hash).copied();
        let mut place = newest;
        while let Some(at) = place
            && self.bytes[self.table.rows[at].key.clone()] != self.bytes[key.clone()]
        {
            place = self.table.rows[at].same_hash;
        }
        let Some(at) = place else {
            let room = after.clone().unwrap_or(0..0);
            self.table.places.insert(hash, self.table.rows.len());
            self.table.rows.push(Row { key, before, after, room, indirect, same_hash: newest });
            return true;
        };
        let row = &mut self.table.rows[at];
        row.indirect &= indirect;
        row.after = None;
        let Some(after) = after else { return false };
        let grown = row.room.len() < after.len();
        if grown {
            // Twice as large, so that a row which grows with every change takes no more than a few times its last size.
            let from = self.bytes.len();
            self.bytes.resize(from + after.len().max(2 * row.room.len()), 0);
            row.room = from..self.bytes.len();
        }
        row.after = Some(row.room.start..row.room.start + after.len());
        self.bytes.copy_within(after, row.room.start);
        grown
    }
}

/// Appends an update: the key and the former values of the changed columns, then their new values. `new` is empty between calls.
fn put_update(out: &mut Vec<u8>, new: &mut Vec<u8>, shape: &Shape, indirect: bool, [mut before, mut after]: [&[u8]; 2]) {
    let start = out.len();
    let mut is_change = false;
    record::put_op(out, Op::Update, indirect);
    for place in &shape.key {
        let (Some((was, rest_before)), Some((is, rest_after))) = (Cell::split(before), Cell::split(after)) else { break };
        let changed = was != is;
        is_change |= changed;
        if changed || *place != 0 {
            out.extend_from_slice(&before[..before.len() - rest_before.len()]);
        } else {
            out.push(record::ABSENT);
        }
        if changed {
            new.extend_from_slice(&after[..after.len() - rest_after.len()]);
        } else {
            new.push(record::ABSENT);
        }
        (before, after) = (rest_before, rest_after);
    }
    out.append(new);
    if !is_change {
        out.truncate(start);
    }
}

fn cell_of(value: ValueRef<'_>) -> Cell<'_> {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(integer) => Cell::Integer(integer),
        ValueRef::Real(real) => Cell::Real(real),
        ValueRef::Text(text) => Cell::Text(text),
        ValueRef::Blob(blob) => Cell::Blob(blob),
    }
}

/// A cell as a parameter.
struct Bound<'a>(Cell<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Cell::Null => ValueRef::Null,
            Cell::Integer(integer) => ValueRef::Integer(integer),
            Cell::Real(real) => ValueRef::Real(real),
            Cell::Text(text) => ValueRef::Text(text),
            Cell::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}
