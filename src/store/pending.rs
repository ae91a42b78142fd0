//! The index of what is pending: which transactions touch which objects, as the table `seaworthy_touches`.
//!
//! It answers three questions in time proportional to what is asked about, however much is pending: on which
//! transactions does a new one build (`after`); which ones meet a checkpoint, directly or through others; which
//! depend on one that is no longer shown. It is written in the transaction of what it describes.

use crate::StoreError;
use crate::table::Table;
use crate::touch::{self, Touch};
use rusqlite::{Connection, params};
use seaworthy_protocol::{Changes, Op, RowChange, Sequence, TableChanges, Value};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The objects of an entry in order, each once, as its outbox row keeps them.
pub(crate) fn pack(touches: &mut Vec<Touch>) -> Vec<u8> {
    touches.sort_by_key(|touch| (touch.object, touch.change.is_none()));
    touches.dedup_by_key(|touch| touch.object);
    touches.iter().flat_map(|touch| touch.object.to_le_bytes()).collect()
}

/// Adds what [`pack`] has put in order.
pub(crate) fn add(conn: &Connection, ordinal: i64, touches: &[Touch]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO seaworthy_touches (object, ordinal, change, cells) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = conn.prepare_cached(SQL)?;
    touches.iter().try_for_each(|touch| statement.execute(params![touch.object, ordinal, touch.change.map(code), touch.cells]).map(drop))?;
    Ok(())
}

/// Removes an entry.
pub(crate) fn remove(conn: &Connection, ordinal: i64) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached("DELETE FROM seaworthy_touches WHERE object = ?1 AND ordinal = ?2")?;
    objects_of(conn, ordinal)?.into_iter().try_for_each(|object| statement.execute([object, ordinal]).map(drop))?;
    Ok(())
}

/// The objects of an entry.
pub(crate) fn objects_of(conn: &Connection, ordinal: i64) -> Result<Vec<i64>, StoreError> {
    let packed: Vec<u8> = conn.prepare_cached("SELECT touched FROM seaworthy_outbox WHERE ordinal = ?1")?.query_row([ordinal], |row| row.get(0))?;
    Ok(packed.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
}

/// Indexes an entry anew, should its UNIQUE values have become others.
pub(crate) fn refresh(conn: &Connection, ordinal: i64, seen: &Changes, values: Vec<Touch>) -> Result<(), StoreError> {
    let former = objects_of(conn, ordinal)?;
    let mut touches = touch::of_rows(seen);
    touches.extend(former.iter().filter(|object| touch::is_reference(**object)).copied().map(Touch::bare));
    touches.extend(values);
    let packed = pack(&mut touches);
    if !touches.iter().map(|touch| &touch.object).eq(&former) {
        remove(conn, ordinal)?;
        conn.prepare_cached("UPDATE seaworthy_outbox SET touched = ?2 WHERE ordinal = ?1")?.execute(params![ordinal, packed])?;
        add(conn, ordinal, &touches)?;
    }
    Ok(())
}

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
        let mut waiting: Vec<i64> = ordinals.into_iter().collect();
        while let Some(ordinal) = waiting.pop() {
            if self.ordinals.insert(ordinal) {
                for object in objects_of(conn, ordinal)?.into_iter().filter(|object| !touch::is_reference(*object)) {
                    self.visit(conn, object, &mut waiting)?;
                }
            }
        }
        Ok(())
    }

    /// Adds an object, and all that is connected through it.
    pub fn add_object(&mut self, conn: &Connection, object: i64) -> Result<(), StoreError> {
        let mut waiting = Vec::new();
        self.visit(conn, object, &mut waiting)?;
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

    fn visit(&mut self, conn: &Connection, object: i64, waiting: &mut Vec<i64>) -> Result<(), StoreError> {
        if self.objects.insert(object) {
            let mut statement = conn.prepare_cached("SELECT ordinal FROM seaworthy_touches WHERE object BETWEEN ?1 AND ?2")?;
            let last = if self.dependents { touch::reference_to(object) } else { object };
            for ordinal in statement.query_map([object, last], |row| row.get(0))? {
                waiting.push(ordinal?);
            }
        }
        Ok(())
    }
}

