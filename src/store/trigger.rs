//! Triggers while remote changes are applied: those that write only local tables run, so that full-text
//! tables stay right; those that write synced tables do not, since their effects arrive as rows.

use crate::StoreError;
use crate::access::Recorder;
use crate::table::{Table, columns_of, quote};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

/// A trigger, and how to make it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    name: String,
    table: String,
    sql: String,
}

/// The triggers of the database that matter while rows are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Triggers {
    /// Those that write synced tables: off.
    pub synced: Vec<Trigger>,
    /// The others on synced tables: on, unless they stand in the way.
    pub local: Vec<Trigger>,
}

/// Finds the triggers and tells which write synced tables, directly or by other triggers, by preparing every kind
/// of write to every table that has triggers and asking the authorizer.
pub(crate) fn find(conn: &Connection, recorder: &Recorder, synced: &BTreeMap<String, Table>) -> Result<Triggers, StoreError> {
    const TABLES: &str = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger'
                          AND tbl_name IN (SELECT name FROM sqlite_schema WHERE type = 'table')";
    const TRIGGER: &str = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid";
    let tables: Vec<String> = conn.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    for table in tables {
        for sql in writes_of(conn, &table)? {
            let (prepared, recording) = recorder.record(false, || conn.prepare(&sql).map(drop));
            prepared?;
            let writing = recording.by_trigger.into_iter().filter(|(_, writes)| writes.iter().any(|name| synced.contains_key(name)));
            names.extend(writing.map(|(trigger, _)| trigger));
        }
    }
    let mut statement = conn.prepare(TRIGGER)?;
    let all = statement.query_map([], |row| Ok(Trigger { name: row.get(0)?, table: row.get(1)?, sql: row.get(2)? }))?;
    let all: Vec<Trigger> = all.collect::<Result<_, _>>()?;
    let (writing, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|trigger| names.contains(&trigger.name));
    Ok(Triggers { synced: writing, local: rest.into_iter().filter(|trigger| synced.contains_key(&trigger.table)).collect() })
}

/// Takes the triggers away, inside the caller's transaction.
pub(crate) fn suspend(conn: &Connection, triggers: &[Trigger]) -> Result<(), StoreError> {
    triggers.iter().try_for_each(|trigger| Ok(conn.execute_batch(&format!("DROP TRIGGER {}", quote(&trigger.name)))?))
}

/// Puts them back, in the same transaction.
pub(crate) fn resume(conn: &Connection, triggers: &[Trigger]) -> Result<(), StoreError> {
    triggers.iter().try_for_each(|trigger| Ok(conn.execute_batch(&trigger.sql)?))
}

fn writes_of(conn: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    let columns: Vec<String> = columns_of(conn, table)?.iter().map(|column| quote(&column.name)).collect();
    let name = quote(table);
    let nulls = vec!["NULL"; columns.len()].join(", ");
    let same: Vec<_> = columns.iter().map(|column| format!("{column} = {column}")).collect();
    Ok(vec![
        format!("INSERT INTO {name} ({}) VALUES ({nulls})", columns.join(", ")),
        format!("UPDATE {name} SET {}", same.join(", ")),
        format!("DELETE FROM {name}"),
    ])
}
