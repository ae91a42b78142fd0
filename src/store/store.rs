//! The store itself: one connection, what memory knows of it, and how it opens and closes.

use crate::access::INTERNAL;
use crate::capture::Shape;
use crate::identity::Identity;
use crate::live::LiveQueries;
use crate::outbox::{self, Outbox, PendingWrite};
use crate::pending::Unindexed;
use crate::query::Queries;
use crate::table::{Table, uniques_of};
use crate::transaction::Open;
use crate::trigger::Triggers;
use crate::{Schema, StoreError, book, format, kept, request, subscribe};
use rusqlite::{Connection, params};
use seaworthy_engine::client::ReplicaState;
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{BucketId, Outcome, ReplicaId, Sequence, Subscription, Transaction, TransactionId, TransactionResult};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A replica's database. It owns the only connection.
pub struct Store {
    // Before the connection, so that its capture ends first.
    pub(crate) open: Option<Open>,
    pub(crate) queries: Queries,
    pub(crate) live: LiveQueries,
    pub(crate) tables: BTreeMap<String, Table>,
    /// What a capture knows of them.
    pub(crate) shapes: Arc<[Shape]>,
    pub(crate) triggers: Triggers,
    pub(crate) schema_version: u32,
    pub(crate) identity: Identity,
    pub(crate) outbox: Outbox,
    pub(crate) unindexed: Unindexed,
    /// See [`kept`].
    pub(crate) doubtful: Arc<[TransactionId]>,
    /// The buckets that need not be fetched anew.
    pub(crate) buckets: Arc<[BucketId]>,
    pub(crate) subscriptions: Arc<[Subscription]>,
    pub(crate) last_sequence: Sequence,
    /// Requests whose answers the page has; dropped with the next write.
    pub(crate) acknowledged: Vec<String>,
    pub(crate) changed: BTreeSet<String>,
    pub(crate) conn: Connection,
}

/// How many writes wait, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In the outbox.
    pub pending: u64,
    /// Of these, how many cannot stand on what the server has.
    pub blocked: u64,
    /// Rejected and kept, without those that a policy discarded.
    pub rejected: u64,
}

impl Store {
    /// Opens the database on a connection, creates what is missing and checks the rest. `fresh` becomes
    /// the replica's identity if it has none. Nothing is changed when it fails.
    pub fn open(mut conn: Connection, schema: &Schema, fresh: ReplicaId) -> Result<Self, StoreError> {
        conn.execute_batch("PRAGMA foreign_keys = ON")?;
        let queries = Queries::new(&mut conn)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let prepared = prepare(&conn, schema, fresh);
        conn.execute_batch(if prepared.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        let (identity, tables) = prepared?;
        let outbox = Outbox::load(&conn)?;
        let mut store = Self {
            open: None,
            queries,
            live: LiveQueries::default(),
            shapes: tables.values().map(Shape::of).collect(),
            tables,
            triggers: Triggers::default(),
            schema_version: schema.version,
            last_sequence: outbox::last_sequence(&conn)?.max(identity.left_through),
            identity,
            outbox,
            unindexed: Unindexed::load(&conn)?,
            doubtful: kept::doubtful(&conn)?,
            buckets: book::whole(&conn)?,
            subscriptions: subscribe::load(&conn)?,
            acknowledged: Vec::new(),
            changed: BTreeSet::new(),
            conn,
        };
        store.queries.recorder.set_synced(store.tables.keys().cloned().collect());
        store.schema_changed()?;
        Ok(store)
    }

    /// Closes the database. An open transaction is rolled back.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.abort();
        self.conn.flush_prepared_statement_cache();
        self.conn.close().map_err(|(_, error)| error.into())
    }

    /// Forgets the answers of requests that the page has received. They go with the next write.
    pub fn acknowledge(&mut self, requests: &[String]) {
        self.acknowledged.extend_from_slice(requests);
    }

    /// The pages for which answers are kept.
    pub fn answered_pages(&self) -> Result<BTreeSet<String>, StoreError> {
        request::pages(&self.conn)
    }

    /// Forgets the answers for pages that are gone. They go with the next write.
    pub fn forget_pages(&mut self, pages: &[String]) -> Result<(), StoreError> {
        let gone = request::of_pages(&self.conn, pages)?;
        self.acknowledged.extend(gone);
        Ok(())
    }

