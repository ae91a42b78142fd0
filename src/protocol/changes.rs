//! What a transaction changed: rows of named tables with named columns, before and after.
//!
//! In binary frames the rows travel as SQLite's own changeset bytes beside the column names; in JSON
//! as one object per row. Both decode to [`Changes`].

use crate::changeset::{self, ChangesetError};
use crate::{Value, limits};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use std::collections::BTreeMap;

/// The changes of one transaction, grouped by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// One group per table, in the order in which the session recorded them.
    pub tables: Vec<TableChanges>,
}

/// The changed rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChanges {
    /// The table's name.
    pub name: String,
    /// The columns that the rows' values stand for, in order.
    pub columns: Vec<String>,
    /// Which columns form the primary key.
    pub key: Vec<bool>,
    /// The rows.
    pub rows: Vec<RowChange>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The row came.
    Insert,
    /// Some columns changed; the key did not.
    Update,
    /// The row went.
    Delete,
}

/// One row, before and after. A column that is not part of the change is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// What happened.
    pub op: Op,
    /// Whether a trigger or a foreign-key action did it. A hint, never trusted for permission.
    pub indirect: bool,
    /// Empty for an insert. For an update: the key, and the former values of the changed columns.
    pub old: Vec<Option<Value>>,
    /// Empty for a delete. For an update: the new values of the changed columns.
    pub new: Vec<Option<Value>>,
}

impl Changes {
    /// Parses SQLite's changeset bytes. `columns` names the columns of a table; it answers `None` for an unknown one.
    pub fn from_changeset(bytes: &[u8], columns: impl FnMut(&str) -> Option<Vec<String>>) -> Result<Self, ChangesetError> {
        changeset::parse(bytes, columns)
    }

    /// SQLite's changeset bytes, readable by every binding of the session extension.
    pub fn to_changeset(&self) -> Vec<u8> {
        changeset::encode(self)
    }

    /// A 128-bit fingerprint of the content (XXH3), equal on both sides whatever the encoding. Not cryptographic.
    pub fn hash(&self) -> [u8; 16] {
        let mut hasher = xxhash_rust::xxh3::Xxh3::new();
        for table in &self.tables {
            for column in &table.columns {
                hasher.update(&(column.len() as u64).to_le_bytes());
                hasher.update(column.as_bytes());
            }
        }
        hasher.update(&self.to_changeset());
        hasher.digest128().to_be_bytes()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.rows.is_empty())
    }

    /// How many rows changed.
    pub fn row_count(&self) -> usize {
        self.tables.iter().map(|table| table.rows.len()).sum()
    }

    /// The same changes backwards: applied after the original they restore what was before.
    /// Tables and rows keep their order; inverting twice gives the original.
    pub fn inverted(&self) -> Self {
        let mut inverse = self.clone();
        for row in inverse.tables.iter_mut().flat_map(|table| &mut table.rows) {
            row.invert();
        }
        for table in &mut inverse.tables {
            for row in table.rows.iter_mut().filter(|row| row.op == Op::Update) {
                // An update carries its key in `old` only.
                for (column, is_key) in table.key.iter().enumerate() {
                    if *is_key && row.old[column].is_none() {
                        row.old[column] = row.new[column].take();
                    }
                }
            }
        }
        inverse
    }
}

impl TableChanges {
    /// The primary key of a row, in column order.
    pub fn key_of<'a>(&'a self, row: &'a RowChange) -> Vec<&'a Value> {
        let image = if row.op == Op::Insert { &row.new } else { &row.old };
        self.key.iter().zip(image).filter(|(is_key, _)| **is_key).map(|(_, value)| value.as_ref().unwrap_or(&Value::Null)).collect()
    }

    /// The names of the key columns, in column order.
    pub fn key_columns(&self) -> Vec<&str> {
        self.key.iter().zip(&self.columns).filter(|(is_key, _)| **is_key).map(|(_, name)| name.as_str()).collect()
    }
}

impl RowChange {
    fn invert(&mut self) {
        std::mem::swap(&mut self.old, &mut self.new);
        self.op = match self.op {
            Op::Insert => Op::Delete,
            Op::Delete => Op::Insert,
            Op::Update => Op::Update,
        };
    }
}