/// What a new transaction builds on.
#[derive(Default)]
pub(crate) struct Predecessors {
    pub after: BTreeSet<Sequence>,
    /// The pending rows that its foreign keys name.
    pub references: Vec<Touch>,
}

/// The pending transactions on which `changes` builds: for each cell that it overwrites, the newest that wrote it; for
/// each foreign key, the one that inserted the parent. Older ones follow from these, since a rejection passes along the
/// chain. A masked transaction is not shown, so nothing builds on it; one that was decided under a former identity has
/// no number.
pub(crate) fn predecessors(conn: &Connection, tables: &BTreeMap<String, Table>, changes: &Changes, touches: &[Touch]) -> Result<Predecessors, StoreError> {
    const SQL: &str = "SELECT o.sequence, t.change, t.cells FROM seaworthy_touches AS t CROSS JOIN seaworthy_outbox AS o
        WHERE t.object = ?1 AND o.ordinal = t.ordinal AND o.masked = 0 AND o.sequence > 0 ORDER BY t.ordinal DESC";
    let mut statement = conn.prepare_cached(SQL)?;
    let mut found = Predecessors::default();
    for touch in touches {
        let mut wanted = touch.cells.clone();
        let mut met = Vec::new();
        let mut rows = statement.query([touch.object])?;
        while let Some(row) = rows.next()? {
            let cells: Option<Vec<u8>> = row.get(2)?;
            let (new, done) = newest(cells.as_deref(), &mut wanted, &mut met);
            if new {
                found.after.insert(Sequence(row.get::<_, i64>(0)? as u64));
            }
            if done {
                break;
            }
        }
    }
    for parent in touch::each_row(changes).flat_map(|(group, row)| parents(group, row, tables)) {
        let mut rows = statement.query([parent])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, Option<i64>>(1)? == Some(code(Op::Insert)) {
                found.after.insert(Sequence(row.get::<_, i64>(0)? as u64));
                found.references.push(Touch::bare(touch::reference_to(parent)));
                break;
            }
        }
    }
    Ok(found)
}

/// Whether a former touch of a row is the newest writer of a wanted cell, and whether no wanted one remains.
/// `None`: all cells.
fn newest(cells: Option<&[u8]>, wanted: &mut Option<Vec<u8>>, met: &mut Vec<u8>) -> (bool, bool) {
    let Some(cells) = cells else { return (true, true) };
    met.resize(met.len().max(cells.len()), 0);
    let mut new = false;
    for (at, bits) in cells.iter().enumerate() {
        let fresh = bits & !met[at] & wanted.as_ref().map_or(0xff, |wanted| wanted.get(at).copied().unwrap_or(0));
        new |= fresh != 0;
        met[at] |= fresh;
    }
    let all_met = |wanted: &Vec<u8>| wanted.iter().zip(met.iter().chain(std::iter::repeat(&0))).all(|(wanted, met)| wanted & !met == 0);
    (new, wanted.as_ref().is_some_and(all_met))
}

/// The rows that a new row's foreign keys name, where they name a primary key.
fn parents(group: &TableChanges, row: &RowChange, tables: &BTreeMap<String, Table>) -> Vec<i64> {
    let Some(table) = tables.get(&group.name) else { return Vec::new() };
    let mut objects = Vec::new();
    for parent in &table.parents {
        let Some(target) = tables.get(&parent.table) else { continue };
        let key: Option<Vec<&Value>> = target
            .key
            .iter()
            .map(|at| {
                let (here, _) = parent.columns.iter().find(|(_, to)| to.eq_ignore_ascii_case(&target.columns[*at].name))?;
                let column = group.columns.iter().position(|name| *name == table.columns[*here].name)?;
                row.new.get(column)?.as_ref()
            })
            .collect();
        objects.extend(key.filter(|key| !key.contains(&&Value::Null)).map(|key| touch::row_object(&target.name, key.into_iter())));
    }
    objects
}

fn code(op: Op) -> i64 {
    match op {
        Op::Insert => 1,
        Op::Update => 2,
        Op::Delete => 3,
    }
}
