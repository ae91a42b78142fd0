//! Leads a replica on: what the buckets that it holds gained, and the buckets that it lacks, in one snapshot.
//!
//! A replica is told the rows as they are now, never how they came about. A cursor that does not lie
//! on this server's history starts again with everything. A bucket comes whole or not at all; what does
//! not fit into one checkpoint joins in the next, the most urgent streams first.

use super::{
    book::{self, Entry, Sum},
    bulletin::Interest,
    compaction,
    error::StorageError,
    holding::{Holding, Wanted},
    internal, replica,
    stream::Streams,
};
use rusqlite::{Connection, OptionalExtension};
use seaworthy_engine::session::{Principal, Pulled, Standing};
use seaworthy_protocol::{BucketId, BucketUpdate, Checkpoint, Checksum, Cursor, Incarnation, Position, Rows, TransactionId, Value, limits};
use std::collections::HashSet;

/// No further bucket joins in a checkpoint whose rows have about this many bytes.
pub const JOIN_BYTES: usize = 8 * 1024 * 1024;

/// What was read, and what must change for another read to be worth it.
#[derive(Debug)]
pub struct Read {
    /// For the replica.
    pub pulled: Pulled,
    /// For the [`Waiter`](super::Waiter).
    pub interest: Interest,
}

/// Who asks, and for what.
pub struct Asked<'a> {
    /// Whose token it is.
    pub principal: &'a Principal,
    /// What the replica has and wants.
    pub standing: &'a Standing,
    /// Transactions of which it is to be said whether the log has them.
    pub doubtful: &'a [TransactionId],
    /// See [`JOIN_BYTES`].
    pub join_bytes: usize,
}

/// Reads what the replica is to hold and does not have.
pub fn pull(conn: &Connection, streams: &Streams, incarnation: Incarnation, asked: &Asked<'_>) -> Result<Read, StorageError> {
    let snapshot = conn.unchecked_transaction()?;
    let head = internal::head(&snapshot)?;
    let Standing { cursor, buckets, subscriptions } = asked.standing;
    let from = match cursor {
        Some(cursor) if is_known(&snapshot, *cursor, head)? => Some(cursor.position),
        _ => None,
    };
    let holding = Holding::open(&snapshot, streams, asked.principal, subscriptions)?;
    let claimed: HashSet<&str> = if from.is_some() { buckets.iter().map(|bucket| bucket.0.as_str()).collect() } else { HashSet::new() };
    let (held, missing): (Vec<&Wanted<'_>>, Vec<&Wanted<'_>>) = holding.buckets.iter().partition(|wanted| claimed.contains(wanted.bucket.0.as_str()));
    let mut parcel = Parcel::default();
    if let Some(from) = from.filter(|from| *from < head) {
        held.into_iter().try_for_each(|wanted| parcel.add_news(&snapshot, wanted, from))?;
    }
    // Rows of a stream that was declared anew must not be away until the last of its buckets has come.
    let any_replaced = claimed.iter().any(|bucket| !streams.definitions().iter().any(|definition| is_of(bucket, definition.number)));
    let mut more = false;
    for (nth, wanted) in missing.into_iter().enumerate() {
        more = nth > 0 && parcel.size >= asked.join_bytes && !any_replaced;
        if more {
            break;
        }
        parcel.add_whole(&snapshot, wanted)?;
    }
    let known = if asked.doubtful.is_empty() { None } else { Some(replica::known(&snapshot, &asked.principal.user, asked.doubtful)?) };
    let checkpoint = Checkpoint {
        cursor: Cursor { position: head, incarnation },
        reset: from.is_none(),
        known,
        streams: Some(holding.states),
        buckets: parcel.updates,
        partial: more,
    };
    Ok(Read { pulled: Pulled { rows: parcel.rows, checkpoint, more }, interest: holding.interest })
}

fn is_of(bucket: &str, number: i64) -> bool {
    bucket.split_once('.').is_some_and(|(of, _)| of.parse() == Ok(number))
}

