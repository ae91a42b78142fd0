//! Rows as they come: checked, and made ready for the book and for the tables.
//!
//! A row's key is known to the book as bytes: its values in MessagePack, in the order of their columns' names, so that
//! it is the same whatever order a side declares. Tables and columns that the schema does not know are in the book too.

use crate::StoreError;
use crate::apply::{Batch, Edit};
use crate::table::Table;
use seaworthy_protocol::{BucketId, Checkpoint, Checksum, Rows, Value};
use std::collections::{BTreeMap, HashSet};

/// Rows of one bucket.
pub(crate) struct Frame<'a> {
    rows: &'a Rows,
    /// The table here, if there is one, and the places of `columns` in it.
    table: Option<(&'a Table, Vec<Option<usize>>)>,
    /// The places of the key in a row, and in a key that is gone.
    key: Vec<usize>,
    gone: Vec<usize>,
}

/// Reads the frames before a checkpoint. Rows of buckets that are left with it are not among them.
pub(crate) fn read<'a>(rows: &'a [Rows], checkpoint: &Checkpoint, tables: &'a BTreeMap<String, Table>) -> Result<Vec<Frame<'a>>, StoreError> {
    let named = named(checkpoint);
    let stays = |group: &&Rows| named.as_ref().is_none_or(|named| named.contains(&group.bucket));
    rows.iter().filter(stays).map(|group| Frame::read(group, tables)).collect()
}

/// The buckets that the replica is to hold, where the checkpoint says so.
pub(crate) fn named(checkpoint: &Checkpoint) -> Option<HashSet<&BucketId>> {
    Some(checkpoint.streams.as_ref()?.iter().flat_map(|state| &state.buckets).collect())
}

impl<'a> Frame<'a> {
    fn read(rows: &'a Rows, tables: &'a BTreeMap<String, Table>) -> Result<Self, StoreError> {
        let mismatch = |what: String| StoreError::SchemaMismatch { differences: vec![format!("table {} of the server {what}", rows.table)] };
        let mut names: Vec<&String> = rows.key.iter().collect();
        names.sort();
        let places = |among: &[String]| -> Option<Vec<usize>> { names.iter().map(|name| among.iter().position(|column| column == *name)).collect() };
        let table = tables.get(&rows.table);
        let is_key = |table: &Table| table.key.len() == names.len() && table.key.iter().all(|at| rows.key.contains(&table.columns[*at].name));
        let (Some(key), Some(gone), true) = (places(&rows.columns), places(&rows.key), table.is_none_or(is_key)) else {
            return Err(mismatch(format!("has the key ({})", rows.key.join(", "))));
        };
        if rows.rows.iter().any(|row| row.len() != rows.columns.len()) {
            return Err(mismatch("sent a row that does not fit its columns".to_owned()));
        }
        if rows.gone.iter().any(|gone| gone.len() != rows.key.len()) {
            return Err(mismatch("sent a key that does not fit its columns".to_owned()));
        }
        let table = table.map(|table| (table, rows.columns.iter().map(|name| table.column(name)).collect()));
        Ok(Self { rows, table, key, gone })
    }

    pub fn bucket(&self) -> &'a BucketId {
        &self.rows.bucket
    }

    pub fn table(&self) -> &'a str {
        &self.rows.table
    }

    /// The columns that the schema does not know.
    pub fn skipped(&self) -> impl Iterator<Item = &'a str> + '_ {
        let is_known = |at: usize| self.table.as_ref().is_some_and(|(_, places)| places[at].is_some());
        self.rows.columns.iter().enumerate().filter(move |(at, _)| !is_known(*at)).map(|(_, name)| name.as_str())
    }

    /// Visits the rows: the key, and the checksum.
    pub fn each_row(&self, mut visit: impl FnMut(&[u8], Checksum) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut key = Vec::new();
        for row in &self.rows.rows {
            pack(&mut key, self.key.iter().map(|at| &row[*at]))?;
            visit(&key, Checksum::of_row(row))?;
        }
        Ok(())
    }

    /// Visits the keys that the bucket holds no more.
    pub fn each_gone(&self, mut visit: impl FnMut(&[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut key = Vec::new();
        for gone in &self.rows.gone {
            pack(&mut key, self.gone.iter().map(|at| &gone[*at]))?;
            visit(&key)?;
        }
        Ok(())
    }
}

/// What the tables are to become: every row that came once, and without the rows that no bucket holds any more.
pub(crate) fn batches<'a>(frames: &'a [Frame<'a>], removed: &'a BTreeMap<String, Vec<Vec<Value>>>, tables: &'a BTreeMap<String, Table>) -> Vec<Batch<'a>> {
    let mut batches = Vec::new();
    for (name, keys) in removed {
        let Some(table) = tables.get(name) else { continue };
        batches.push(Batch { table, edits: keys.iter().map(|key| Edit::Remove(key.iter().collect())).collect() });
    }
    let mut met: HashSet<(&str, Vec<&Value>)> = HashSet::new();
    for frame in frames {
        let Some((table, places)) = &frame.table else { continue };
        let is_shared = frames.iter().any(|other| other.table() == frame.table() && other.bucket() != frame.bucket());
        let is_new = |row: &&'a Vec<Value>| !is_shared || met.insert((frame.table(), frame.key.iter().map(|at| &row[*at]).collect()));
        let put = |row: &'a Vec<Value>| Edit::Put(places.iter().zip(row).filter_map(|(at, value)| Some(((*at)?, value))).collect());
        batches.push(Batch { table, edits: frame.rows.rows.iter().filter(is_new).map(put).collect() });
    }
    batches
}

/// A key as the book has it, from its values in the order of their columns' names.
pub(crate) fn pack<'v>(bytes: &mut Vec<u8>, values: impl Iterator<Item = &'v Value>) -> Result<(), StoreError> {
    bytes.clear();
    for value in values {
        rmp_serde::encode::write(bytes, value).map_err(|e| StoreError::Corrupt { message: e.to_string() })?;
    }
    Ok(())
}

/// The places of a table's key columns in the order of their names.
pub(crate) fn key_by_name(table: &Table) -> Vec<usize> {
    let mut key = table.key.clone();
    key.sort_by_key(|at| &table.columns[*at].name);
    key
}

/// The values of a key, in the order of the table's.
pub(crate) fn unpack(table: &Table, mut bytes: &[u8]) -> Result<Vec<Value>, StoreError> {
    let mut values = BTreeMap::new();
    for at in key_by_name(table) {
        let value = rmp_serde::from_read(&mut bytes).map_err(|e| StoreError::Corrupt { message: format!("a key in the book: {e}") })?;
        values.insert(at, value);
    }
    Ok(values.into_values().collect())
}
