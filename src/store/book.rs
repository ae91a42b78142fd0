//! The book: which bucket holds which row, with a checksum per row and per bucket.
//!
//! A row stays in its table for as long as one bucket holds it. Promises that the book agrees with what the server has
//! sent, whatever of it the schema knows; that a bucket which does not come out as the server says is fetched anew; and
//! that nothing here touches what is pending.

use crate::StoreError;
use crate::incoming::{self, Frame};
use crate::table::{Table, quote};
use crate::{query, subscribe};
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_engine::client::Divergence;
use seaworthy_protocol::{BucketId, BucketUpdate, Checkpoint, Checksum, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a checkpoint did to the book.
pub(crate) struct Booked {
    /// The keys that no bucket holds any more, by table.
    pub removed: BTreeMap<String, Vec<Vec<Value>>>,
    /// A bucket does not hold what the server says.
    pub diverged: Option<Divergence>,
    /// Streams, their buckets or the number of their rows have changed.
    pub changed: bool,
}

/// The buckets that need not be fetched anew.
pub(crate) fn whole(conn: &Connection) -> Result<Arc<[BucketId]>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT bucket FROM seaworthy_buckets WHERE whole ORDER BY bucket")?;
    let buckets = statement.query_map([], |row| row.get(0).map(BucketId))?;
    Ok(buckets.collect::<Result<_, _>>()?)
}

/// Where the schema knows tables or columns by now that were skipped, the buckets that hold them are fetched anew.
pub(crate) fn meet_schema(conn: &Connection, tables: &BTreeMap<String, Table>) -> Result<(), StoreError> {
    let mut statement = conn.prepare("SELECT number, tbl, skipped FROM seaworthy_buckets WHERE whole AND skipped IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut anew = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, table, skipped): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let skipped: BTreeSet<String> = serde_json::from_str(&skipped).map_err(|e| StoreError::Corrupt { message: e.to_string() })?;
        if tables.get(&table).is_some_and(|table| skipped.iter().any(|name| table.column(name).is_some())) {
            anew.push(number);
        }
    }
    for number in anew {
        conn.execute("UPDATE seaworthy_buckets SET whole = 0 WHERE number = ?1", [number])?;
    }
    Ok(())
}

/// Enters a checkpoint into the book, inside the caller's transaction.
pub(crate) fn enter(conn: &Connection, frames: &[Frame<'_>], checkpoint: &Checkpoint, tables: &BTreeMap<String, Table>) -> Result<Booked, StoreError> {
    let mut entering =
        Entering { conn, tables, entries: BTreeMap::new(), joined: BTreeSet::new(), let_go: BTreeMap::new(), swept: BTreeSet::new(), changed: false };
    if let Some(states) = &checkpoint.streams {
        entering.changed = subscribe::save_states(conn, states)?;
    }
    entering.leave(frames, checkpoint)?;
    for update in checkpoint.buckets.iter().filter(|update| update.joined) {
        entering.join(&update.bucket)?;
    }
    for frame in frames {
        entering.frame(frame)?;
    }
    let mut diverged = None;
    for update in &checkpoint.buckets {
        diverged = diverged.max(entering.compare(update)?);
    }
    entering.save()?;
    Ok(Booked { removed: entering.removed()?, diverged, changed: entering.changed })
}

/// A checkpoint on its way into the book.
struct Entering<'a> {
    conn: &'a Connection,
    tables: &'a BTreeMap<String, Table>,
    /// The buckets that it names, as they are by now.
    entries: BTreeMap<BucketId, Entry>,
    /// Those of which all comes.
    joined: BTreeSet<BucketId>,
    /// Keys that a bucket has let go of, by table: others may hold them.
    let_go: BTreeMap<String, Vec<Vec<u8>>>,
    /// The tables whose rows have all been looked at.
    swept: BTreeSet<String>,
    changed: bool,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    number: i64,
    table: Option<String>,
    rows: u64,
    checksum: Checksum,
    /// It holds what the server says, and all of it was written to the table as the schema knows it.
    whole: bool,
    /// How often in a row it did not.
    mismatches: u32,
    /// The columns that the schema did not know.
    skipped: BTreeSet<String>,
}