#[derive(Serialize, Deserialize)]
struct Binary {
    tables: Vec<(String, Vec<String>)>,
    #[serde(with = "serde_bytes")]
    changeset: Vec<u8>,
}

type Object = BTreeMap<String, Value>;

/// One row in JSON. `old` of an update may be left out: the write is then blind for those columns.
#[derive(Serialize, Deserialize)]
struct JsonRow {
    table: String,
    op: Op,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    indirect: bool,
    key: Object,
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    old: Object,
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    new: Object,
}

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            let tables = self.tables.iter().map(|t| (t.name.clone(), t.columns.clone())).collect();
            return Binary { tables, changeset: self.to_changeset() }.serialize(s);
        }
        let mut rows = s.serialize_seq(Some(self.row_count()))?;
        for table in &self.tables {
            for row in &table.rows {
                rows.serialize_element(&json_row(table, row))?;
            }
        }
        rows.end()
    }
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use de::Error as _;
        if d.is_human_readable() {
            return from_json_rows(Vec::deserialize(d)?).map_err(D::Error::custom);
        }
        let binary = Binary::deserialize(d)?;
        if binary.tables.len() > limits::MAX_TABLES {
            return Err(D::Error::custom("too many tables in one transaction"));
        }
        if binary.changeset.len() > limits::MAX_TRANSACTION_BYTES {
            return Err(D::Error::custom("changeset too large"));
        }
        let mut names: Vec<_> = binary.tables;
        Changes::from_changeset(&binary.changeset, |table| {
            let at = names.iter().position(|(name, _)| name == table)?;
            Some(names.remove(at).1)
        })
        .map_err(D::Error::custom)
    }
}

fn json_row(table: &TableChanges, row: &RowChange) -> JsonRow {
    let named = |image: &[Option<Value>], with_key: bool| -> Object {
        let cells = table.columns.iter().zip(&table.key).zip(image);
        cells.filter(|((_, is_key), _)| with_key || !**is_key).filter_map(|((name, _), value)| Some((name.clone(), value.clone()?))).collect()
    };
    let key = table.key_columns().into_iter().map(str::to_owned).zip(table.key_of(row).into_iter().cloned()).collect();
    JsonRow { table: table.name.clone(), op: row.op, indirect: row.indirect, key, old: named(&row.old, false), new: named(&row.new, false) }
}

fn from_json_rows(rows: Vec<JsonRow>) -> Result<Changes, String> {
    let mut changes = Changes::default();
    for row in rows {
        if row.key.is_empty() {
            return Err(format!("a row of {} has no key", row.table));
        }
        // Rows of one table share a group as long as they name the same columns.
        let mut columns: Vec<String> = row.key.keys().cloned().collect();
        let mut rest: Vec<&String> = row.old.keys().chain(row.new.keys()).filter(|name| !row.key.contains_key(*name)).collect();
        rest.sort_unstable();
        rest.dedup();
        columns.extend(rest.into_iter().cloned());
        let key: Vec<bool> = columns.iter().map(|name| row.key.contains_key(name)).collect();
        let cells = |with_key: bool, image: &Object| {
            columns.iter().map(|name| if with_key { row.key.get(name).or_else(|| image.get(name)) } else { image.get(name) }.cloned()).collect()
        };
        let change = RowChange {
            op: row.op,
            indirect: row.indirect,
            old: if row.op == Op::Insert { Vec::new() } else { cells(true, &row.old) },
            new: match row.op {
                Op::Insert => cells(true, &row.new),
                Op::Update => cells(false, &row.new),
                Op::Delete => Vec::new(),
            },
        };
        match changes.tables.iter_mut().find(|t| t.name == row.table && t.columns == columns && t.key == key) {
            Some(table) => table.rows.push(change),
            None => changes.tables.push(TableChanges { name: row.table, columns, key, rows: vec![change] }),
        }
    }
    if changes.tables.len() > limits::MAX_TABLES {
        return Err("too many tables in one transaction".to_owned());
    }
    Ok(changes)
}
