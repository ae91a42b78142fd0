//! The definition of what a replica shows: the base, then each pending transaction that can stand, in order.
//!
//! It is written on plain maps, so that it shares nothing with the store that it judges.

use super::cell::{Cell, Row, Table, Tables};
use super::fold::cells;
use super::schema;
use seaworthy_protocol::{Changes, Op, Policy, TransactionId};
use std::collections::BTreeSet;

/// A pending transaction as the replica committed it.
#[derive(Clone, Debug)]
pub struct Pending {
    pub id: TransactionId,
    pub changes: Changes,
    /// The pending transactions that it builds on.
    pub after: BTreeSet<TransactionId>,
    /// What it asks for where it meets another writer's change.
    pub policy: Policy,
}

/// The view over `base`, and the transactions that are masked in it.
pub fn view<'p>(base: Tables, pending: impl Iterator<Item = &'p Pending>) -> (Tables, BTreeSet<TransactionId>) {
    let (mut shown, mut masked) = (base, BTreeSet::new());
    for entry in pending {
        let depends = entry.after.iter().any(|id| masked.contains(id));
        if depends || !replay(&mut shown, &entry.changes) {
            masked.insert(entry.id);
        }
    }
    (shown, masked)
}

/// Puts a transaction on the tables. `false`: it cannot stand on them, and they are as before.
fn replay(tables: &mut Tables, changes: &Changes) -> bool {
    let mut former = Vec::new();
    let stands = put(tables, changes, &mut former);
    if !stands {
        for (name, key, row) in former.into_iter().rev() {
            let Some(table) = tables.get_mut(name) else { continue };
            match row {
                Some(row) => table.insert(key, row),
                None => table.remove(&key),
            };
        }
    }
    stands
}

/// The rows that a transaction changes, as they were.
type Former = Vec<(&'static str, Vec<Cell>, Option<Row>)>;

fn put(tables: &mut Tables, changes: &Changes, former: &mut Former) -> bool {
    for group in &changes.tables {
        let Some(shape) = schema::shape(&group.name) else { return false };
        let Some(table) = tables.get_mut(shape.name) else { return false };
        for row in &group.rows {
            let key: Vec<Cell> = group.key_of(row).into_iter().map(Cell::from).collect();
            let found = table.remove(&key);
            former.push((shape.name, key.clone(), found.clone()));
            let next = match (row.op, found) {
                (Op::Delete, _) => continue,
                (Op::Update, None) => return false,
                (_, found) => found.unwrap_or_default().into_iter().chain(cells(shape, group, &row.new)).collect(),
            };
            table.insert(key, next);
        }
    }
    let touched = changes.tables.iter().filter_map(|group| schema::shape(&group.name));
    touched.filter_map(|shape| Some((shape, shape.unique?))).all(|(shape, column)| is_unique(&tables[shape.name], column))
}

fn is_unique(table: &Table, column: &str) -> bool {
    let mut seen = BTreeSet::new();
    table.values().map(|row| &row[column]).filter(|cell| **cell != Cell::Null).all(|cell| seen.insert(cell))
}
