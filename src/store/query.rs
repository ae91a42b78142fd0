//! Running statements: prepared once, held to the rules, their rows collected by column.

use crate::StoreError;
use crate::access::{Access, Recorder};
use crate::answer::{ResultColumn, RowSet};
use crate::call::Statement;
use crate::table::{Table, quote};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, CachedStatement, Connection, ToSql};
use seaworthy_protocol::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// How many prepared statements the connection keeps.
pub(crate) const STATEMENT_CACHE: usize = 128;
/// How many distinct texts of SQL are remembered with what they touch.
const KNOWN_LIMIT: usize = 4096;

/// The statements seen so far, and what each may touch.
pub(crate) struct Queries {
    pub recorder: Recorder,
    known: HashMap<String, Arc<Access>>,
}

/// What a statement did.
pub(crate) struct Ran {
    pub changes: u64,
    pub rows: Option<RowSet>,
    pub access: Arc<Access>,
}

impl Queries {
    pub fn new(conn: &mut Connection) -> Result<Self, StoreError> {
        conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
        Ok(Self { recorder: Recorder::install(conn)?, known: HashMap::new() })
    }

    /// Forgets everything, after the schema changed.
    pub fn clear(&mut self, conn: &Connection) {
        conn.flush_prepared_statement_cache();
        self.known.clear();
    }

    /// What a statement would touch; it must be one that user SQL may run.
    pub fn access(&mut self, conn: &Connection, sql: &str) -> Result<Arc<Access>, StoreError> {
        if let Some(access) = self.known.get(sql) {
            return Ok(access.clone());
        }
        let (prepared, recording) = self.recorder.record(true, || {
            let mut batch = Batch::new(conn, sql);
            Ok((batch.next()?.is_some(), batch.next()?.is_some()))
        });
        if let Some(what) = recording.refusal {
            return Err(StoreError::NotAllowed { what });
        }
        match prepared? {
            (false, _) => return Err(StoreError::BadSql { message: "the statement is empty".to_owned(), offset: None }),
            (true, true) => return Err(StoreError::NotAllowed { what: "one call runs one statement: use db.batch for several".to_owned() }),
            (true, false) => {}
        }
        if self.known.len() >= KNOWN_LIMIT {
            self.known.clear();
        }
        let access = Arc::new(recording.access);
        self.known.insert(sql.to_owned(), access.clone());
        Ok(access)
    }

    /// Runs one statement with all its parameter sets.
    pub fn run(&mut self, conn: &Connection, statement: &Statement, may_write: bool) -> Result<Ran, StoreError> {
        let access = self.access(conn, &statement.sql)?;
        let mut prepared = conn.prepare_cached(&statement.sql)?;
        if !may_write && !prepared.readonly() {
            // Compiled while no capture listens, a DELETE without WHERE would truncate and never be captured.
            prepared.discard();
            return Err(StoreError::NotAllowed { what: "this statement writes: use db.exec, db.batch or db.transaction".to_owned() });
        }
        if prepared.parameter_count() != statement.width {
            let (expected, given) = (prepared.parameter_count(), statement.width);
            return Err(StoreError::ParameterCount { expected, given, sql: statement.sql.clone() });
        }
        let before = conn.total_changes();
        let mut rows = None;
        for at in 0..statement.sets {
            bind(&mut prepared, statement.set(at))?;
            if prepared.column_count() == 0 {
                prepared.raw_execute()?;
            } else {
                rows = Some(collect(&mut prepared)?);
            }
        }
        Ok(Ran { changes: conn.total_changes() - before, rows, access })
    }
}

/// Binds all parameters of a statement.
pub(crate) fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> Result<(), StoreError> {
    for (at, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(value))?;
    }
    Ok(())
}

/// A protocol value as a parameter.
pub(crate) struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Integer(i) => ValueRef::Integer(*i),
            Value::Real(r) => ValueRef::Real(*r),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(blob) => ValueRef::Blob(blob),
        }))
    }
}

/// A value as SQLite holds it. Text that is not UTF-8 is read with replacement characters.
pub(crate) fn owned(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::Integer(i),
        ValueRef::Real(r) => Value::Real(r),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(blob) => Value::Blob(blob.to_vec()),
    }
}

/// The row with this key as it stands, every column in order.
pub(crate) fn row(conn: &Connection, table: &Table, key: &[&Value]) -> Result<Option<Vec<Value>>, StoreError> {
    let columns: Vec<_> = table.columns.iter().map(|column| quote(&column.name)).collect();
    let names = table.key.iter().map(|at| table.columns[*at].name.as_str());
    let mut statement = conn.prepare_cached(&format!("SELECT {} FROM {} WHERE {}", columns.join(", "), quote(&table.name), key_condition(names, 1)))?;
    for (at, value) in key.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(value))?;
    }
    let mut rows = statement.raw_query();
    let Some(found) = rows.next()? else { return Ok(None) };
    Ok(Some((0..columns.len()).map(|at| found.get_ref(at).map(owned)).collect::<Result<_, _>>()?))
}

/// `"a" = ? AND "b" = ?` over the named columns, with parameters numbered from `first`.
pub(crate) fn key_condition<'a>(columns: impl Iterator<Item = &'a str>, first: usize) -> String {
    let parts: Vec<_> = columns.enumerate().map(|(at, name)| format!("{} = ?{}", quote(name), first + at)).collect();
    parts.join(" AND ")
}

fn collect(statement: &mut CachedStatement<'_>) -> Result<RowSet, StoreError> {
    let mut set = RowSet {
        columns: statement
            .columns_with_metadata()
            .map(|column| ResultColumn {
                name: column.name().to_owned(),
                table: column.table_name().unwrap_or_default().to_owned(),
                origin: column.origin_name().unwrap_or_default().to_owned(),
                values: Vec::new(),
            })
            .collect(),
        rows: 0,
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        set.rows += 1;
        for (at, column) in set.columns.iter_mut().enumerate() {
            column.values.push(owned(row.get_ref(at)?));
        }
    }
    Ok(set)
}
