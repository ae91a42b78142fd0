//! The embedded storage without threads or a runtime: what the server's writer thread drives, and the simulator.
//!
//! The clock and all randomness are inputs.

use super::{
    bulletin::Touched,
    compaction,
    decide::{self, Decided},
    definition::StreamConfigs,
    deliveries::{self, LogPart},
    error::{OpenError, StorageError},
    hearing::{self, Hearing, Ruling, Shown},
    internal,
    migration::Migration,
    pull::{self, Asked, Read},
    replica, start,
    stream::Streams,
    table::Tables,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use seaworthy_engine::{
    client::User,
    session::{Admission, Principal, Standing},
};
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{Epoch, Incarnation, Position, Push, ReplicaId, Sequence, Transaction as Pushed, TransactionId, TransactionResult};
use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, sync::Arc};

/// Two days: yesterday's copy will do, whenever it was made.
pub const DEFAULT_RESTORE_WINDOW_MS: i64 = 48 * 60 * 60 * 1000;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// Nowhere: it goes when it is closed.
    Memory,
    /// In a file, with its write-ahead log beside it.
    File(PathBuf),
}

/// What is served.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// The synchronised tables.
    pub tables: &'a Tables,
    /// The streams besides those that `owner` and `open` stand for.
    pub streams: &'a StreamConfigs,
}

/// Random input of one start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// Names the history, if it begins now.
    pub epoch: Epoch,
    /// Names this run.
    pub incarnation: Incarnation,
}

/// Who this server is, and how far back it may be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub epoch: Epoch,
    pub incarnation: Incarnation,
    /// No copy that this server is restored from is older.
    pub restore_window_ms: i64,
}

impl Run {
    /// What is said of a replica that may take part.
    pub fn admission(&self, conn: &Connection, last_sequence: Sequence, now_ms: i64) -> Result<Admission, StorageError> {
        let durable_through = internal::head_at(conn, now_ms.saturating_sub(self.restore_window_ms))?;
        Ok(Admission { epoch: self.epoch, last_sequence, durable_through })
    }
}

/// The embedded database with the one connection that writes.
#[derive(Debug)]
pub struct SqliteCore {
    conn: Connection,
    streams: Arc<Streams>,
    run: Run,
}

impl SqliteCore {
    /// Opens or creates the database, runs the migrations that it lacks, checks the tables and the streams, and begins a run.
    pub fn open(location: &Location, served: Served<'_>, migrations: &[Migration], fresh: Fresh, now_ms: i64) -> Result<Self, OpenError> {
        let mut conn = start::connect(location)?;
        let (streams, epoch) = start::start(&mut conn, served, migrations, fresh, now_ms)?;
        let run = Run { epoch, incarnation: fresh.incarnation, restore_window_ms: DEFAULT_RESTORE_WINDOW_MS };
        Ok(Self { conn, streams: Arc::new(streams), run })
    }

    /// Says how old a copy may be from which this server is restored, in milliseconds. Clients keep what was confirmed for so long.
    pub fn set_restore_window(&mut self, ms: i64) {
        self.run.restore_window_ms = ms;
    }

    /// Looks up the replica, or creates it for this user.
    pub fn admit(&mut self, user: &User, replica: ReplicaId, now_ms: i64) -> Result<Admission, StorageError> {
        let group = self.group()?;
        let admission = group.admit(user, replica, now_ms)?;
        group.commit()?;
        Ok(admission)
    }

    /// Decides a push in a database transaction of its own. When it fails, nothing was decided.
    pub fn decide(&mut self, principal: &Principal, push: &Push, now_ms: i64) -> Result<Vec<TransactionResult>, StorageError> {
        let group = self.group()?;
        let results = group.decide(principal, push, now_ms)?;
        group.commit()?;
        Ok(results)
    }

    /// See [`Storage::show`](super::Storage::show).
    pub fn show(&self, principal: &Principal, replica: ReplicaId, transaction: &Pushed) -> Result<Option<Shown>, StorageError> {
        hearing::show(&self.conn, &self.streams, principal, replica, transaction)
    }

    /// See [`Storage::settle`](super::Storage::settle).
    pub fn settle(&mut self, principal: &Principal, push: &Push, ruling: Option<&Ruling>, now_ms: i64) -> Result<Vec<TransactionResult>, StorageError> {
        let group = self.group()?;
        let results = group.settle(principal, push, ruling, now_ms)?;
        group.commit()?;
        Ok(results)
    }

    /// See [`Storage::pull`](super::Storage::pull).
    pub fn pull(&self, principal: &Principal, standing: &Standing, doubtful: &[TransactionId]) -> Result<Read, StorageError> {
        self.pull_within(principal, standing, doubtful, pull::JOIN_BYTES)
    }

