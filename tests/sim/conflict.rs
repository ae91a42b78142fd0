//! When a transaction meets another writer's change, and what the policies make of that: the table of the
//! design on plain maps, independent of the server that it judges (I4).

use super::cell::{Cell, Row, Tables};
use super::fold::cells;
use super::schema::{self, Shape};
use super::view::Pending;
use seaworthy_protocol::{Changes, Op, Policy, Position, RowChange, TableChanges, TransactionId};
use std::collections::BTreeMap;

/// What the server had when it decided.
pub struct Scene<'h> {
    /// Its tables.
    pub tables: &'h Tables,
    /// What each transaction left in the log.
    pub left: &'h BTreeMap<TransactionId, (Position, Changes)>,
    pub user: &'static str,
    /// The policies of the tables.
    pub policies: &'h BTreeMap<&'static str, Policy>,
}

/// The strictest policy among the rows over which a transaction conflicts. `None`: it meets nobody.
pub fn strictest(scene: &Scene<'_>, transaction: &Pending) -> Option<Policy> {
    let groups = transaction.changes.tables.iter().filter_map(|group| Some((schema::shape(&group.name)?, group)));
    let conflicting = groups.filter(|(shape, group)| group.rows.iter().any(|row| meets(scene, transaction, shape, group, row)));
    conflicting.map(|(shape, _)| scene.policies[shape.name].max(transaction.policy)).max()
}

fn meets(scene: &Scene<'_>, transaction: &Pending, shape: &Shape, group: &TableChanges, row: &RowChange) -> bool {
    let key: Vec<Cell> = group.key_of(row).into_iter().map(Cell::from).collect();
    let found = scene.tables[shape.name].get(&key).filter(|found| schema::sees(shape, found, scene.user));
    let own = own(scene, transaction, shape, &key);
    match (row.op, found) {
        (Op::Insert, found) => found.is_some() && !matches!(own, Own::Left(_)),
        (_, None) => !row.indirect && !matches!(own, Own::Removed),
        (op, Some(found)) => {
            let (seen, new) = (cells(shape, group, &row.old), cells(shape, group, &row.new));
            let touched = seen.iter().filter(|(column, _)| op == Op::Delete || new.contains_key(*column));
            let differs = |(column, cell): (&&str, &Cell)| found[column] != *cell && own.cell(column) != Some(&found[column]);
            touched.filter(|(column, _)| !shape.key.contains(column)).any(differs)
        }
    }
}

/// What the transactions on which one builds did to a row, as the log has it.
enum Own {
    Untouched,
    Left(Row),
    Removed,
}

impl Own {
    fn cell(&self, column: &str) -> Option<&Cell> {
        match self {
            Self::Left(row) => row.get(column),
            _ => None,
        }
    }
}

fn own(scene: &Scene<'_>, transaction: &Pending, shape: &Shape, key: &[Cell]) -> Own {
    let mut own = Own::Untouched;
    let mut entries: Vec<&(Position, Changes)> = transaction.after.iter().filter_map(|id| scene.left.get(id)).collect();
    entries.sort_by_key(|(position, _)| *position);
    for (_, changes) in entries {
        for group in changes.tables.iter().filter(|group| group.name == shape.name) {
            for row in group.rows.iter().filter(|row| group.key_of(row).into_iter().map(Cell::from).eq(key.iter().cloned())) {
                own = match (row.op, own) {
                    (Op::Delete, _) => Own::Removed,
                    (Op::Update, Own::Left(mut former)) => {
                        former.extend(cells(shape, group, &row.new));
                        Own::Left(former)
                    }
                    _ => Own::Left(cells(shape, group, &row.new)),
                };
            }
        }
    }
    own
}
