//! SQLite's changeset format, read and written without SQLite.
//!
//! The layout is the one documented at the head of `sqlite3session.c`: per table a header
//! (`'T'`, column count as varint, one key byte per column, name, NUL), then records of an operation
//! byte, an indirect byte and one or two rows of typed values.

use crate::{Changes, Op, RowChange, TableChanges, Value, limits};

const INSERT: u8 = 18;
const UPDATE: u8 = 23;
const DELETE: u8 = 9;

/// Bytes that are not a changeset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ChangesetError {
    #[error("the changeset ends in the middle of a record")]
    Truncated,
    #[error("byte {at}: expected a table header or a record, found 0x{found:02x}")]
    BadRecord { at: usize, found: u8 },
    #[error("byte {at}: unknown value type {found}")]
    BadValue { at: usize, found: u8 },
    #[error("byte {at}: a text is not UTF-8")]
    NotUtf8 { at: usize },
    #[error("byte {at}: a record comes before any table header")]
    NoTable { at: usize },
    #[error("table {table}: {columns} columns are beyond the limit")]
    TooManyColumns { table: String, columns: u64 },
    #[error("table {table} is not declared, or is declared twice")]
    UnknownTable { table: String },
    #[error("table {table}: {named} columns are named, the changeset has {found}")]
    ColumnCount { table: String, named: usize, found: usize },
    #[error("table {table}: a record without its whole primary key")]
    KeyMissing { table: String },
    #[error("a name is longer than the limit")]
    NameTooLong,
}

pub(crate) fn parse(bytes: &[u8], mut columns_of: impl FnMut(&str) -> Option<Vec<String>>) -> Result<Changes, ChangesetError> {
    let mut reader = Reader { bytes, at: 0 };
    let mut changes = Changes::default();
    while let Some(op) = reader.peek() {
        let at = reader.at;
        reader.at += 1;
        let op = match op {
            b'T' => {
                let (name, key) = reader.table_header()?;
                let columns = columns_of(&name).ok_or_else(|| ChangesetError::UnknownTable { table: name.clone() })?;
                if columns.len() != key.len() {
                    return Err(ChangesetError::ColumnCount { table: name, named: columns.len(), found: key.len() });
                }
                changes.tables.push(TableChanges { name, columns, key, rows: Vec::new() });
                continue;
            }
            INSERT => Op::Insert,
            UPDATE => Op::Update,
            DELETE => Op::Delete,
            found => return Err(ChangesetError::BadRecord { at, found }),
        };
        let table = changes.tables.last_mut().ok_or(ChangesetError::NoTable { at })?;
        let indirect = reader.byte()? != 0;
        let old = if op == Op::Insert { Vec::new() } else { reader.row(table.key.len())? };
        let new = if op == Op::Delete { Vec::new() } else { reader.row(table.key.len())? };
        let row = RowChange { op, indirect, old, new };
        check_row(table, &row)?;
        table.rows.push(row);
    }
    Ok(changes)
}

pub(crate) fn encode(changes: &Changes) -> Vec<u8> {
    let mut out = Vec::new();
    for table in changes.tables.iter().filter(|table| !table.rows.is_empty()) {
        out.push(b'T');
        put_varint(&mut out, table.columns.len() as u64);
        let mut nth = 0;
        out.extend(table.key.iter().map(|is_key| {
            nth += u8::from(*is_key);
            if *is_key { nth } else { 0 }
        }));
        out.extend_from_slice(table.name.as_bytes());
        out.push(0);
        for row in &table.rows {
            out.push(match row.op {
                Op::Insert => INSERT,
                Op::Update => UPDATE,
                Op::Delete => DELETE,
            });
            out.push(row.indirect.into());
            row.old.iter().chain(&row.new).for_each(|value| put_value(&mut out, value.as_ref()));
        }
    }
    out
}

