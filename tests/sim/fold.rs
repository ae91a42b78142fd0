//! The server's tables as the model has them: what the log says, entry by entry.
//!
//! Written on plain maps. An entry that does not fit what came before it is an error: the log must hold
//! what happened.

use super::cell::{Cell, Row, Tables};
use super::schema;
use seaworthy_protocol::{Changes, Op, TableChanges, Value};

/// Applies one entry of the log.
pub fn fold(tables: &mut Tables, changes: &Changes) -> Result<(), String> {
    for group in &changes.tables {
        let shape = schema::shape(&group.name).ok_or_else(|| format!("the log names a table {}", group.name))?;
        let table = tables.get_mut(shape.name).ok_or("a table is missing")?;
        for row in &group.rows {
            let key: Vec<Cell> = group.key_of(row).into_iter().map(Cell::from).collect();
            let (old, new) = (cells(shape, group, &row.old), cells(shape, group, &row.new));
            let wrong = |what: &str| Err(format!("the log has {what} of {} {key:?}, which does not fit: {row:?}", group.name));
            let found = table.get_mut(&key);
            match (row.op, found) {
                (Op::Insert, None) => drop(table.insert(key, new)),
                (Op::Insert, Some(_)) => return wrong("an insert"),
                (_, None) => return wrong("a change"),
                (_, Some(found)) if old.iter().any(|(column, cell)| found[column] != *cell) => return wrong("former values"),
                (Op::Update, Some(found)) => found.extend(new),
                (Op::Delete, Some(_)) => drop(table.remove(&key)),
            }
        }
    }
    Ok(())
}

/// The named cells of an image.
pub fn cells(shape: &schema::Shape, group: &TableChanges, image: &[Option<Value>]) -> Row {
    let named = group.columns.iter().zip(image).filter_map(|(name, value)| Some((schema::column(shape, name)?, Cell::from(value.as_ref()?))));
    named.collect()
}
