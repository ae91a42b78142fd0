//! What the page asks for: a batch of statements with their parameters, in one buffer.
//!
//! Layout, little-endian: `u8` version 1; `u32` statements; per statement `u32` length and UTF-8 of
//! the SQL, `u32` parameter sets, `u32` parameters per set, then the values: a tag byte
//! (0 null, 1 integer, 2 real, 3 text, 4 blob) and its payload.

use crate::StoreError;
use seaworthy_protocol::Value;

/// The version of the layout.
const VERSION: u8 = 1;

/// A batch of statements, run in order in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The statements.
    pub statements: Vec<Statement>,
}

/// One statement, run once per parameter set. Rows are returned for the last set only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// The SQL, one statement.
    pub sql: String,
    /// How many parameters a set has.
    pub width: usize,
    /// How many sets there are, at least one.
    pub sets: usize,
    /// All sets, one after the other.
    pub values: Vec<Value>,
}

impl Statement {
    /// A statement with one set of parameters.
    pub fn new(sql: impl Into<String>, values: Vec<Value>) -> Self {
        Self { sql: sql.into(), width: values.len(), sets: 1, values }
    }

    /// The parameters of one set.
    pub(crate) fn set(&self, at: usize) -> &[Value] {
        &self.values[at * self.width..(at + 1) * self.width]
    }
}

impl Call {
    /// A call of one statement.
    pub fn one(sql: impl Into<String>, values: Vec<Value>) -> Self {
        Self { statements: vec![Statement::new(sql, values)] }
    }

    /// A call of several statements without parameters.
    pub fn batch<S: Into<String>>(statements: impl IntoIterator<Item = S>) -> Self {
        Self { statements: statements.into_iter().map(|sql| Statement::new(sql, Vec::new())).collect() }
    }

    /// Parses the buffer. Memory is bounded by the input's length.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let mut reader = Reader { rest: bytes };
        if reader.take(1)?[0] != VERSION {
            return Err(bad("unknown version: the page and the worker are of different releases"));
        }
        let count = reader.u32()?;
        let mut statements = Vec::new();
        for _ in 0..count {
            statements.push(reader.statement()?);
        }
        if !reader.rest.is_empty() {
            return Err(bad("bytes follow the last statement"));
        }
        Ok(Self { statements })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn statement(&mut self) -> Result<Statement, StoreError> {
        let sql = self.text()?;
        let (sets, width) = (self.u32()? as usize, self.u32()? as usize);
        let count = sets.checked_mul(width).ok_or(bad("too many parameters"))?;
        if sets == 0 || count > self.rest.len() || sets > self.rest.len().max(1) {
            return Err(bad("parameter counts do not fit the buffer"));
        }
        let values = (0..count).map(|_| self.value()).collect::<Result<_, _>>()?;
        Ok(Statement { sql, width, sets, values })
    }

    fn value(&mut self) -> Result<Value, StoreError> {
        Ok(match self.take(1)?[0] {
            0 => Value::Null,
            1 => Value::Integer(i64::from_le_bytes(self.array()?)),
            2 => match f64::from_le_bytes(self.array()?) {
                real if real.is_nan() => Value::Null,
                real => Value::Real(real),
            },
            3 => Value::Text(self.text()?),
            4 => {
                let len = self.u32()? as usize;
                Value::Blob(self.take(len)?.to_vec())
            }
            _ => return Err(bad("unknown value tag")),
        })
    }

    fn text(&mut self) -> Result<String, StoreError> {
        let len = self.u32()? as usize;
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| bad("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn u32(&mut self) -> Result<u32, StoreError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], StoreError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(bad("it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }
}

fn bad(reason: &'static str) -> StoreError {
    StoreError::BadCall { reason }
}