fn check_row(table: &TableChanges, row: &RowChange) -> Result<(), ChangesetError> {
    let image = if row.op == Op::Insert { &row.new } else { &row.old };
    let whole_key = table.key.iter().zip(image).all(|(is_key, value)| !is_key || !matches!(value, None | Some(Value::Null)));
    if whole_key && table.key.contains(&true) { Ok(()) } else { Err(ChangesetError::KeyMissing { table: table.name.clone() }) }
}

fn put_value(out: &mut Vec<u8>, value: Option<&Value>) {
    match value {
        None => out.push(0),
        Some(Value::Integer(i)) => {
            out.push(1);
            out.extend_from_slice(&i.to_be_bytes());
        }
        Some(Value::Real(r)) => {
            out.push(2);
            out.extend_from_slice(&r.to_bits().to_be_bytes());
        }
        Some(Value::Text(t)) => {
            out.push(3);
            put_varint(out, t.len() as u64);
            out.extend_from_slice(t.as_bytes());
        }
        Some(Value::Blob(b)) => {
            out.push(4);
            put_varint(out, b.len() as u64);
            out.extend_from_slice(b);
        }
        Some(Value::Null) => out.push(5),
    }
}

/// SQLite's big-endian varint of 1 to 9 bytes.
fn put_varint(out: &mut Vec<u8>, value: u64) {
    if value >> 56 != 0 {
        (0..8).for_each(|i| out.push(0x80 | (value >> (57 - 7 * i)) as u8));
        out.push(value as u8);
        return;
    }
    let groups = (64 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group > 0 { 0x80 } else { 0 };
        out.push(more | (value >> (7 * group)) as u8 & 0x7f);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn byte(&mut self) -> Result<u8, ChangesetError> {
        let byte = self.peek().ok_or(ChangesetError::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], ChangesetError> {
        let len = usize::try_from(len).map_err(|_| ChangesetError::Truncated)?;
        let end = self.at.checked_add(len).ok_or(ChangesetError::Truncated)?;
        let slice = self.bytes.get(self.at..end).ok_or(ChangesetError::Truncated)?;
        self.at = end;
        Ok(slice)
    }

    fn eight(&mut self) -> Result<u64, ChangesetError> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(word))
    }

    fn varint(&mut self) -> Result<u64, ChangesetError> {
        let mut value = 0;
        for _ in 0..8 {
            let byte = self.byte()?;
            value = value << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Ok(value << 8 | u64::from(self.byte()?))
    }

    fn table_header(&mut self) -> Result<(String, Vec<bool>), ChangesetError> {
        let columns = self.varint()?;
        if columns > limits::MAX_COLUMNS as u64 {
            return Err(ChangesetError::TooManyColumns { table: String::new(), columns });
        }
        let key = self.take(columns)?.iter().map(|byte| *byte != 0).collect();
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| *byte == 0).ok_or(ChangesetError::Truncated)?;
        if len > limits::MAX_NAME_BYTES {
            return Err(ChangesetError::NameTooLong);
        }
        let name = self.text(len as u64)?;
        self.at += 1;
        Ok((name, key))
    }

    fn row(&mut self, columns: usize) -> Result<Vec<Option<Value>>, ChangesetError> {
        (0..columns).map(|_| self.value()).collect()
    }

    fn value(&mut self) -> Result<Option<Value>, ChangesetError> {
        let at = self.at;
        Ok(Some(match self.byte()? {
            0 => return Ok(None),
            1 => Value::Integer(self.eight()? as i64),
            2 => match f64::from_bits(self.eight()?) {
                real if real.is_nan() => Value::Null,
                real => Value::Real(real),
            },
            3 => {
                let len = self.varint()?;
                Value::Text(self.text(len)?)
            }
            4 => {
                let len = self.varint()?;
                Value::Blob(self.take(len)?.to_vec())
            }
            5 => Value::Null,
            found => return Err(ChangesetError::BadValue { at, found }),
        }))
    }

    fn text(&mut self, len: u64) -> Result<String, ChangesetError> {
        let at = self.at;
        String::from_utf8(self.take(len)?.to_vec()).map_err(|_| ChangesetError::NotUtf8 { at })
    }
}
