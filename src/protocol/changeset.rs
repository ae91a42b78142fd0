//! SQLite's changeset format, read and written without SQLite.
//!
//! It exists because a server and a browser must look into changesets that no database of theirs has
//! recorded. The layout is the one documented at the head of `sqlite3session.c`: per table a header
//! (`'T'`, column count as varint, one key byte per column, name, NUL), then records of an operation
//! byte, an indirect byte and one or two rows of typed values. It promises a typed error for bytes
//! that SQLite's own session extension would not have written, and never takes more memory than the
//! limits allow.

use crate::record::{self, Cell};
use crate::{Changes, Op, RowChange, TableChanges, Value, limits};
use std::collections::HashSet;

pub(crate) const INSERT: u8 = 18;
pub(crate) const UPDATE: u8 = 23;
pub(crate) const DELETE: u8 = 9;

/// Changes that are not well formed: as changeset bytes, or as rows in JSON.
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
    #[error("byte {at}: {columns} columns are beyond the limit of {max}", max = limits::MAX_COLUMNS)]
    TooManyColumns { at: usize, columns: u64 },
    #[error("more than {max} groups of rows in one transaction", max = limits::MAX_TABLES)]
    TooManyTables,
    #[error("more than {max} rows in one transaction", max = limits::MAX_TRANSACTION_ROWS)]
    TooManyRows,
    #[error("more than {max} cells in one transaction", max = limits::MAX_TRANSACTION_CELLS)]
    TooManyCells,
    #[error("a transaction of more than {max} bytes", max = limits::MAX_TRANSACTION_BYTES)]
    TooLarge,
    #[error("table {table} is not declared, or not in the order of the changeset")]
    UnknownTable { table: String },
    #[error("table {table} is declared, and the changeset does not hold it")]
    TableMissing { table: String },
    #[error("table {table}: {named} columns are named, the changeset has {found}")]
    ColumnCount { table: String, named: usize, found: usize },
    #[error("table {table}: column {column} is named twice")]
    DuplicateColumn { table: String, column: String },
    #[error("table {table}: a record without its whole primary key")]
    KeyMissing { table: String },
    #[error("table {table}: an update may not change the key column {column}; delete the row and insert another")]
    KeyChanged { table: String, column: String },
    #[error("table {table}: an insert has no values before, a delete has none after, and both name a value for every column")]
    WrongImage { table: String },
    #[error("a name of a table or column is empty, holds NUL, or is longer than {max} bytes", max = limits::MAX_NAME_BYTES)]
    BadName,
}

pub(crate) fn parse(bytes: &[u8], mut columns_of: impl FnMut(&str) -> Option<Vec<String>>) -> Result<Changes, ChangesetError> {
    if bytes.len() > limits::MAX_TRANSACTION_BYTES {
        return Err(ChangesetError::TooLarge);
    }
    let mut reader = Reader { bytes, at: 0 };
    let mut changes = Changes::default();
    let mut size = Size::default();
    while let Some(op) = reader.peek() {
        let at = reader.at;
        reader.at += 1;
        let op = match op {
            b'T' if changes.tables.len() == limits::MAX_TABLES => return Err(ChangesetError::TooManyTables),
            b'T' => {
                changes.tables.push(reader.table(&mut columns_of)?);
                continue;
            }
            INSERT => Op::Insert,
            UPDATE => Op::Update,
            DELETE => Op::Delete,
            found => return Err(ChangesetError::BadRecord { at, found }),
        };
        let table = changes.tables.last_mut().ok_or(ChangesetError::NoTable { at })?;
        size.add(op, table.key.len())?;
        let row = reader.record(op, table.key.len())?;
        check_row(table, &row)?;
        table.rows.push(row);
    }
    Ok(changes)
}

pub(crate) fn encode(changes: &Changes) -> Vec<u8> {
    let mut out = Vec::new();
    for table in changes.tables.iter().filter(|table| !table.rows.is_empty()) {
        record::put_table(&mut out, &table.name, &table.key);
        for row in &table.rows {
            record::put_op(&mut out, row.op, row.indirect);
            row.old.iter().chain(&row.new).for_each(|value| put_value(&mut out, value.as_ref()));
        }
    }
    out
}

/// What a transaction holds so far, counted before memory is taken for it.
#[derive(Default)]
pub(crate) struct Size {
    rows: usize,
    cells: usize,
}

impl Size {
    pub(crate) fn add(&mut self, op: Op, columns: usize) -> Result<(), ChangesetError> {
        self.rows += 1;
        self.cells += columns * if op == Op::Update { 2 } else { 1 };
        if self.rows > limits::MAX_TRANSACTION_ROWS {
            return Err(ChangesetError::TooManyRows);
        }
        if self.cells > limits::MAX_TRANSACTION_CELLS { Err(ChangesetError::TooManyCells) } else { Ok(()) }
    }
}

