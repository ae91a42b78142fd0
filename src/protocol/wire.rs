//! The two forms of [`Changes`] inside a frame, and the way back from either.
//!
//! Binary frames carry SQLite's own changeset bytes beside the column names; JSON carries one object
//! per row. Both are checked while they are read: what comes out has whole keys, declared names and
//! no more cells than the limits allow.

use crate::changeset::{self, ChangesetError, Size};
use crate::{Changes, Op, RowChange, TableChanges, Value, limits};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;

/// One group of the changeset, in its order: SQLite's bytes hold no column names.
#[derive(Serialize, Deserialize)]
struct Group {
    name: String,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Binary {
    tables: Vec<Group>,
    #[serde(with = "serde_bytes")]
    changeset: Vec<u8>,
}

type Object = BTreeMap<String, Value>;

/// One row in JSON. `old` of an update may be left out: the write is then blind for those columns.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "ChangedRow"))]
pub(crate) struct JsonRow {
    /// The table.
    table: String,
    /// What happened.
    op: Op,
    /// Whether a trigger or a foreign-key action did it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(test, ts(optional, as = "Option<bool>"))]
    indirect: bool,
    /// The primary key, by column.
    key: Object,
    /// Former values, without the key.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Object>"))]
    old: Object,
    /// New values, without the key.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Object>"))]
    new: Object,
}

impl Serialize for Changes {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if !s.is_human_readable() {
            let written = self.tables.iter().filter(|table| !table.rows.is_empty());
            let tables = written.map(|table| Group { name: table.name.clone(), columns: table.columns.clone() }).collect();
            return Binary { tables, changeset: self.to_changeset() }.serialize(s);
        }
        let mut rows = s.serialize_seq(Some(self.row_count()))?;
        for table in &self.tables {
            for row in &table.rows {
                rows.serialize_element(&to_json(table, row))?;
            }
        }
        rows.end()
    }
}

impl<'de> Deserialize<'de> for Changes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        use de::Error as _;
        if d.is_human_readable() { d.deserialize_seq(Collector::default()) } else { from_binary(Binary::deserialize(d)?).map_err(D::Error::custom) }
    }
}

fn from_binary(binary: Binary) -> Result<Changes, ChangesetError> {
    if binary.tables.len() > limits::MAX_TABLES {
        return Err(ChangesetError::TooManyTables);
    }
    let mut groups = VecDeque::from(binary.tables);
    let changes = Changes::from_changeset(&binary.changeset, |table| groups.pop_front().filter(|group| group.name == table).map(|group| group.columns))?;
    match groups.pop_front() {
        None => Ok(changes),
        Some(group) => Err(ChangesetError::TableMissing { table: group.name }),
    }
}

fn to_json(table: &TableChanges, row: &RowChange) -> JsonRow {
    let named = |image: &[Option<Value>]| -> Object {
        let cells = table.columns.iter().zip(&table.key).zip(image).filter(|((_, place), _)| **place == 0);
        cells.filter_map(|((name, _), value)| Some((name.clone(), value.clone()?))).collect()
    };
    let key = table.key_columns().into_iter().map(str::to_owned).zip(table.key_of(row).into_iter().cloned()).collect();
    JsonRow { table: table.name.clone(), op: row.op, indirect: row.indirect, key, old: named(&row.old), new: named(&row.new) }
}

/// Gathers rows into groups that name the same columns, one row at a time, so that the limits hold
/// before the next row is read.
#[derive(Default)]
struct Collector {
    changes: Changes,
    groups: HashMap<(String, Vec<String>, usize), usize>,
    size: Size,
    bytes: usize,
}

impl<'de> de::Visitor<'de> for Collector {
    type Value = Changes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of changed rows")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(mut self, mut rows: A) -> Result<Changes, A::Error> {
        use de::Error as _;
        while let Some(row) = rows.next_element()? {
            self.add(row).map_err(A::Error::custom)?;
        }
        Ok(self.changes)
    }
}

impl Collector {
    fn add(&mut self, mut row: JsonRow) -> Result<(), ChangesetError> {
        check_images(&row)?;
        let rest: BTreeSet<&String> = row.old.keys().chain(row.new.keys()).collect();
        let columns: Vec<String> = row.key.keys().chain(rest).cloned().collect();
        self.count(&row, columns.len())?;
        let change = to_change(&mut row, &columns);
        let identity = (row.table, columns, row.key.len());
        let group = match self.groups.get(&identity) {
            Some(group) => *group,
            None => self.open(identity)?,
        };
        self.changes.tables[group].rows.push(change);
        Ok(())
    }

    fn count(&mut self, row: &JsonRow, columns: usize) -> Result<(), ChangesetError> {
        self.size.add(row.op, columns)?;
        self.bytes += row.key.values().chain(row.old.values()).chain(row.new.values()).map(Value::wire_size).sum::<usize>();
        if self.bytes > limits::MAX_TRANSACTION_BYTES {
            return Err(ChangesetError::TooLarge);
        }
        Ok(())
    }

    fn open(&mut self, (name, columns, key_columns): (String, Vec<String>, usize)) -> Result<usize, ChangesetError> {
        if self.changes.tables.len() == limits::MAX_TABLES {
            return Err(ChangesetError::TooManyTables);
        }
        // JSON does not say in which order the key was declared; names decide, on both sides.
        let key = (1..=columns.len()).map(|place| if place <= key_columns { u8::try_from(place).unwrap_or(u8::MAX) } else { 0 }).collect();
        let table = TableChanges { name: name.clone(), columns: columns.clone(), key, rows: Vec::new() };
        changeset::check_table(&table)?;
        let group = self.changes.tables.len();
        self.changes.tables.push(table);
        self.groups.insert((name, columns, key_columns), group);
        Ok(group)
    }
}

fn check_images(row: &JsonRow) -> Result<(), ChangesetError> {
    let table = || row.table.clone();
    if row.key.is_empty() || row.key.values().any(|value| *value == Value::Null) {
        return Err(ChangesetError::KeyMissing { table: table() });
    }
    if let Some(column) = row.key.keys().find(|name| row.old.contains_key(*name) || row.new.contains_key(*name)) {
        return Err(ChangesetError::KeyChanged { table: table(), column: column.clone() });
    }
    if (row.op == Op::Insert && !row.old.is_empty()) || (row.op == Op::Delete && !row.new.is_empty()) {
        return Err(ChangesetError::WrongImage { table: table() });
    }
    Ok(())
}

/// `columns` begins with the key.
fn to_change(row: &mut JsonRow, columns: &[String]) -> RowChange {
    let key: Vec<Option<Value>> = row.key.values_mut().map(|value| Some(std::mem::take(value))).collect();
    let (for_key, rest) = columns.split_at(key.len());
    let cells = |image: &mut Object| rest.iter().map(|name| image.remove(name)).collect::<Vec<_>>();
    let (old, new) = (cells(&mut row.old), cells(&mut row.new));
    let whole = |rest: Vec<Option<Value>>| key.iter().cloned().chain(rest).collect();
    let (old, new) = match row.op {
        Op::Insert => (Vec::new(), whole(new)),
        Op::Delete => (whole(old), Vec::new()),
        Op::Update => (whole(old), vec![None; for_key.len()].into_iter().chain(new).collect()),
    };
    RowChange { op: row.op, indirect: row.indirect, old, new }
}
