//! What a transaction touches: rows, and values that no two rows of a table may have.
//!
//! Both are known as *objects*, by a number: an even 64-bit hash (XXH3) of a table and a primary key, or of a
//! UNIQUE index and the values in it. The odd number behind a row's is the reference to it by a foreign key.
//! Two that touch no common object cannot get in each other's way, which is what rebase and `after` are decided
//! by. Objects may be too coarse, never too fine: a collision of hashes, a value that compares by NOCASE, or an
//! index over an expression join what is apart, and cost work.

use crate::table::{Table, Unique};
use crate::{StoreError, query};
use rusqlite::Connection;
use seaworthy_protocol::{Changes, Op, RowChange, TableChanges, Value};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

/// One object that a transaction touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    pub object: i64,
    /// What happened to the row; `None` for values and references.
    pub change: Option<Op>,
    /// For an update: the changed columns, one bit each.
    pub cells: Option<Vec<u8>>,
}

impl Touch {
    pub fn bare(object: i64) -> Self {
        Self { object, change: None, cells: None }
    }
}

/// Touches in order, each object once.
pub(crate) fn in_order(mut touches: Vec<Touch>) -> Vec<Touch> {
    touches.sort_by_key(|touch| (touch.object, touch.change.is_none()));
    touches.dedup_by_key(|touch| touch.object);
    touches
}

/// Touches as an outbox row keeps them: per touch the object as eight bytes, little-endian, the [`code`] of the change
/// or 0, the number of bytes of `cells`, and these.
pub(crate) fn pack(touches: &[Touch]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(touches.len() * 11);
    for touch in touches {
        let cells = touch.cells.as_deref().unwrap_or_default();
        bytes.extend(touch.object.to_le_bytes());
        bytes.extend([touch.change.map_or(0, code), cells.len() as u8]);
        bytes.extend(cells);
    }
    bytes
}

/// What [`pack`] made.
pub(crate) fn unpack(mut bytes: &[u8]) -> Vec<Touch> {
    let mut touches = Vec::new();
    while let Some((object, rest)) = bytes.split_first_chunk()
        && let [kind, len, rest @ ..] = rest
        && let Some((cells, rest)) = rest.split_at_checked(usize::from(*len))
    {
        let change = change(*kind);
        touches.push(Touch { object: i64::from_le_bytes(*object), change, cells: (change == Some(Op::Update)).then(|| cells.to_vec()) });
        bytes = rest;
    }
    touches
}

/// A change as a number.
pub(crate) fn code(change: Op) -> u8 {
    match change {
        Op::Insert => 1,
        Op::Update => 2,
        Op::Delete => 3,
    }
}

/// The change that a number stands for.
pub(crate) fn change(code: u8) -> Option<Op> {
    [Op::Insert, Op::Update, Op::Delete].into_iter().find(|change| self::code(*change) == code)
}

/// The object of a row.
pub(crate) fn row_object<'v>(table: &str, key: impl Iterator<Item = &'v Value>) -> i64 {
    object(&[table], key)
}

/// The reference to a row.
pub(crate) fn reference_to(row: i64) -> i64 {
    row | 1
}

/// Whether an object is a reference.
pub(crate) fn is_reference(object: i64) -> bool {
    object & 1 == 1
}

/// The rows that changes touch.
pub(crate) fn of_rows(changes: &Changes) -> Vec<Touch> {
    let touches = each_row(changes).map(|(group, row)| Touch {
        object: row_object(&group.name, group.key_of(row).into_iter()),
        change: Some(row.op),
        cells: (row.op == Op::Update).then(|| bits(&row.new)),
    });
    touches.collect()
}

