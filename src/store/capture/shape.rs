//! What a capture knows of a table.

use crate::query::key_condition;
use crate::table::{Table, quote};
use std::os::raw::c_int;

/// A table whose changes are captured.
#[derive(Debug)]
pub(crate) struct Shape {
    pub name: String,
    /// The columns that replicate, by their places in the table.
    pub columns: Vec<c_int>,
    /// Per column its place in the primary key, from 1, or 0.
    pub key: Vec<u8>,
    /// The last column of the key.
    pub last_key: usize,
    /// Reads these columns of the row with a key (a temporary table may have the same name), whose parameters are in column order.
    pub select: String,
}

impl Shape {
    pub fn of(table: &Table) -> Self {
        let names: Vec<_> = table.columns.iter().map(|column| quote(&column.name)).collect();
        let key = table.key.iter().map(|at| table.columns[*at].name.as_str());
        Self {
            name: table.name.clone(),
            columns: table.columns.iter().map(|column| column.place).collect(),
            key: table.columns.iter().map(|column| column.key.unwrap_or(0) as u8).collect(),
            last_key: table.key.iter().copied().max().unwrap_or(0),
            select: format!("SELECT {} FROM main.{} WHERE {}", names.join(", "), quote(&table.name), key_condition(key, 1)),
        }
    }
}
