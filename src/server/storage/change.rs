//! A pushed change, matched with the server's table: the row that it names and the cells that it sets.
//!
//! Whatever the client's bytes claim, nothing passes here that names a table or column which does not
//! replicate, or a key that is not the server's.

use super::stream::{Stream, Streams};
use seaworthy_protocol::{Changes, Op, RejectCode, RejectData, RowChange, RowKey, TableChanges, Value};
use std::{cell::Cell, collections::HashSet};

/// Why a transaction is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The stable reason.
    pub code: RejectCode,
    /// For people: what to do. Holds names, never values.
    pub message: String,
    /// The rows in question.
    pub data: Option<RejectData>,
}

impl Rejection {
    /// A rejection.
    pub fn new(code: RejectCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

/// One change of one row.
#[derive(Debug)]
pub struct Change<'s> {
    /// The table.
    pub stream: &'s Stream,
    /// What happened.
    pub op: Op,
    /// Whether the client says that a trigger or a cascade did it.
    pub indirect: bool,
    /// The key, in the order of [`Stream::key`].
    pub key: Vec<Value>,
    /// The cells to set besides the key: names of the stream's columns with values.
    pub cells: Vec<(&'s str, Value)>,
    /// The cells besides the key as the writer saw them before.
    pub seen: Vec<(&'s str, Value)>,
    /// What the rules say about it so far.
    pub prior: Cell<Prior>,
}

/// What the rules of a table say about a change, by the row as it was before the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    /// Nobody has looked at it yet.
    Open,
    /// There was no row that the user may read.
    Hidden,
    /// The row may be changed.
    Permitted,
    /// The row may not be changed, or not become what the change makes of it. The change is called indirect,
    /// and is left to the server's own triggers and cascades.
    Denied,
}

impl Change<'_> {
    /// The row, as results name it.
    pub fn row_key(&self) -> RowKey {
        RowKey { table: self.stream.name.clone(), key: self.key.clone() }
    }
}

/// Matches every change of a transaction with the server's tables.
pub fn resolve<'s>(streams: &'s Streams, changes: &Changes) -> Result<Vec<Change<'s>>, Rejection> {
    let mut resolved = Vec::with_capacity(changes.row_count());
    let mut named = HashSet::new();
    for table in &changes.tables {
        let stream = streams.get(&table.name).ok_or_else(|| schema(format!("the server does not synchronise a table {}", table.name)))?;
        let columns = columns(stream, table)?;
        for row in &table.rows {
            let change = change(stream, &columns, row)?;
            if !named.insert((stream.name.as_str(), change.key.clone())) {
                return Err(Rejection::new(RejectCode::BadValue, format!("a row of {} is named twice: merge its changes into one", stream.name)));
            }
            resolved.push(change);
        }
    }
    Ok(resolved)
}

fn schema(message: impl Into<String>) -> Rejection {
    Rejection::new(RejectCode::Schema, message)
}

/// A column of the pushed table as the server knows it.
struct Known<'s> {
    name: &'s str,
    key_at: Option<usize>,
}

fn columns<'s>(stream: &'s Stream, table: &TableChanges) -> Result<Vec<Known<'s>>, Rejection> {
    let mut known: Vec<Known<'s>> = Vec::with_capacity(table.columns.len());
    for (at, name) in table.columns.iter().enumerate() {
        let name = stream.columns.iter().find(|column| *column == name);
        let name = name.ok_or_else(|| schema(format!("{}: a column that the server does not synchronise", stream.name)))?;
        let key_at = stream.key.iter().position(|column| column == name);
        if key_at.is_some() != table.is_key(at) {
            return Err(schema(format!("{}: the primary key is ({})", stream.name, stream.key.join(", "))));
        }
        if known.iter().any(|other| other.name == name) {
            return Err(schema(format!("{}: column {name} is named twice", stream.name)));
        }
        known.push(Known { name, key_at });
    }
    if known.iter().filter(|column| column.key_at.is_some()).count() != stream.key.len() {
        return Err(schema(format!("{}: the primary key is ({})", stream.name, stream.key.join(", "))));
    }
    Ok(known)
}

fn change<'s>(stream: &'s Stream, columns: &[Known<'s>], row: &RowChange) -> Result<Change<'s>, Rejection> {
    let naming = if row.op == Op::Insert { &row.new } else { &row.old };
    let bad = |what: &str| Rejection::new(RejectCode::BadValue, format!("a change of {} {what}", stream.name));
    let fits = |image: &[Option<Value>], wanted: bool| image.len() == if wanted { columns.len() } else { 0 };
    if !fits(&row.old, row.op != Op::Insert) || !fits(&row.new, row.op != Op::Delete) {
        return Err(bad("does not have one value per column"));
    }
    let mut key = vec![Value::Null; stream.key.len()];
    let mut cells = Vec::new();
    let mut seen = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        match (column.key_at, row.new.get(at)) {
            (Some(key_at), new) => {
                key[key_at] = naming.get(at).cloned().flatten().filter(|value| *value != Value::Null).ok_or_else(|| bad("has no whole key"))?;
                let moved = new.and_then(Option::as_ref).is_some_and(|new| *new != key[key_at]);
                if moved {
                    return Err(schema(format!("{}: a change of key is a delete and an insert", stream.name)));
                }
            }
            (None, new) => {
                cells.extend(new.cloned().flatten().map(|value| (column.name, value)));
                seen.extend(row.old.get(at).cloned().flatten().map(|value| (column.name, value)));
            }
        }
    }
    Ok(Change { stream, op: row.op, indirect: row.indirect, key, cells, seen, prior: Cell::new(Prior::Open) })
}