impl Entering<'_> {
    /// Leaves the buckets that are no longer to be held.
    fn leave(&mut self, frames: &[Frame<'_>], checkpoint: &Checkpoint) -> Result<(), StoreError> {
        let named = incoming::named(checkpoint);
        if checkpoint.reset {
            // What the tables hold beyond the rows that came goes without the book.
            self.conn.execute_batch("DELETE FROM seaworthy_held; UPDATE seaworthy_buckets SET rows = 0, checksum = 0")?;
        } else if named.is_none() {
            return Ok(());
        }
        let mut statement = self.conn.prepare_cached("SELECT number, bucket, tbl FROM seaworthy_buckets")?;
        let held = statement.query_map([], |row| Ok((row.get(0)?, BucketId(row.get(1)?), row.get(2)?)))?;
        for (number, bucket, table) in held.collect::<Result<Vec<(i64, BucketId, Option<String>)>, _>>()? {
            let came = || frames.iter().any(|frame| *frame.bucket() == bucket) || checkpoint.buckets.iter().any(|update| update.bucket == bucket);
            let is_kept = named.as_ref().is_none_or(|named| named.contains(&bucket)) && (!checkpoint.reset || came());
            if !is_kept {
                self.empty(number, table.as_deref())?;
                self.conn.prepare_cached("DELETE FROM seaworthy_buckets WHERE number = ?1")?.execute([number])?;
                self.changed = true;
            }
        }
        Ok(())
    }

    /// What comes is all of the bucket.
    fn join(&mut self, bucket: &BucketId) -> Result<(), StoreError> {
        let former = self.entry(bucket)?.clone();
        if former.rows > 0 {
            self.empty(former.number, former.table.as_deref())?;
        }
        if let Some(table) = former.table.as_deref().filter(|_| !former.skipped.is_empty()) {
            self.sweep(table)?;
        }
        let entry = Entry { table: None, rows: 0, checksum: Checksum(0), whole: true, skipped: BTreeSet::new(), ..former };
        self.entries.insert(bucket.clone(), entry);
        self.joined.insert(bucket.clone());
        self.changed = true;
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), StoreError> {
        const FIND: &str = "SELECT checksum FROM seaworthy_held WHERE bucket = ?1 AND key = ?2";
        // A key that is named twice is found out by the checksum.
        const ADD: &str = "INSERT OR IGNORE INTO seaworthy_held (bucket, key, checksum) VALUES (?1, ?2, ?3)";
        const SET: &str = "UPDATE seaworthy_held SET checksum = ?3 WHERE bucket = ?1 AND key = ?2";
        const DELETE: &str = "DELETE FROM seaworthy_held WHERE bucket = ?1 AND key = ?2 RETURNING checksum";
        let mut entry = self.entry(frame.bucket())?.clone();
        let checksum = |found: Option<i64>| found.map(|found| Checksum(found as u64));
        let table = entry.table.get_or_insert_with(|| frame.table().to_owned());
        if table != frame.table() {
            let what = format!("the bucket {} holds rows of {table} and of {}", frame.bucket().0, frame.table());
            return Err(StoreError::SchemaMismatch { differences: vec![what] });
        }
        entry.skipped.extend(frame.skipped().map(str::to_owned));
        let let_go = self.let_go.entry(frame.table().to_owned()).or_default();
        let mut delete = self.conn.prepare_cached(DELETE)?;
        frame.each_gone(|key| {
            if let Some(former) = checksum(delete.query_row(params![entry.number, key], |row| row.get(0)).optional()?) {
                (entry.rows, entry.checksum) = (entry.rows.saturating_sub(1), entry.checksum.minus(former));
            }
            let_go.push(key.to_vec());
            Ok(())
        })?;
        let all_new = entry.rows == 0 || self.joined.contains(frame.bucket());
        let [mut find, mut add, mut set] = [self.conn.prepare_cached(FIND)?, self.conn.prepare_cached(ADD)?, self.conn.prepare_cached(SET)?];
        frame.each_row(|key, new| {
            let former = if all_new { None } else { checksum(find.query_row(params![entry.number, key], |row| row.get(0)).optional()?) };
            entry.checksum = entry.checksum.minus(former.unwrap_or_default()).plus(new);
            match former {
                None => {
                    entry.rows += 1;
                    add.execute(params![entry.number, key, new.0 as i64])?;
                }
                Some(former) if former == new => {}
                Some(_) => drop(set.execute(params![entry.number, key, new.0 as i64])?),
            }
            Ok(())
        })?;
        self.entries.insert(frame.bucket().clone(), entry);
        Ok(())
    }

    /// Whether the bucket holds what the server says. If not, it is fetched anew.
    fn compare(&mut self, update: &BucketUpdate) -> Result<Option<Divergence>, StoreError> {
        let entry = self.entry(&update.bucket)?;
        if (entry.rows, entry.checksum) == (update.rows, Checksum(update.checksum)) {
            entry.mismatches = 0;
            return Ok(None);
        }
        entry.whole = false;
        entry.mismatches = entry.mismatches.saturating_add(1);
        Ok(Some(if entry.mismatches > 1 { Divergence::Again } else { Divergence::Once }))
    }

    /// The bucket as it is by now.
    fn entry(&mut self, bucket: &BucketId) -> Result<&mut Entry, StoreError> {
        if !self.entries.contains_key(bucket) {
            let entry = match Entry::load(self.conn, bucket)? {
                Some(entry) => entry,
                None => Entry::create(self.conn, bucket)?,
            };
            self.entries.insert(bucket.clone(), entry);
        }
        self.entries.get_mut(bucket).ok_or_else(|| StoreError::Corrupt { message: "a bucket is not in the book".to_owned() })
    }

    /// Lets go of all that a bucket holds.
    fn empty(&mut self, number: i64, table: Option<&str>) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT key FROM seaworthy_held WHERE bucket = ?1")?;
        let keys = statement.query_map([number], |row| row.get(0))?;
        self.let_go.entry(table.unwrap_or_default().to_owned()).or_default().extend(keys.collect::<Result<Vec<Vec<u8>>, _>>()?);
        self.conn.prepare_cached("DELETE FROM seaworthy_held WHERE bucket = ?1")?.execute([number])?;
        Ok(())
    }

    /// Rows may have left a table while the schema did not know it: whatever nobody holds goes.
    fn sweep(&mut self, name: &str) -> Result<(), StoreError> {
        let Some(table) = self.tables.get(name) else { return Ok(()) };
        if !self.swept.insert(name.to_owned()) {
            return Ok(());
        }
        let columns: Vec<_> = incoming::key_by_name(table).into_iter().map(|at| quote(&table.columns[at].name)).collect();
        let mut statement = self.conn.prepare(&format!("SELECT {} FROM {}", columns.join(", "), quote(name)))?;
        let mut rows = statement.query([])?;
        let let_go = self.let_go.entry(name.to_owned()).or_default();
        while let Some(row) = rows.next()? {
            let values: Vec<Value> = (0..columns.len()).map(|at| row.get_ref(at).map(query::owned)).collect::<Result<_, _>>()?;
            let mut key = Vec::new();
            incoming::pack(&mut key, values.iter())?;
            let_go.push(key);
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), StoreError> {
        for (bucket, entry) in &self.entries {
            let former = Entry::load(self.conn, bucket)?;
            if former.as_ref() != Some(entry) {
                entry.save(self.conn)?;
                self.changed |= former.is_none_or(|former| (former.rows, former.whole) != (entry.rows, entry.whole));
            }
        }
        Ok(())
    }

    /// Of what was let go of, the keys that nobody holds.
    fn removed(&self) -> Result<BTreeMap<String, Vec<Vec<Value>>>, StoreError> {
        const ANY: &str = "SELECT EXISTS (SELECT 1 FROM seaworthy_buckets WHERE tbl = ?1)";
        const HELD: &str =
            "SELECT EXISTS (SELECT 1 FROM seaworthy_held AS h JOIN seaworthy_buckets AS b ON b.number = h.bucket WHERE h.key = ?1 AND b.tbl = ?2)";
        let mut removed = BTreeMap::new();
        for (name, keys) in self.let_go.iter().filter(|(_, keys)| !keys.is_empty()) {
            let Some(table) = self.tables.get(name) else { continue };
            let is_shared: bool = self.conn.prepare_cached(ANY)?.query_row([name], |row| row.get(0))?;
            let mut held = self.conn.prepare_cached(HELD)?;
            let mut gone = Vec::new();
            for key in keys {
                if !is_shared || !held.query_row(params![key, name], |row| row.get(0))? {
                    gone.push(incoming::unpack(table, key)?);
                }
            }
            removed.insert(name.clone(), gone);
        }
        Ok(removed)
    }
}

