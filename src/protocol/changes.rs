//! What a transaction changed: rows of named tables with named columns, before and after.
//!
//! It exists as the one form in which a write is queued, pushed, judged and undone. It promises that
//! SQLite's own bytes go in and come out unchanged. It never guesses: a cell that is not part of the
//! change is `None`, which is not NULL.

use crate::changeset::{self, ChangesetError};
use crate::{Value, fingerprint};
use serde::{Deserialize, Serialize};

/// The changes of one transaction, grouped by table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// One group per table, in the order in which the session recorded them. A table has several
    /// groups when its rows do not all name the same columns, which only JSON can say.
    pub tables: Vec<TableChanges>,
}

/// The changed rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChanges {
    /// The table's name.
    pub name: String,
    /// The columns that the rows' values stand for, in order.
    pub columns: Vec<String>,
    /// Per column its place in the primary key, from 1, or 0 when it is not part of it. As SQLite
    /// writes it, and compares it when it applies: `PRIMARY KEY (b, a)` over `a, b` is `[2, 1]`.
    pub key: Vec<u8>,
    /// The rows. Each names its key once.
    pub rows: Vec<RowChange>,
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
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
    /// Empty for an insert, whole for a delete. For an update: the key, and the former values of
    /// the changed columns.
    pub old: Vec<Option<Value>>,
    /// Empty for a delete, whole for an insert. For an update: the new values of the changed
    /// columns, without the key.
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

    /// A 128-bit fingerprint of the content (XXH3). It is equal on both sides whatever the encoding,
    /// the order of columns and the order of rows, which carry no meaning. Not cryptographic.
    pub fn hash(&self) -> [u8; 16] {
        fingerprint::of_changes(self)
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
        for table in &mut inverse.tables {
            for row in &mut table.rows {
                row.invert(&table.key);
            }
        }
        inverse
    }
}

impl TableChanges {
    /// Whether a column is part of the primary key.
    pub fn is_key(&self, column: usize) -> bool {
        self.key.get(column).is_some_and(|place| *place != 0)
    }

    /// The primary key of a row, in column order.
    pub fn key_of<'a>(&'a self, row: &'a RowChange) -> Vec<&'a Value> {
        let image = if row.op == Op::Insert { &row.new } else { &row.old };
        self.key.iter().zip(image).filter(|(place, _)| **place != 0).map(|(_, value)| value.as_ref().unwrap_or(&Value::Null)).collect()
    }

    /// The names of the key columns, in column order.
    pub fn key_columns(&self) -> Vec<&str> {
        self.key.iter().zip(&self.columns).filter(|(place, _)| **place != 0).map(|(_, name)| name.as_str()).collect()
    }
}

impl RowChange {
    fn invert(&mut self, key: &[u8]) {
        std::mem::swap(&mut self.old, &mut self.new);
        self.op = match self.op {
            Op::Insert => Op::Delete,
            Op::Delete => Op::Insert,
            Op::Update => {
                // The key of an update stands in `old` only.
                for column in (0..key.len()).filter(|column| key[*column] != 0) {
                    std::mem::swap(&mut self.old[column], &mut self.new[column]);
                }
                Op::Update
            }
        };
    }
}