    /// As [`SqliteCore::pull`], with another bound for the bytes that join in one checkpoint.
    pub fn pull_within(&self, principal: &Principal, standing: &Standing, doubtful: &[TransactionId], join_bytes: usize) -> Result<Read, StorageError> {
        pull::pull(&self.conn, &self.streams, self.run.incarnation, &Asked { principal, standing, doubtful, join_bytes })
    }

    /// See [`Storage::log`](super::Storage::log).
    pub fn log(&self, after: Position) -> Result<LogPart, StorageError> {
        deliveries::read(&self.conn, after)
    }

    /// See [`Storage::log_needed_from`](super::Storage::log_needed_from).
    pub fn log_needed_from(&self) -> Result<Option<Position>, StorageError> {
        deliveries::needed_from(&self.conn)
    }

    /// Forgets the history through a position, but nothing that a webhook still has to read, in a database transaction
    /// of its own. Answers the floor: what stands below it starts anew. A long history is better forgotten in steps, as writes wait meanwhile.
    pub fn compact(&mut self, through: Position) -> Result<Position, StorageError> {
        let group = self.group()?;
        let floor = compaction::compact(&group.tx, through)?;
        point(Point::ServerCompactBeforeCommit);
        group.tx.commit()?;
        point(Point::ServerCompactAfterCommit);
        Ok(floor)
    }

    /// The end of the log.
    pub fn head(&self) -> Result<Position, StorageError> {
        Ok(internal::head(&self.conn)?)
    }

    /// The connection, for looking at the tables themselves. Writes through it are writes from outside.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// The connection, for hooks that watch it.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }

    /// Begins a database transaction that decides several pushes with one wait for the disk.
    pub fn group(&mut self) -> Result<Group<'_>, StorageError> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // A parent may come after its child within a transaction; each is checked at its end.
        tx.pragma_update(None, "defer_foreign_keys", true)?;
        Ok(Group { tx, streams: &self.streams, run: self.run, touched: RefCell::default() })
    }

    /// What connections that read need to know.
    pub(super) fn shared(&self) -> (Arc<Streams>, Run) {
        (self.streams.clone(), self.run)
    }
}

/// Decisions that become durable together. Dropped without [`Group::commit`], none of them was made.
pub struct Group<'c> {
    tx: Transaction<'c>,
    streams: &'c Streams,
    run: Run,
    touched: RefCell<Touched>,
}

impl Group<'_> {
    /// See [`SqliteCore::admit`].
    pub fn admit(&self, user: &User, replica: ReplicaId, now_ms: i64) -> Result<Admission, StorageError> {
        let last_sequence = replica::find_or_create(&self.tx, user, replica, now_ms)?;
        point(Point::ServerAdmitCreated);
        self.run.admission(&self.tx, last_sequence, now_ms)
    }

    /// See [`SqliteCore::decide`].
    pub fn decide(&self, principal: &Principal, push: &Push, now_ms: i64) -> Result<Vec<TransactionResult>, StorageError> {
        self.decide_by(principal, push, Hearing::NotNeeded, now_ms)
    }

    /// See [`Storage::settle`](super::Storage::settle).
    pub fn settle(&self, principal: &Principal, push: &Push, ruling: Option<&Ruling>, now_ms: i64) -> Result<Vec<TransactionResult>, StorageError> {
        self.decide_by(principal, push, ruling.map_or(Hearing::Missing, Hearing::Held), now_ms)
    }

    fn decide_by(&self, principal: &Principal, push: &Push, hearing: Hearing<'_>, now_ms: i64) -> Result<Vec<TransactionResult>, StorageError> {
        let Decided { results, touched } = decide::decide(&self.tx, self.streams, principal, push, hearing, now_ms)?;
        self.touched.borrow_mut().merge(touched);
        Ok(results)
    }

    /// See [`Storage::begin_deliveries`](super::Storage::begin_deliveries).
    pub fn begin_deliveries(&self, webhooks: &[String]) -> Result<BTreeMap<String, Position>, StorageError> {
        deliveries::begin(&self.tx, webhooks)
    }

    /// See [`Storage::delivered`](super::Storage::delivered).
    pub fn delivered(&self, webhook: &str, position: Position) -> Result<(), StorageError> {
        deliveries::delivered(&self.tx, webhook, position)
    }

    /// Makes the decisions durable. Answers the end of the log, and what was touched.
    pub fn commit(self) -> Result<(Position, Touched), StorageError> {
        let head = internal::head(&self.tx)?;
        point(Point::ServerBeforeCommit);
        self.tx.commit()?;
        point(Point::ServerAfterCommitBeforeAnswer);
        Ok((head, self.touched.into_inner()))
    }
}