impl Entry {
    fn load(conn: &Connection, bucket: &BucketId) -> Result<Option<Self>, StoreError> {
        const SQL: &str = "SELECT number, tbl, rows, checksum, whole, mismatches, skipped FROM seaworthy_buckets WHERE bucket = ?1";
        let mut statement = conn.prepare_cached(SQL)?;
        let mut rows = statement.query([&bucket.0])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let skipped: Option<String> = row.get(6)?;
        let skipped = skipped.map_or(Ok(BTreeSet::new()), |skipped| serde_json::from_str(&skipped));
        Ok(Some(Self {
            number: row.get(0)?,
            table: row.get(1)?,
            rows: row.get::<_, i64>(2)? as u64,
            checksum: Checksum(row.get::<_, i64>(3)? as u64),
            whole: row.get(4)?,
            mismatches: row.get(5)?,
            skipped: skipped.map_err(|e| StoreError::Corrupt { message: e.to_string() })?,
        }))
    }

    fn create(conn: &Connection, bucket: &BucketId) -> Result<Self, StoreError> {
        const SQL: &str = "INSERT INTO seaworthy_buckets (bucket, rows, checksum, whole, mismatches) VALUES (?1, 0, 0, 1, 0)";
        conn.prepare_cached(SQL)?.execute([&bucket.0])?;
        let number = conn.last_insert_rowid();
        Ok(Self { number, table: None, rows: 0, checksum: Checksum(0), whole: true, mismatches: 0, skipped: BTreeSet::new() })
    }

    fn save(&self, conn: &Connection) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE seaworthy_buckets SET tbl = ?2, rows = ?3, checksum = ?4, whole = ?5, mismatches = ?6, skipped = ?7 WHERE number = ?1";
        let skipped = (!self.skipped.is_empty()).then(|| serde_json::to_string(&self.skipped)).transpose();
        let skipped = skipped.map_err(|e| StoreError::Corrupt { message: e.to_string() })?;
        let (rows, checksum) = (self.rows as i64, self.checksum.0 as i64);
        conn.prepare_cached(SQL)?.execute(params![self.number, self.table, rows, checksum, self.whole, self.mismatches, skipped])?;
        Ok(())
    }
}