/// Whether the run that announced the cursor is in this history, and reached it, and rows are tracked from there on.
fn is_known(conn: &Connection, cursor: Cursor, head: Position) -> rusqlite::Result<bool> {
    const RUN: &str = "
        SELECT run.start, (SELECT min(later.start) FROM seaworthy_incarnations AS later WHERE later.number > run.number)
        FROM seaworthy_incarnations AS run WHERE run.id = ?1";
    let run = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?));
    let Some((start, end)) = conn.prepare_cached(RUN)?.query_row([cursor.incarnation.0], run).optional()? else { return Ok(false) };
    let floor = compaction::floor(conn)?;
    let end = end.map_or(head, internal::position);
    Ok((internal::position(start)..=end).contains(&cursor.position) && cursor.position >= floor)
}

/// What goes into one checkpoint.
#[derive(Default)]
struct Parcel {
    rows: Vec<Rows>,
    updates: Vec<BucketUpdate>,
    size: usize,
}

impl Parcel {
    /// What a bucket gained and lost behind a position.
    fn add_news(&mut self, conn: &Connection, wanted: &Wanted<'_>, from: Position) -> Result<(), StorageError> {
        let mut batch = Batch::new(wanted);
        book::since(conn, &wanted.bucket, from, |entry| batch.take(conn, entry, true))?;
        if batch.is_empty() {
            return Ok(());
        }
        self.add(batch, false, book::sum(conn, &wanted.bucket)?);
        Ok(())
    }

    /// All of a bucket.
    fn add_whole(&mut self, conn: &Connection, wanted: &Wanted<'_>) -> Result<(), StorageError> {
        let mut batch = Batch::new(wanted);
        book::since(conn, &wanted.bucket, Position(0), |entry| batch.take(conn, entry, false))?;
        let sum = batch.sum;
        self.add(batch, true, sum);
        Ok(())
    }

    fn add(&mut self, batch: Batch<'_>, joined: bool, Sum { rows, checksum }: Sum) {
        self.updates.push(BucketUpdate { bucket: BucketId(batch.wanted.bucket.0.clone()), joined, rows, checksum: checksum.0 });
        self.size += batch.total;
        self.rows.append(&mut batch.finish());
    }
}

/// Rows of one bucket in frames of bounded size.
struct Batch<'s> {
    wanted: &'s Wanted<'s>,
    full: Vec<Rows>,
    open: Rows,
    size: usize,
    total: usize,
    sum: Sum,
}

impl<'s> Batch<'s> {
    fn new(wanted: &'s Wanted<'s>) -> Self {
        Self { wanted, full: Vec::new(), open: Self::empty(wanted), size: 0, total: 0, sum: Sum::default() }
    }

    fn empty(Wanted { bucket, stream, .. }: &Wanted<'_>) -> Rows {
        let (table, columns, key) = (stream.name.clone(), stream.columns.clone(), stream.key.clone());
        Rows { bucket: BucketId(bucket.0.clone()), table, columns, key, rows: Vec::new(), gone: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.rows.is_empty() && self.open.gone.is_empty()
    }

    /// Takes a row as it is now; one that has left only where it is wanted to be told.
    fn take(&mut self, conn: &Connection, entry: Entry, tells_gone: bool) -> Result<(), StorageError> {
        let row = if entry.gone { None } else { self.wanted.stream.row(conn, &entry.key)? };
        let checksum = row.as_deref().map(Checksum::of_row);
        // Another row than stands in the book was written from outside, and may have left the bucket with that.
        let left = match checksum {
            Some(checksum) => checksum != entry.checksum && !self.wanted.definition.buckets_of_row(conn, &entry.key)?.contains(&self.wanted.bucket),
            None => true,
        };
        match (row, checksum) {
            (Some(row), Some(checksum)) if !left => {
                self.sum = Sum { rows: self.sum.rows + 1, checksum: self.sum.checksum.plus(checksum) };
                self.make_room(&row);
                self.open.rows.push(row);
            }
            _ if tells_gone => {
                self.make_room(&entry.key);
                self.open.gone.push(entry.key);
            }
            _ => {}
        }
        Ok(())
    }

    fn make_room(&mut self, values: &[Value]) {
        let size: usize = values.iter().map(Value::wire_size).sum();
        if self.size > 0 && self.size + size > limits::TARGET_ROWS_BYTES {
            self.full.push(std::mem::replace(&mut self.open, Self::empty(self.wanted)));
            self.size = 0;
        }
        self.size += size;
        self.total += size;
    }

    fn finish(mut self) -> Vec<Rows> {
        if !self.open.rows.is_empty() || !self.open.gone.is_empty() {
            self.full.push(self.open);
        }
        self.full
    }
}
