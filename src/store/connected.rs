//! Which pending transactions are connected: those that rebase must take up together.

use crate::{StoreError, pending, touch};
use rusqlite::{Connection, Statement};
use std::collections::{BTreeSet, HashSet};

const TOUCHING: &str = "SELECT ordinal FROM seaworthy_touches WHERE object BETWEEN ?1 AND ?2";

/// Transactions that are connected: whoever touches an object of one of them is one of them.
#[derive(Default)]
pub(crate) struct Connected {
    pub ordinals: BTreeSet<i64>,
    objects: HashSet<i64>,
    /// Those that depend on one of them are among them, too.
    dependents: bool,
}

impl Connected {
    /// Adds transactions, and all that they are connected with.
    pub fn add(&mut self, conn: &Connection, ordinals: impl IntoIterator<Item = i64>) -> Result<(), StoreError> {
        let mut touching = conn.prepare_cached(TOUCHING)?;
        let mut waiting: Vec<i64> = ordinals.into_iter().collect();
        while let Some(ordinal) = waiting.pop() {
            if self.ordinals.insert(ordinal) {
                for object in pending::touches_of(conn, ordinal)?.iter().map(|touch| touch.object).filter(|object| !touch::is_reference(*object)) {
                    self.visit(&mut touching, object, &mut waiting)?;
                }
            }
        }
        Ok(())
    }

    /// Adds who touches one of these objects, and all that they are connected with.
    pub fn add_objects(&mut self, conn: &Connection, objects: impl IntoIterator<Item = i64>) -> Result<(), StoreError> {
        let mut touching = conn.prepare_cached(TOUCHING)?;
        let mut waiting = Vec::new();
        objects.into_iter().try_for_each(|object| self.visit(&mut touching, object, &mut waiting))?;
        self.add(conn, waiting)
    }

    /// Adds what becomes different when these are no longer shown, or shown again.
    pub fn add_affected(&mut self, conn: &Connection, moved: &[i64]) -> Result<(), StoreError> {
        let mut affected = Self { dependents: true, ..Self::default() };
        affected.add(conn, moved.iter().copied())?;
        self.ordinals.extend(affected.ordinals);
        self.objects.extend(affected.objects);
        Ok(())
    }

    fn visit(&mut self, touching: &mut Statement<'_>, object: i64, waiting: &mut Vec<i64>) -> Result<(), StoreError> {
        if self.objects.contains(&object) {
            return Ok(());
        }
        let last = if self.dependents { touch::reference_to(object) } else { object };
        let mut rows = touching.query([object, last])?;
        while let Some(row) = rows.next()? {
            self.objects.insert(object);
            waiting.push(row.get(0)?);
        }
        Ok(())
    }
}
