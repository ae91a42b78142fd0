//! Which pending transactions touched which rows and cells.
//!
//! It answers two questions in time proportional to the change: on which pending transactions does a
//! new one build (`after`), and does a checkpoint meet anything pending. Rows are known by a 128-bit
//! hash of table and key.

use crate::table::Table;
use seaworthy_protocol::{Changes, Op, RowChange, TableChanges, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use xxhash_rust::xxh3::Xxh3;

/// The index. It is rebuilt at open from the outbox.
#[derive(Default)]
pub(crate) struct PendingIndex {
    rows: HashMap<u128, Vec<Touch>>,
    /// How many pending changes each table has.
    tables: HashMap<String, usize>,
}

struct Touch {
    ordinal: i64,
    /// `None`: the whole row, by insert or delete.
    columns: Option<Box<[String]>>,
    inserted: bool,
}

impl PendingIndex {
    pub fn add(&mut self, ordinal: i64, changes: &Changes) {
        for table in &changes.tables {
            *self.tables.entry(table.name.clone()).or_default() += table.rows.len();
        }
        for (table, row) in each_row(changes) {
            let columns = (row.op == Op::Update).then(|| changed_columns(table, row).map(str::to_owned).collect());
            let touch = Touch { ordinal, columns, inserted: row.op == Op::Insert };
            self.rows.entry(row_hash(&table.name, table.key_of(row).into_iter())).or_default().push(touch);
        }
    }

    pub fn remove(&mut self, ordinal: i64, changes: &Changes) {
        for table in &changes.tables {
            self.tables.entry(table.name.clone()).and_modify(|count| *count = count.saturating_sub(table.rows.len()));
        }
        for (table, row) in each_row(changes) {
            let hash = row_hash(&table.name, table.key_of(row).into_iter());
            if let Some(touches) = self.rows.get_mut(&hash) {
                touches.retain(|touch| touch.ordinal != ordinal);
                if touches.is_empty() {
                    self.rows.remove(&hash);
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether anything pending touched this table.
    pub fn touches(&self, table: &str) -> bool {
        self.tables.get(table).is_some_and(|count| *count > 0)
    }

    /// Whether anything pending touched this row.
    pub fn meets<'v>(&self, table: &str, key: impl Iterator<Item = &'v Value>) -> bool {
        self.rows.contains_key(&row_hash(table, key))
    }

    /// The pending transactions on which `changes` builds: for each cell that it overwrites, the newest that
    /// wrote it; for each foreign key, the one that inserted the parent. Older ones follow from these, since a
    /// rejection passes along the chain. Only those that stand are asked for.
    pub fn predecessors(&self, changes: &Changes, tables: &BTreeMap<String, Table>, stands: impl Fn(i64) -> bool) -> BTreeSet<i64> {
        let mut found = BTreeSet::new();
        if self.is_empty() {
            return found;
        }
        for (table, row) in each_row(changes) {
            let touches = self.rows.get(&row_hash(&table.name, table.key_of(row).into_iter())).map_or(&[][..], Vec::as_slice);
            let standing = touches.iter().rev().filter(|touch| stands(touch.ordinal));
            let written = (row.op == Op::Update).then(|| changed_columns(table, row).collect());
            newest_writers(standing, written, &mut found);
            for hash in parent_hashes(table, row, tables) {
                let inserts = self.rows.get(&hash).into_iter().flatten().rev().filter(|touch| touch.inserted && stands(touch.ordinal));
                found.extend(inserts.take(1).map(|touch| touch.ordinal));
            }
        }
        found
    }
}

/// Walks the touches of a row, newest first, until every written column has met its last writer. `None`: all columns.
fn newest_writers<'t>(touches: impl Iterator<Item = &'t Touch>, mut wanted: Option<Vec<&str>>, found: &mut BTreeSet<i64>) {
    let mut met: Vec<&str> = Vec::new();
    for touch in touches {
        let Some(columns) = &touch.columns else {
            found.insert(touch.ordinal);
            return;
        };
        let new: Vec<&str> =
            columns.iter().map(String::as_str).filter(|name| !met.contains(name) && wanted.as_ref().is_none_or(|w| w.contains(name))).collect();
        if new.is_empty() {
            continue;
        }
        found.insert(touch.ordinal);
        if let Some(wanted) = &mut wanted {
            wanted.retain(|name| !new.contains(name));
            if wanted.is_empty() {
                return;
            }
        }
        met.extend(new);
    }
}

fn each_row(changes: &Changes) -> impl Iterator<Item = (&TableChanges, &RowChange)> {
    changes.tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)))
}

fn changed_columns<'a>(table: &'a TableChanges, row: &'a RowChange) -> impl Iterator<Item = &'a str> {
    table.columns.iter().zip(&row.new).filter(|(_, value)| value.is_some()).map(|(name, _)| name.as_str())
}

/// The rows that this row's foreign keys name, where they name a primary key.
fn parent_hashes(changes: &TableChanges, row: &RowChange, tables: &BTreeMap<String, Table>) -> Vec<u128> {
    let Some(table) = tables.get(&changes.name) else { return Vec::new() };
    let mut hashes = Vec::new();
    for parent in &table.parents {
        let Some(target) = tables.get(&parent.table) else { continue };
        let key: Option<Vec<&Value>> = target
            .key
            .iter()
            .map(|at| {
                let (here, _) = parent.columns.iter().find(|(_, to)| to.eq_ignore_ascii_case(&target.columns[*at].name))?;
                let column = changes.columns.iter().position(|name| *name == table.columns[*here].name)?;
                row.new.get(column)?.as_ref()
            })
            .collect();
        if let Some(key) = key {
            hashes.push(row_hash(&target.name, key.into_iter()));
        }
    }
    hashes
}

fn row_hash<'v>(table: &str, key: impl Iterator<Item = &'v Value>) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(table.as_bytes());
    for value in key {
        let (tag, bytes): (u8, &[u8]) = match value {
            Value::Null => (0, &[]),
            Value::Integer(i) => (1, &i.to_le_bytes()),
            Value::Real(r) => (2, &r.to_bits().to_le_bytes()),
            Value::Text(text) => (3, text.as_bytes()),
            Value::Blob(blob) => (4, blob),
        };
        hasher.update(&[0, tag]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    hasher.digest128()
}