/// The UNIQUE values that changes give to rows or take from them. A cell that a change does not hold is taken from
/// the row as it stands.
pub(crate) fn of_values(conn: &Connection, tables: &BTreeMap<String, Table>, changes: &Changes) -> Result<Vec<Touch>, StoreError> {
    let mut touches = Vec::new();
    for group in &changes.tables {
        let Some(table) = tables.get(&group.name).filter(|table| !table.uniques.is_empty()) else { continue };
        let places: Vec<Option<usize>> = table.columns.iter().map(|column| group.columns.iter().position(|name| *name == column.name)).collect();
        for row in &group.rows {
            let key = group.key_of(row);
            let mut values = RowValues { conn, table, key: &key, standing: None };
            for unique in table.uniques.iter().filter(|unique| moves(row, unique, &places)) {
                for image in [&row.old, &row.new].into_iter().filter(|image| !image.is_empty()) {
                    let given = |at: usize| image.get(places[at]?)?.as_ref();
                    touches.extend(values.object(unique, given)?.map(Touch::bare));
                }
            }
        }
    }
    Ok(touches)
}

/// The UNIQUE values of one row, some of whose cells may have to be read.
pub(crate) struct RowValues<'a> {
    pub conn: &'a Connection,
    pub table: &'a Table,
    pub key: &'a [&'a Value],
    /// The row as it stands, once it was read; `None` inside: there is none.
    pub standing: Option<Option<Vec<Value>>>,
}

impl RowValues<'_> {
    /// The object of the row's values in an index; `None` if one is NULL, or not known since there is no row.
    pub fn object<'v>(&mut self, unique: &Unique, given: impl Fn(usize) -> Option<&'v Value>) -> Result<Option<i64>, StoreError> {
        if unique.columns.iter().any(|at| given(*at).is_none()) && self.standing.is_none() {
            self.standing = Some(query::row(self.conn, self.table, self.key)?);
        }
        let standing = self.standing.as_ref().and_then(Option::as_ref);
        let values: Option<Vec<&Value>> = unique.columns.iter().map(|at| given(*at).or_else(|| standing?.get(*at))).collect();
        let values = values.filter(|values| !values.contains(&&Value::Null));
        Ok(values.map(|values| object(&[&self.table.name, &unique.name], values.into_iter())))
    }
}

/// What tables and UNIQUE indexes the objects of values depend on.
pub(crate) fn fingerprint(tables: &BTreeMap<String, Table>) -> i64 {
    let mut hasher = Xxh3::new();
    for table in tables.values().filter(|table| !table.uniques.is_empty()) {
        hasher.update(format!("{:?}", (&table.name, table.column_names(), &table.uniques)).as_bytes());
    }
    hasher.digest() as i64
}

pub(crate) fn each_row(changes: &Changes) -> impl Iterator<Item = (&TableChanges, &RowChange)> {
    changes.tables.iter().flat_map(|group| group.rows.iter().map(move |row| (group, row)))
}

/// Whether a change may move the row in an index.
fn moves(row: &RowChange, unique: &Unique, places: &[Option<usize>]) -> bool {
    let changed = |at: &usize| places[*at].and_then(|place| row.new.get(place)).is_some_and(Option::is_some);
    row.op != Op::Update || unique.moved_by.as_ref().is_none_or(|columns| columns.iter().any(changed))
}

fn bits(cells: &[Option<Value>]) -> Vec<u8> {
    let mut bits = vec![0_u8; cells.len().div_ceil(8)];
    for at in cells.iter().enumerate().filter(|(_, cell)| cell.is_some()).map(|(at, _)| at) {
        bits[at / 8] |= 1 << (at % 8);
    }
    bits
}

fn object<'v>(names: &[&str], values: impl Iterator<Item = &'v Value>) -> i64 {
    let mut hasher = Xxh3::new();
    let mut part = |tag: u8, bytes: &[u8]| {
        hasher.update(&[tag]);
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    names.iter().for_each(|name| part(0, name.as_bytes()));
    for value in values {
        match value {
            Value::Null => part(1, &[]),
            Value::Integer(i) => part(2, &i.to_le_bytes()),
            // 1 and 1.0 are the same to an index.
            Value::Real(r) if *r as i64 as f64 == *r => part(2, &(*r as i64).to_le_bytes()),
            Value::Real(r) => part(3, &r.to_bits().to_le_bytes()),
            Value::Text(text) => part(4, text.as_bytes()),
            Value::Blob(blob) => part(5, blob),
        }
    }
    (hasher.digest() & !1) as i64
}
