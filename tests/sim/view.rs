//! The definition of what a replica shows: the base, then each pending transaction that can stand, in order.
//!
//! It is written on plain maps, so that it shares nothing with the store that it judges.

use super::cell::{Cell, Table, Tables};
use super::fold::cells;
use super::schema::{self, SHAPES, Shape};
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
        match replay(&shown, &entry.changes).filter(|_| !depends) {
            Some(next) => shown = next,
            None => {
                masked.insert(entry.id);
            }
        }
    }
    (shown, masked)
}

/// The tables after a transaction, or `None` if it cannot stand on them.
fn replay(tables: &Tables, changes: &Changes) -> Option<Tables> {
    let mut next = tables.clone();
    for group in &changes.tables {
        let shape = schema::shape(&group.name)?;
        let table = next.get_mut(shape.name)?;
        for row in &group.rows {
            let key: Vec<Cell> = group.key_of(row).into_iter().map(Cell::from).collect();
            match row.op {
                Op::Delete => drop(table.remove(&key)),
                Op::Update => table.get_mut(&key)?.extend(cells(shape, group, &row.new)),
                Op::Insert => table.entry(key).or_default().extend(cells(shape, group, &row.new)),
            }
        }
    }
    let unique = |shape: &Shape| shape.unique.is_none_or(|column| is_unique(&next[shape.name], column));
    SHAPES.iter().all(unique).then_some(next)
}

fn is_unique(table: &Table, column: &str) -> bool {
    let mut seen = BTreeSet::new();
    table.values().map(|row| &row[column]).filter(|cell| **cell != Cell::Null).all(|cell| seen.insert(cell))
}
