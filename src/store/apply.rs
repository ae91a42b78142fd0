//! Putting rows into a wanted state by statements, so that columns which only this side knows are kept.
//!
//! Rows of one batch may exchange UNIQUE values, which no order of single statements can do. So deletes
//! come first, then updates, then inserts, and whatever meets a UNIQUE constraint is taken out whole and
//! put back at the end. The caller holds a savepoint: on an error nothing is known of the state.

use crate::StoreError;
use crate::query::{self, Bound, key_condition};
use crate::table::{Table, quote};
use crate::trigger::{self, Trigger};
use rusqlite::{CachedStatement, Connection};
use seaworthy_protocol::{Changes, Op, Value};
use std::collections::BTreeMap;

/// What is wanted of one row. Columns are indexes into the table's.
#[derive(Clone, Debug)]
pub(crate) enum Edit<'a> {
    /// The row with this key is gone.
    Remove(Vec<&'a Value>),
    /// The row with this key has these cells.
    Set(Vec<&'a Value>, Vec<(usize, &'a Value)>),
    /// There is a row with these cells, the key among them.
    Put(Vec<(usize, &'a Value)>),
}

/// The edits of one table.
pub(crate) struct Batch<'a> {
    pub table: &'a Table,
    pub edits: Vec<Edit<'a>>,
}

/// How many rows of `Set` were not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing(pub usize);

/// Changes as edits. Tables and columns that are not known here are left out.
pub(crate) fn forward<'a>(changes: &'a Changes, tables: &'a BTreeMap<String, Table>) -> Vec<Batch<'a>> {
    convert(changes, tables, false)
}

/// The edits that take changes back.
pub(crate) fn backward<'a>(changes: &'a Changes, tables: &'a BTreeMap<String, Table>) -> Vec<Batch<'a>> {
    convert(changes, tables, true)
}