pub(crate) fn check_table(table: &TableChanges) -> Result<(), ChangesetError> {
    let (named, found) = (table.columns.len(), table.key.len());
    if named != found {
        return Err(ChangesetError::ColumnCount { table: table.name.clone(), named, found });
    }
    if named > limits::MAX_COLUMNS {
        return Err(ChangesetError::TooManyColumns { at: 0, columns: named as u64 });
    }
    if table.key.iter().all(|place| *place == 0) {
        return Err(ChangesetError::KeyMissing { table: table.name.clone() });
    }
    if !is_name(&table.name) || !table.columns.iter().all(|column| is_name(column)) {
        return Err(ChangesetError::BadName);
    }
    let mut seen = HashSet::with_capacity(named);
    match table.columns.iter().find(|column| !seen.insert(column.as_str())) {
        None => Ok(()),
        Some(column) => Err(ChangesetError::DuplicateColumn { table: table.name.clone(), column: column.clone() }),
    }
}

/// SQLite ends names with NUL, in its interface and in its changesets.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=limits::MAX_NAME_BYTES).contains(&text.len()) && !text.contains('\0')
}

fn check_row(table: &TableChanges, row: &RowChange) -> Result<(), ChangesetError> {
    let image = if row.op == Op::Insert { &row.new } else { &row.old };
    let name = || table.name.clone();
    for (column, place) in table.key.iter().enumerate() {
        match &image[column] {
            None | Some(Value::Null) if *place != 0 => return Err(ChangesetError::KeyMissing { table: name() }),
            None if row.op != Op::Update => return Err(ChangesetError::WrongImage { table: name() }),
            _ => {}
        }
        if *place != 0 && row.op == Op::Update && row.new[column].is_some() {
            return Err(ChangesetError::KeyChanged { table: name(), column: table.columns[column].clone() });
        }
    }
    Ok(())
}

pub(crate) fn put_value(out: &mut Vec<u8>, value: Option<&Value>) {
    let Some(value) = value else { return out.push(record::ABSENT) };
    let cell = match value {
        Value::Null => Cell::Null,
        Value::Integer(integer) => Cell::Integer(*integer),
        Value::Real(real) => Cell::Real(*real),
        Value::Text(text) => Cell::Text(text.as_bytes()),
        Value::Blob(blob) => Cell::Blob(blob),
    };
    cell.put(out);
}

/// SQLite's big-endian varint of 1 to 9 bytes.
pub(crate) fn put_varint(out: &mut Vec<u8>, value: u64) {
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

    fn table(&mut self, columns_of: &mut impl FnMut(&str) -> Option<Vec<String>>) -> Result<TableChanges, ChangesetError> {
        let at = self.at;
        let count = self.varint()?;
        if count > limits::MAX_COLUMNS as u64 {
            return Err(ChangesetError::TooManyColumns { at, columns: count });
        }
        let key = self.take(count)?.to_vec();
        let longest = &self.bytes[self.at..self.bytes.len().min(self.at + limits::MAX_NAME_BYTES + 1)];
        let len = match longest.iter().position(|byte| *byte == 0) {
            Some(len) => len,
            None if longest.len() > limits::MAX_NAME_BYTES => return Err(ChangesetError::BadName),
            None => return Err(ChangesetError::Truncated),
        };
        let name = self.text(len as u64)?;
        self.at += 1;
        let columns = columns_of(&name).ok_or_else(|| ChangesetError::UnknownTable { table: name.clone() })?;
        let table = TableChanges { name, columns, key, rows: Vec::new() };
        check_table(&table)?;
        Ok(table)
    }

    fn record(&mut self, op: Op, columns: usize) -> Result<RowChange, ChangesetError> {
        let indirect = self.byte()? != 0;
        let old = if op == Op::Insert { Vec::new() } else { self.row(columns)? };
        let new = if op == Op::Delete { Vec::new() } else { self.row(columns)? };
        Ok(RowChange { op, indirect, old, new })
    }

    /// A row takes a byte per column at least, so that memory is taken only for what is there.
    fn row(&mut self, columns: usize) -> Result<Vec<Option<Value>>, ChangesetError> {
        if self.bytes.len() - self.at < columns {
            return Err(ChangesetError::Truncated);
        }
        let mut row = Vec::with_capacity(columns);
        for _ in 0..columns {
            row.push(self.value()?);
        }
        Ok(row)
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
