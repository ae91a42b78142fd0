//! Live queries: run again when a table that they read changed, delivered when the bytes differ.

use crate::{Call, StoreError, store::Store};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_128;

/// The queries that somebody watches.
#[derive(Default)]
pub(crate) struct LiveQueries {
    queries: BTreeMap<u32, LiveQuery>,
}

struct LiveQuery {
    call: Call,
    reads: BTreeSet<String>,
    /// The fingerprint of what was delivered last; `None` after an error.
    delivered: Option<u128>,
}

/// New results, by the id of the query.
pub type Refreshed = Vec<(u32, Result<Vec<u8>, StoreError>)>;

impl Store {
    /// Begins to watch a query under an id of the caller's, and gives its first result.
    pub fn live_open(&mut self, id: u32, call: &Call) -> Result<Vec<u8>, StoreError> {
        let mut reads = BTreeSet::new();
        for statement in &call.statements {
            reads.extend(self.queries.access(&self.conn, &statement.sql)?.reads.iter().cloned());
        }
        let buffer = self.read(call)?;
        self.live.queries.insert(id, LiveQuery { call: call.clone(), reads, delivered: Some(xxh3_128(&buffer)) });
        Ok(buffer)
    }

    /// Stops watching.
    pub fn live_close(&mut self, id: u32) {
        self.live.queries.remove(&id);
    }

    /// Whether anything is watched.
    pub fn is_watched(&self) -> bool {
        !self.live.queries.is_empty()
    }

    /// The results that changed since the last time. Empty while a transaction is open: nobody sees uncommitted rows.
    pub fn live_refresh(&mut self) -> Refreshed {
        if self.in_transaction() {
            return Vec::new();
        }
        let changed = self.take_changed();
        let touched: Vec<u32> = self.live.queries.iter().filter(|(_, query)| !query.reads.is_disjoint(&changed)).map(|(id, _)| *id).collect();
        touched.into_iter().filter_map(|id| Some((id, self.live_run(id)?))).collect()
    }

    fn live_run(&mut self, id: u32) -> Option<Result<Vec<u8>, StoreError>> {
        let call = self.live.queries.get(&id)?.call.clone();
        let result = self.read(&call);
        let query = self.live.queries.get_mut(&id)?;
        let fingerprint = result.as_ref().ok().map(|buffer| xxh3_128(buffer));
        if fingerprint.is_some() && fingerprint == query.delivered {
            return None;
        }
        query.delivered = fingerprint;
        Some(result)
    }
}
