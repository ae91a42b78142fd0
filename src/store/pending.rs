//! The index of what is pending: which transactions touch which objects.
//!
//! It answers in time proportional to what is asked about, however much is pending: on which transactions does a new
//! one build (`after`), and who touches an object. Every entry of the outbox keeps its touches beside its changes. From
//! there they are put into the table `seaworthy_touches` many at a time, since each stands on another page of it: when
//! a checkpoint comes, and when many have gathered. Those that are not in it yet are known here.

use crate::StoreError;
use crate::table::Table;
use crate::touch::{self, Touch};
use rusqlite::{Connection, params};
use seaworthy_protocol::{Changes, Op, RowChange, Sequence, TableChanges, Value};
use std::collections::{BTreeMap, BTreeSet};

/// As many may gather before the next write puts them into the table.
const UNINDEXED_LIMIT: usize = 8192;

/// The touches that are not in the table yet, by object and ordinal: the newest entries'. None of these is masked.
#[derive(Default)]
pub(crate) struct Unindexed {
    touches: BTreeMap<(i64, i64), (Sequence, Touch)>,
    /// Whether there are others in the table.
    is_indexed: bool,
}

/// What a new transaction builds on.
#[derive(Default)]
pub(crate) struct Predecessors {
    pub after: BTreeSet<Sequence>,
    /// The pending rows that its foreign keys name.
    pub references: Vec<Touch>,
}

impl Unindexed {
    pub fn load(conn: &Connection) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT ordinal, sequence, touched FROM seaworthy_outbox WHERE ordinal > (SELECT indexed_through FROM seaworthy_replica)";
        let is_indexed = conn.query_row("SELECT EXISTS (SELECT 1 FROM seaworthy_touches)", [], |row| row.get(0))?;
        let mut unindexed = Self { is_indexed, ..Self::default() };
        let mut statement = conn.prepare(SQL)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let sequence = Sequence(row.get::<_, i64>(1)? as u64);
            unindexed.add(row.get(0)?, sequence, touch::unpack(row.get_ref(2)?.as_blob().unwrap_or_default()));
        }
        Ok(unindexed)
    }

    /// A new entry was committed.
    pub fn add(&mut self, ordinal: i64, sequence: Sequence, touches: Vec<Touch>) {
        let many = touches.len() > self.touches.len();
        let touches = touches.into_iter().map(|touch| ((touch.object, ordinal), (sequence, touch)));
        if many {
            // In order they are made a map of much sooner than one by one.
            self.touches.append(&mut touches.collect());
        } else {
            self.touches.extend(touches);
        }
    }

    /// Entries behind this ordinal were taken back.
    pub fn forget_after(&mut self, ordinal: i64) {
        self.touches.retain(|(_, of), _| *of <= ordinal);
    }

    pub fn is_full(&self) -> bool {
        self.touches.len() >= UNINDEXED_LIMIT
    }

    /// Puts all into the table. `through` is the last ordinal that was given. After the COMMIT follows [`Self::clear`].
    pub fn store(&self, conn: &Connection, through: i64) -> Result<(), StoreError> {
        if self.touches.is_empty() {
            return Ok(());
        }
        add(conn, self.touches.iter().map(|((_, ordinal), (_, touch))| (*ordinal, touch)))?;
        conn.prepare_cached("UPDATE seaworthy_replica SET indexed_through = ?1")?.execute([through])?;
        Ok(())
    }

    pub fn clear(&mut self) {
        self.is_indexed |= !self.touches.is_empty();
        self.touches.clear();
    }

    /// The pending transactions on which `changes` builds: for each cell that it overwrites, the newest that wrote it; for
    /// each foreign key, the one that inserted the parent. Older ones follow from these, since a rejection passes along the
    /// chain. A masked transaction is not shown, so nothing builds on it.
    pub fn predecessors(&self, conn: &Connection, tables: &BTreeMap<String, Table>, changes: &Changes, touches: &[Touch]) -> Result<Predecessors, StoreError> {
        let mut found = Predecessors::default();
        for touch in touches {
            let mut met = Vec::new();
            self.newest_first(conn, touch.object, &mut |sequence, former| {
                let (new, done) = newest(former.cells.as_deref(), touch.cells.as_deref(), &mut met);
                if new {
                    found.after.insert(sequence);
                }
                done
            })?;
        }
        for parent in touch::each_row(changes).flat_map(|(group, row)| parents(group, row, tables)) {
            self.newest_first(conn, parent, &mut |sequence, former| {
                let inserted = former.change == Some(Op::Insert);
                if inserted {
                    found.after.insert(sequence);
                    found.references.push(Touch::bare(touch::reference_to(parent)));
                }
                inserted
            })?;
        }
        Ok(found)
    }

    /// Visits those who touch an object and on whom others may build, the newest first, until one says that it was enough.
    fn newest_first(&self, conn: &Connection, object: i64, visit: &mut dyn FnMut(Sequence, &Touch) -> bool) -> Result<(), StoreError> {
        // With `object = ?1` SQLite would compile it anew for every value, since it plans ORDER BY by it.
        const SQL: &str = "SELECT ordinal, change, cells FROM seaworthy_touches WHERE object BETWEEN ?1 AND ?1 ORDER BY object DESC, ordinal DESC";
        // Without a lower end there is one descent instead of two.
        for ((of, _), (sequence, touch)) in self.touches.range(..=(object, i64::MAX)).rev() {
            if *of != object {
                break;
            }
            if visit(*sequence, touch) {
                return Ok(());
            }
        }
        if !self.is_indexed {
            return Ok(());
        }
        let mut statement = conn.prepare_cached(SQL)?;
        let mut rows = statement.query([object])?;
        while let Some(row) = rows.next()? {
            let change = row.get::<_, Option<u8>>(1)?.and_then(touch::change);
            let touch = Touch { object, change, cells: row.get(2)? };
            if shown(conn, row.get(0)?)?.is_some_and(|sequence| visit(sequence, &touch)) {
                break;
            }
        }
        Ok(())
    }
}

