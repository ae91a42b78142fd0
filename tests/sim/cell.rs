//! Tables as plain maps, with values that can be ordered and compared bit by bit.

use rusqlite::types::ValueRef;
use seaworthy_protocol::Value;
use std::collections::BTreeMap;
use std::fmt;

/// A value. 1 and 1.0 differ, and so do 0.0 and -0.0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Null,
    Integer(i64),
    Real(u64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

/// A row by column name.
pub type Row = BTreeMap<&'static str, Cell>;

/// Rows by primary key.
pub type Table = BTreeMap<Vec<Cell>, Row>;

/// Tables by name.
pub type Tables = BTreeMap<&'static str, Table>;

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(i) => Self::Integer(*i),
            Value::Real(r) => Self::Real(r.to_bits()),
            Value::Text(text) => Self::Text(text.clone().into_bytes()),
            Value::Blob(blob) => Self::Blob(blob.clone()),
        }
    }
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(i) => Self::Integer(i),
            ValueRef::Real(r) => Self::Real(r.to_bits()),
            ValueRef::Text(text) => Self::Text(text.to_vec()),
            ValueRef::Blob(blob) => Self::Blob(blob.to_vec()),
        }
    }
}

impl Cell {
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Integer(i) => write!(f, "{i}"),
            Self::Real(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Self::Text(text) => write!(f, "'{}'", String::from_utf8_lossy(text)),
            Self::Blob(blob) => write!(f, "x'{}'", blob.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        }
    }
}

/// What differs between two states, for people.
pub fn difference(left: (&str, &Tables), right: (&str, &Tables)) -> String {
    let mut lines = Vec::new();
    let empty = Table::new();
    for name in left.1.keys().chain(right.1.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (a, b) = (left.1.get(name).unwrap_or(&empty), right.1.get(name).unwrap_or(&empty));
        for key in a.keys().chain(b.keys()).collect::<std::collections::BTreeSet<_>>() {
            if a.get(key) != b.get(key) {
                lines.push(format!("  {name} {key:?}\n    {}: {:?}\n    {}: {:?}", left.0, a.get(key), right.0, b.get(key)));
            }
        }
    }
    lines.join("\n")
}