    /// The tables that changed since this was last asked, whoever changed them.
    pub fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    /// What the engine needs to know.
    pub fn replica(&self) -> ReplicaState {
        ReplicaState {
            replica: self.identity.replica,
            user: self.identity.user.clone(),
            cursor: self.identity.cursor,
            first_undecided: self.outbox.first_undecided.unwrap_or(self.last_sequence.next()),
            last_sequence: self.last_sequence,
            awaiting_checkpoint: self.outbox.awaiting,
            anonymous: self.identity.anonymous,
            kept_through: self.identity.kept_through,
            doubtful: self.doubtful.clone(),
            buckets: self.buckets.clone(),
            subscriptions: self.subscriptions.clone(),
            schema_version: self.schema_version,
        }
    }

    /// When the last checkpoint was applied, in milliseconds since 1970.
    pub fn last_synced_at_ms(&self) -> Option<i64> {
        self.identity.last_synced_at_ms
    }

    /// How many writes wait, and for what.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        const SQL: &str = "SELECT (SELECT count(*) FROM seaworthy_masked), (SELECT count(*) FROM seaworthy_rejected WHERE code <> 'discarded')";
        let (blocked, rejected): (i64, i64) = self.conn.prepare_cached(SQL)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Counts { pending: self.outbox.entries, blocked: blocked as u64, rejected: rejected as u64 })
    }

    /// Undecided entries after a sequence, oldest first: at most `max_count`, and no more than `max_bytes` unless the first alone is larger.
    pub fn outbox(&self, after: Sequence, max_count: usize, max_bytes: usize) -> Result<Vec<Transaction>, StoreError> {
        self.outbox.load_after(&self.conn, after, max_count, max_bytes)
    }

    /// Every pending write, oldest first.
    pub fn pending(&self) -> Result<Vec<PendingWrite>, StoreError> {
        outbox::list(&self.conn, self.identity.sent_through)
    }

    /// Persists outcomes. No synced table is touched.
    pub fn record(&mut self, results: &[TransactionResult]) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE seaworthy_outbox SET position = ?2, reject_code = ?3, reject_message = ?4, reject_data = ?5 WHERE ordinal = ?1";
        self.refuse_open()?;
        let transaction = self.conn.unchecked_transaction()?;
        let last = results.iter().map(|result| result.sequence).max().unwrap_or(Sequence(0));
        let mut undecided = self.outbox.undecided(&transaction, last)?;
        for result in results {
            let (position, code, message, data) = match &result.outcome {
                Outcome::Applied { position } | Outcome::Merged { position, .. } => (*position, None, None, None),
                Outcome::Rejected { position, code, message, data } => (*position, Some(code), Some(message), data.as_ref()),
                Outcome::RetryLater { .. } | Outcome::Gap { .. } | Outcome::IdentityReused => continue,
            };
            let Some(ordinal) = undecided.remove(&result.sequence) else { continue };
            let data = data.map(serde_json::to_string).transpose().map_err(|e| StoreError::Corrupt { message: e.to_string() })?;
            transaction.prepare_cached(SQL)?.execute(params![ordinal, position.0 as i64, code, message, data])?;
        }
        let outbox = self.outbox.after(&transaction, 0)?;
        point(Point::StoreRecordBeforeCommit);
        transaction.commit()?;
        point(Point::StoreRecordAfterCommit);
        self.outbox = outbox;
        Ok(())
    }

    /// After DDL: prepared statements, UNIQUE indexes and the list of triggers are found anew.
    pub(crate) fn schema_changed(&mut self) -> Result<(), StoreError> {
        self.queries.clear(&self.conn);
        for table in self.tables.values_mut() {
            table.uniques = uniques_of(&self.conn, &table.name, &table.columns)?;
        }
        self.triggers = crate::trigger::find(&self.conn, &self.queries.recorder, &self.tables)?;
        self.index_pending()
    }
}

/// Everything about opening that may fail and must leave no trace if it does.
fn prepare(conn: &Connection, schema: &Schema, fresh: ReplicaId) -> Result<(Identity, BTreeMap<String, Table>), StoreError> {
    format::migrate(conn)?;
    schema.realise(conn)?;
    let mut tables = BTreeMap::new();
    for table in schema.tables.iter().filter(|table| !table.local_only) {
        debug_assert!(!table.name.starts_with(INTERNAL));
        tables.insert(table.name.clone(), Table::inspect(conn, table)?);
    }
    book::meet_schema(conn, &tables)?;
    Ok((Identity::load(conn, fresh)?, tables))
}