/// Makes all edits as [`apply`] does. Should a local trigger break a constraint, it must not hold up what
/// the server has decided: the edits are then made without local triggers.
pub(crate) fn past_triggers(conn: &Connection, batches: &[Batch<'_>], local: &[Trigger]) -> Result<Missing, StoreError> {
    if local.is_empty() {
        return apply(conn, batches);
    }
    conn.prepare_cached("SAVEPOINT past_triggers")?.raw_execute()?;
    let mut result = apply(conn, batches);
    if matches!(result, Err(StoreError::ConstraintViolation { .. })) {
        conn.execute_batch("ROLLBACK TO past_triggers")?;
        trigger::suspend(conn, local)?;
        result = apply(conn, batches);
        if result.is_ok() {
            trigger::resume(conn, local)?;
        } else {
            conn.execute_batch("ROLLBACK TO past_triggers")?;
        }
    }
    conn.prepare_cached("RELEASE past_triggers")?.raw_execute()?;
    result
}

/// Makes all edits, or fails with the first constraint that no order of them can keep.
fn apply(conn: &Connection, batches: &[Batch<'_>]) -> Result<Missing, StoreError> {
    let mut deferred = Vec::new();
    let mut missing = Missing(0);
    for batch in batches {
        run(conn, batch, 0, &mut |_, _| {}, &mut deferred)?;
    }
    for batch in batches {
        run(conn, batch, 1, &mut |_, changed| missing.0 += usize::from(changed == 0), &mut deferred)?;
    }
    for batch in batches {
        run(conn, batch, 2, &mut |_, _| {}, &mut deferred)?;
    }
    let mut rows = Vec::new();
    for (table, edit) in deferred {
        rows.extend(take_out(conn, table, edit)?.map(|cells| (table, cells)));
    }
    for (table, cells) in &rows {
        let shape: Vec<usize> = cells.iter().map(|(at, _)| *at).collect();
        let mut statement = conn.prepare_cached(&insert_sql(table, &shape))?;
        bind_all(&mut statement, cells.iter().map(|(_, value)| value))?;
        statement.raw_execute()?;
    }
    Ok(missing)
}

type Deferred<'a> = Vec<(&'a Table, &'a Edit<'a>)>;

/// Runs the edits of one phase: 0 removes, 1 sets, 2 puts.
fn run<'a>(conn: &Connection, batch: &'a Batch<'a>, phase: u8, done: &mut dyn FnMut(&Edit<'_>, usize), deferred: &mut Deferred<'a>) -> Result<(), StoreError> {
    let mut last: Option<(Vec<usize>, CachedStatement<'_>)> = None;
    for edit in batch.edits.iter().filter(|edit| edit.phase() == phase) {
        let shape = edit.shape();
        if last.as_ref().is_none_or(|(former, _)| *former != shape) {
            let Some(sql) = edit.sql(batch.table, &shape) else { continue };
            last = Some((shape, conn.prepare_cached(&sql)?));
        }
        let Some((_, statement)) = &mut last else { continue };
        bind_all(statement, edit.parameters())?;
        match statement.raw_execute() {
            Ok(changed) => done(edit, changed),
            Err(error) if StoreError::is_unique_violation(&error) => deferred.push((batch.table, edit)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl<'a> Edit<'a> {
    fn phase(&self) -> u8 {
        match self {
            Self::Remove(_) => 0,
            Self::Set(..) => 1,
            Self::Put(_) => 2,
        }
    }

    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Remove(_) => Vec::new(),
            Self::Set(_, cells) | Self::Put(cells) => cells.iter().map(|(at, _)| *at).collect(),
        }
    }

    /// The statement, or `None` when there is nothing to do.
    fn sql(&self, table: &Table, shape: &[usize]) -> Option<String> {
        match self {
            Self::Remove(_) => Some(delete_sql(table)),
            Self::Set(..) if shape.is_empty() => None,
            Self::Set(..) => {
                let cells: Vec<_> = shape.iter().enumerate().map(|(n, at)| format!("{} = ?{}", quote(&table.columns[*at].name), n + 1)).collect();
                Some(format!("UPDATE {} SET {} WHERE {}", quote(&table.name), cells.join(", "), table_key(table, shape.len() + 1)))
            }
            Self::Put(_) => Some(upsert_sql(table, shape)),
        }
    }

    fn parameters(&self) -> Box<dyn Iterator<Item = &'a Value> + '_> {
        match self {
            Self::Remove(key) => Box::new(key.iter().copied()),
            Self::Set(key, cells) => Box::new(cells.iter().map(|(_, value)| *value).chain(key.iter().copied())),
            Self::Put(cells) => Box::new(cells.iter().map(|(_, value)| *value)),
        }
    }
}

/// Deletes the row that an edit is about, and gives what it is to be; nothing if there is no such row to set.
fn take_out(conn: &Connection, table: &Table, edit: &Edit<'_>) -> Result<Option<Vec<(usize, Value)>>, StoreError> {
    let (key, cells) = match edit {
        Edit::Remove(_) => return Ok(None),
        Edit::Set(key, cells) => (key.clone(), cells),
        Edit::Put(cells) => (table.key.iter().filter_map(|at| cells.iter().find(|(column, _)| column == at)).map(|(_, value)| *value).collect(), cells),
    };
    let standing = query::row(conn, table, &key)?;
    if standing.is_none() && matches!(edit, Edit::Set(..)) {
        return Ok(None);
    }
    let mut row: BTreeMap<usize, Value> = standing.into_iter().flatten().enumerate().collect();
    let mut statement = conn.prepare_cached(&delete_sql(table))?;
    bind_all(&mut statement, key.iter().copied())?;
    statement.raw_execute()?;
    row.extend(cells.iter().map(|(at, value)| (*at, (*value).clone())));
    Ok(Some(row.into_iter().collect()))
}

fn bind_all<'v>(statement: &mut CachedStatement<'_>, values: impl Iterator<Item = &'v Value>) -> Result<(), StoreError> {
    for (at, value) in values.enumerate() {
        statement.raw_bind_parameter(at + 1, Bound(value))?;
    }
    Ok(())
}

fn delete_sql(table: &Table) -> String {
    format!("DELETE FROM {} WHERE {}", quote(&table.name), table_key(table, 1))
}

fn insert_sql(table: &Table, shape: &[usize]) -> String {
    let columns: Vec<_> = shape.iter().map(|at| quote(&table.columns[*at].name)).collect();
    let marks: Vec<_> = (1..=shape.len()).map(|n| format!("?{n}")).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", quote(&table.name), columns.join(", "), marks.join(", "))
}

fn upsert_sql(table: &Table, shape: &[usize]) -> String {
    let key: Vec<_> = table.key.iter().map(|at| quote(&table.columns[*at].name)).collect();
    let cells: Vec<_> =
        shape.iter().filter(|at| !table.is_key(**at)).map(|at| quote(&table.columns[*at].name)).map(|name| format!("{name} = excluded.{name}")).collect();
    let action = if cells.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", cells.join(", ")) };
    format!("{} ON CONFLICT ({}) DO {action}", insert_sql(table, shape), key.join(", "))
}

fn table_key(table: &Table, first: usize) -> String {
    key_condition(table.key.iter().map(|at| table.columns[*at].name.as_str()), first)
}

fn convert<'a>(changes: &'a Changes, tables: &'a BTreeMap<String, Table>, inverse: bool) -> Vec<Batch<'a>> {
    let mut batches = Vec::new();
    for group in &changes.tables {
        let Some(table) = tables.get(&group.name) else { continue };
        let places: Vec<Option<usize>> = group.columns.iter().map(|name| table.column(name)).collect();
        let cells = |image: &'a [Option<Value>]| -> Vec<(usize, &'a Value)> {
            places.iter().zip(image).filter_map(|(at, value)| Some(((*at)?, value.as_ref()?))).collect()
        };
        let edits = group.rows.iter().map(|row| {
            let op = match (row.op, inverse) {
                (Op::Insert, true) => Op::Delete,
                (Op::Delete, true) => Op::Insert,
                (op, _) => op,
            };
            let wanted = if inverse { &row.old } else { &row.new };
            match op {
                Op::Delete => Edit::Remove(group.key_of(row)),
                Op::Insert => Edit::Put(cells(wanted)),
                Op::Update => {
                    // The key of an update stands in the old image, and does not change.
                    let changed = cells(wanted).into_iter().filter(|(at, _)| !table.is_key(*at));
                    Edit::Set(group.key_of(row), changed.collect())
                }
            }
        });
        batches.push(Batch { table, edits: edits.collect() });
    }
    batches
}
