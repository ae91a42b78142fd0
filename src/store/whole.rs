//! Whole rows by key, for those who must choose between two versions of one.
//!
//! A changeset holds only the cells that an update changed. Where a resolver may have to decide, the
//! updated rows are kept whole beside it, as they were at COMMIT.

use crate::StoreError;
use crate::query::{Bound, key_condition, owned};
use crate::table::{Table, quote};
use rusqlite::{Connection, params_from_iter};
use seaworthy_protocol::{Changes, Image, Op, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row as it was at COMMIT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WholeRow {
    pub table: String,
    pub key: Image,
    /// Every other cell.
    pub row: Image,
}

/// The updated rows of a transaction that is about to commit, as JSON.
pub(crate) fn read(conn: &Connection, tables: &BTreeMap<String, Table>, changes: &Changes) -> Result<Option<String>, StoreError> {
    let mut whole = Vec::new();
    for group in &changes.tables {
        let Some(table) = tables.get(&group.name) else { continue };
        for change in group.rows.iter().filter(|change| change.op == Op::Update) {
            let key: Image = group.key_columns().into_iter().map(str::to_owned).zip(group.key_of(change).into_iter().cloned()).collect();
            if let Some(row) = current(conn, table, &key)? {
                whole.push(WholeRow { table: table.name.clone(), key, row });
            }
        }
    }
    let text = (!whole.is_empty()).then(|| serde_json::to_string(&whole)).transpose();
    text.map_err(|e| StoreError::Corrupt { message: e.to_string() })
}

/// What was kept of a transaction.
pub(crate) fn parse(text: Option<&str>) -> Result<Vec<WholeRow>, StoreError> {
    let rows = text.map_or(Ok(Vec::new()), serde_json::from_str);
    rows.map_err(|e| StoreError::Corrupt { message: format!("whole rows: {e}") })
}

/// The row with this key as it stands now, without the key.
pub(crate) fn current(conn: &Connection, table: &Table, key: &Image) -> Result<Option<Image>, StoreError> {
    let others: Vec<usize> = (0..table.columns.len()).filter(|at| !table.is_key(*at)).collect();
    let selected: Vec<String> = others.iter().map(|at| quote(&table.columns[*at].name)).collect();
    let selected = if selected.is_empty() { "1".to_owned() } else { selected.join(", ") };
    let names = table.key.iter().map(|at| table.columns[*at].name.as_str());
    let sql = format!("SELECT {selected} FROM {} WHERE {}", quote(&table.name), key_condition(names.clone(), 1));
    let values: Vec<&Value> = names.map(|name| key.get(name).unwrap_or(&Value::Null)).collect();
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values.into_iter().map(Bound)))?;
    let Some(found) = rows.next()? else { return Ok(None) };
    let cell = |(place, at): (usize, &usize)| Ok((table.columns[*at].name.clone(), owned(found.get_ref(place)?)));
    Ok(Some(others.iter().enumerate().map(cell).collect::<Result<_, rusqlite::Error>>()?))
}
