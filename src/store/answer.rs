//! What goes back to the page: counts and rows of a call, packed by column into one buffer.
//!
//! Little-endian, every part padded to 8 bytes from the start of the buffer. `u32` version 1, `u32`
//! statements; per statement `u32` changes, `u32` has-rows, and if so a block: `u32` columns, `u32`
//! rows; per column its name, table and origin column (each `u32` length and UTF-8); then per column
//! a kind byte, a has-nulls byte, one byte per row if it has nulls, and the values (see [`Kind`]).
//! Crossing by columns costs a tenth of crossing value by value, and the page decodes a column of
//! texts with a single call.

use seaworthy_protocol::Value;

const VERSION: u32 = 1;
/// Doubles represent every integer up to here.
const MAX_SAFE: u64 = (1 << 53) - 1;

/// How the values of a column are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No bytes at all.
    AllNull = 0,
    /// `f64` per row, every integer exact.
    Integer = 1,
    /// `f64` per row.
    Real = 2,
    /// `u32` bytes in all, `u32` zero, `u32` end per row in UTF-16 units, then the texts in UTF-8.
    Text = 3,
    /// `u32` bytes in all, `u32` zero, `u32` end per row in bytes, then the bytes.
    Blob = 4,
    /// `u32` bytes in all, `u32` zero, then per row a value with its tag as in a call.
    Mixed = 5,
    /// `i64` per row.
    BigInteger = 6,
}

/// The buffer under construction.
pub(crate) struct Answer {
    bytes: Vec<u8>,
}

/// The rows of one statement, collected by column.
#[derive(Default)]
pub(crate) struct RowSet {
    pub columns: Vec<ResultColumn>,
    pub rows: usize,
}

/// A result column and where its values come from; both empty for an expression.
#[derive(Default)]
pub(crate) struct ResultColumn {
    pub name: String,
    pub table: String,
    pub origin: String,
    pub values: Vec<Value>,
}

impl Answer {
    pub fn new(statements: usize) -> Self {
        let mut answer = Self { bytes: Vec::new() };
        answer.u32(VERSION);
        answer.u32(statements as u32);
        answer
    }

