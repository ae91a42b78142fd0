//! How the columns of a table compare.
//!
//! Whether a row is in a bucket must be what SQLite says of `column = value`. So values are brought to what
//! such a comparison makes of them, by SQLite itself where it converts, and are then compared byte by byte.

use crate::storage::binding::{Bound, value};
use rusqlite::{Connection, OptionalExtension};
use seaworthy_protocol::Value;

/// A table of the database.
#[derive(Clone, Debug)]
pub struct Table {
    /// As the database writes it.
    pub name: String,
    /// All columns, also generated ones.
    pub columns: Vec<Column>,
    /// Whether a session records each row of it.
    pub is_recorded: bool,
}

/// A column of it.
#[derive(Clone, Debug)]
pub struct Column {
    /// As the database writes it.
    pub name: String,
    /// Whether it is part of the primary key.
    pub is_key: bool,
    /// Whether its values are computed.
    pub is_generated: bool,
    /// Nothing, if the application brings a collation of its own.
    pub class: Option<Class>,
}

/// What decides how a column compares with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// What the value is converted to.
    pub affinity: Affinity,
    /// Which texts are equal.
    pub collation: Collation,
}

/// See <https://sqlite.org/datatype3.html>. INTEGER, REAL and NUMERIC compare alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Texts that look like numbers become numbers.
    Numeric,
    /// Numbers become texts.
    Text,
    /// Nothing is converted.
    Blob,
}

/// The collations that SQLite has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Collation {
    Binary,
    NoCase,
    Rtrim,
}

impl Table {
    /// Looks a table up, by a name in whatever case. Nothing, if there is no ordinary table of this name.
    pub fn find(conn: &Connection, name: &str) -> rusqlite::Result<Option<Self>> {
        const TABLE: &str = "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name = ?1 COLLATE NOCASE";
        let found = conn.query_row(TABLE, [name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?))).optional()?;
        let Some((name, without_rowid, is_strict)) = found else { return Ok(None) };
        const COLUMNS: &str = "SELECT name, type, \"notnull\", pk > 0, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
        let mut statement = conn.prepare(COLUMNS)?;
        let mut rows = statement.query([&name])?;
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let (column, declared, not_null, is_key): (String, String, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            if is_key {
                key.push((declared.clone(), not_null || without_rowid));
            }
            let class = collation(conn, &name, &column)?.map(|collation| Class { affinity: Affinity::of(&declared, is_strict), collation });
            columns.push(Column { name: column, is_key, is_generated: row.get::<_, i64>(4)? != 0, class });
        }
        // A session leaves out tables without a key, and rows whose key is NULL. The rowid never is.
        let is_rowid = matches!(key.as_slice(), [(declared, _)] if declared.eq_ignore_ascii_case("INTEGER"));
        let is_recorded = !key.is_empty() && (is_rowid || key.iter().all(|(_, not_null)| *not_null));
        Ok(Some(Self { name, columns, is_recorded }))
    }

    /// A column, by a name in whatever case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }
}

fn collation(conn: &Connection, table: &str, column: &str) -> rusqlite::Result<Option<Collation>> {
    let (_, name, ..) = conn.column_metadata(Some("main"), table, column)?;
    let name = name.map(|name| name.to_string_lossy().to_ascii_uppercase());
    Ok(match name.as_deref() {
        None | Some("BINARY") => Some(Collation::Binary),
        Some("NOCASE") => Some(Collation::NoCase),
        Some("RTRIM") => Some(Collation::Rtrim),
        Some(_) => None,
    })
}

impl Affinity {
    /// By the declared type.
    fn of(declared: &str, is_strict: bool) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        if has(&["INT"]) {
            Self::Numeric
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if declared.is_empty() || has(&["BLOB"]) || (is_strict && declared == "ANY") {
            Self::Blob
        } else {
            Self::Numeric
        }
    }
}

/// A value as a comparison with a column of numbers takes it, where `?1` stands for the value.
const NUMBER: &str = "CASE WHEN typeof(?1) = 'text' AND CAST(?1 AS NUMERIC) = ?1 THEN CAST(?1 AS NUMERIC) ELSE ?1 END";

/// The same of an expression.
pub fn as_number(expression: &str) -> String {
    NUMBER.replace("?1", expression)
}

impl Class {
    /// What a comparison with the column makes of a value from outside, or nothing if it equals nothing.
    pub fn bring(self, conn: &Connection, outside: &Value) -> rusqlite::Result<Option<Value>> {
        let converted = match (self.affinity, outside) {
            (Affinity::Numeric, Value::Text(_)) => {
                let sql = format!("SELECT {NUMBER}");
                Some(conn.prepare_cached(&sql)?.query_row([Bound(outside)], |row| row.get_ref(0).map(value))?)
            }
            (Affinity::Text, Value::Integer(_) | Value::Real(_)) => {
                Some(conn.prepare_cached("SELECT CAST(?1 AS TEXT)")?.query_row([Bound(outside)], |row| row.get_ref(0).map(value))?)
            }
            _ => None,
        };
        Ok(self.collation.fold(converted.unwrap_or_else(|| outside.clone())))
    }
}

impl Collation {
    /// One of all values that are equal, or nothing if it equals nothing.
    pub fn fold(self, value: Value) -> Option<Value> {
        match value {
            Value::Null => None,
            Value::Real(real) => fold_real(real),
            Value::Text(text) => Some(Value::Text(match self {
                Self::Binary => text,
                Self::Rtrim => text.trim_end_matches(' ').to_owned(),
                Self::NoCase => fold_case(&text),
            })),
            value => Some(value),
        }
    }
}

/// A whole number is an integer: SQLite compares the two exactly.
fn fold_real(real: f64) -> Option<Value> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    if real.is_nan() {
        return None;
    }
    let is_integer = real.trunc() == real && (-BOUND..BOUND).contains(&real);
    // The cast is exact in these bounds.
    Some(if is_integer { Value::Integer(real as i64) } else { Value::Real(real) })
}

/// NOCASE knows ASCII only, and looks behind a NUL at nothing but the length.
fn fold_case(text: &str) -> String {
    let (seen, unseen) = text.split_at(text.find('\0').unwrap_or(text.len()));
    seen.to_ascii_lowercase() + &"\0".repeat(unseen.len())
}