/// The number of an entry on which others may build.
fn shown(conn: &Connection, ordinal: i64) -> Result<Option<Sequence>, StoreError> {
    const SQL: &str = "SELECT sequence, ordinal IN seaworthy_masked FROM seaworthy_outbox WHERE ordinal = ?1";
    let (sequence, masked): (i64, bool) = conn.prepare_cached(SQL)?.query_row([ordinal], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((!masked).then_some(Sequence(sequence as u64)))
}

fn add<'t>(conn: &Connection, touches: impl IntoIterator<Item = (i64, &'t Touch)>) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO seaworthy_touches (object, ordinal, change, cells) VALUES (?1, ?2, ?3, ?4)";
    let mut statement = conn.prepare_cached(SQL)?;
    for (ordinal, touch) in touches {
        statement.execute(params![touch.object, ordinal, touch.change.map(touch::code), touch.cells])?;
    }
    Ok(())
}

/// Removes an entry that is in the table.
pub(crate) fn remove(conn: &Connection, ordinal: i64) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached("DELETE FROM seaworthy_touches WHERE object = ?1 AND ordinal = ?2")?;
    touches_of(conn, ordinal)?.iter().try_for_each(|touch| statement.execute([touch.object, ordinal]).map(drop))?;
    Ok(())
}

/// What an entry touches.
pub(crate) fn touches_of(conn: &Connection, ordinal: i64) -> Result<Vec<Touch>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT touched FROM seaworthy_outbox WHERE ordinal = ?1")?;
    Ok(statement.query_row([ordinal], |row| Ok(touch::unpack(row.get_ref(0)?.as_blob().unwrap_or_default())))?)
}

/// Indexes an entry anew, should its UNIQUE values have become others.
pub(crate) fn refresh(conn: &Connection, ordinal: i64, values: Vec<Touch>) -> Result<(), StoreError> {
    let former = touches_of(conn, ordinal)?;
    let kept = former.iter().filter(|touch| touch.change.is_some() || touch::is_reference(touch.object)).cloned();
    let touches = touch::in_order(kept.chain(values).collect());
    if touches != former {
        remove(conn, ordinal)?;
        conn.prepare_cached("UPDATE seaworthy_outbox SET touched = ?2 WHERE ordinal = ?1")?.execute(params![ordinal, touch::pack(&touches)])?;
        add(conn, touches.iter().map(|touch| (ordinal, touch)))?;
    }
    Ok(())
}

/// Whether a former touch of a row is the newest writer of a wanted cell, and whether no wanted one remains.
/// `None`: all cells.
fn newest(cells: Option<&[u8]>, wanted: Option<&[u8]>, met: &mut Vec<u8>) -> (bool, bool) {
    let Some(cells) = cells else { return (true, true) };
    met.resize(met.len().max(cells.len()), 0);
    let mut new = false;
    for (at, bits) in cells.iter().enumerate() {
        let fresh = bits & !met[at] & wanted.map_or(0xff, |wanted| wanted.get(at).copied().unwrap_or(0));
        new |= fresh != 0;
        met[at] |= fresh;
    }
    let is_met = |(at, wanted): (usize, &u8)| wanted & !met.get(at).copied().unwrap_or(0) == 0;
    (new, wanted.is_some_and(|wanted| wanted.iter().enumerate().all(is_met)))
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