    pub fn push(&mut self, changes: u64, rows: Option<&RowSet>) {
        self.u32(u32::try_from(changes).unwrap_or(u32::MAX));
        self.u32(rows.is_some().into());
        if let Some(set) = rows {
            self.rows(set);
        }
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn rows(&mut self, set: &RowSet) {
        self.u32(set.columns.len() as u32);
        self.u32(set.rows as u32);
        for column in &set.columns {
            for text in [&column.name, &column.table, &column.origin] {
                self.u32(text.len() as u32);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
        self.pad();
        for column in &set.columns {
            self.column(&column.values);
        }
    }

    fn column(&mut self, values: &[Value]) {
        let kind = kind_of(values);
        let has_nulls = kind != Kind::Mixed && kind != Kind::AllNull && values.contains(&Value::Null);
        self.bytes.extend_from_slice(&[kind as u8, has_nulls.into()]);
        self.pad();
        if has_nulls {
            self.bytes.extend(values.iter().map(|value| u8::from(*value != Value::Null)));
            self.pad();
        }
        match kind {
            Kind::AllNull => {}
            Kind::Integer | Kind::Real => values.iter().for_each(|value| {
                let double = match value {
                    Value::Integer(i) => *i as f64,
                    Value::Real(r) => *r,
                    _ => 0.0,
                };
                self.bytes.extend_from_slice(&double.to_le_bytes());
            }),
            Kind::BigInteger => values.iter().for_each(|value| {
                let integer = if let Value::Integer(i) = value { *i } else { 0 };
                self.bytes.extend_from_slice(&integer.to_le_bytes());
            }),
            Kind::Text => self.lengths(values, |value| match value {
                Value::Text(text) => (text.as_bytes(), if text.is_ascii() { text.len() } else { text.encode_utf16().count() }),
                _ => (&[], 0),
            }),
            Kind::Blob => self.lengths(values, |value| match value {
                Value::Blob(bytes) => (bytes, bytes.len()),
                _ => (&[], 0),
            }),
            Kind::Mixed => self.mixed(values),
        }
        self.pad();
    }

    fn lengths<'v>(&mut self, values: &'v [Value], part: impl Fn(&'v Value) -> (&'v [u8], usize)) {
        let total: usize = values.iter().map(|value| part(value).0.len()).sum();
        self.u32(total as u32);
        self.u32(0);
        let mut end = 0;
        for value in values {
            end += part(value).1;
            self.u32(end as u32);
        }
        self.pad();
        self.bytes.reserve(total + 8);
        values.iter().for_each(|value| self.bytes.extend_from_slice(part(value).0));
    }

    fn mixed(&mut self, values: &[Value]) {
        let start = self.bytes.len();
        self.u32(0);
        self.u32(0);
        for value in values {
            match value {
                Value::Null => self.bytes.push(0),
                Value::Integer(i) => self.tagged(1, &i.to_le_bytes()),
                Value::Real(r) => self.tagged(2, &r.to_le_bytes()),
                Value::Text(text) => {
                    self.tagged(3, &(text.len() as u32).to_le_bytes());
                    self.bytes.extend_from_slice(text.as_bytes());
                }
                Value::Blob(blob) => {
                    self.tagged(4, &(blob.len() as u32).to_le_bytes());
                    self.bytes.extend_from_slice(blob);
                }
            }
        }
        let len = (self.bytes.len() - start - 8) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
    }

    fn tagged(&mut self, tag: u8, payload: &[u8]) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(payload);
    }

    fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
    }
}

fn kind_of(values: &[Value]) -> Kind {
    let mut kind = Kind::AllNull;
    for value in values {
        let this = match value {
            Value::Null => continue,
            Value::Integer(i) if i.unsigned_abs() > MAX_SAFE => Kind::BigInteger,
            Value::Integer(_) => Kind::Integer,
            Value::Real(_) => Kind::Real,
            Value::Text(_) => Kind::Text,
            Value::Blob(_) => Kind::Blob,
        };
        kind = match (kind, this) {
            (Kind::AllNull, this) => this,
            (Kind::Integer | Kind::BigInteger, Kind::BigInteger) | (Kind::BigInteger, Kind::Integer) => Kind::BigInteger,
            (kind, this) if kind == this => kind,
            _ => return Kind::Mixed,
        };
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[Value]) -> u8 {
        kind_of(values) as u8
    }

    #[test]
    fn a_column_is_stored_by_what_its_values_are() {
        assert_eq!(kind(&[Value::Null]), 0);
        assert_eq!(kind(&[1.into(), Value::Null, 2.into()]), 1);
        assert_eq!(kind(&[1.into(), Value::Integer((1 << 53) + 1)]), 6);
        assert_eq!(kind(&[Value::Integer(i64::MIN), 1.into()]), 6);
        assert_eq!(kind(&[1.into(), Value::Real(1.0)]), 5, "1 and 1.0 are told apart");
        assert_eq!(kind(&["a".into(), Value::Blob(vec![])]), 5);
    }

    #[test]
    fn every_part_is_aligned_to_eight_bytes() {
        let column = ResultColumn { name: "n".into(), values: vec!["a\0é😀".into(), Value::Null, "".into()], ..ResultColumn::default() };
        let mut answer = Answer::new(1);
        answer.push(0, Some(&RowSet { columns: vec![column], rows: 3 }));
        let bytes = answer.finish();
        assert_eq!(bytes.len() % 8, 0);
        let utf8 = "a\0é😀".as_bytes();
        assert_eq!(&bytes[bytes.len() - 8..], utf8, "the texts stand together at the end");
    }
}
