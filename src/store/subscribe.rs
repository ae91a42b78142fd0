//! What the application subscribes to, and what the server makes of it.
//!
//! Both are kept in the database: a replica that starts without a network knows what it holds, and says it in its first
//! frame. Promises that a subscription stands until it is ended or has expired, and that its parameters are the same
//! however they were written. Nothing here is sent: see [`crate::Replica::subscribed`].

use crate::{StoreError, store::Store};
use rusqlite::{Connection, params};
use seaworthy_protocol::{StreamError, StreamState, Subscription, Value, limits};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stream as the application may show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StreamInfo {
    /// Its name.
    pub stream: String,
    /// Its parameters.
    pub params: BTreeMap<String, Value>,
    /// It is there without a subscription.
    pub auto: bool,
    /// It is subscribed to, or was and is kept.
    pub subscribed: bool,
    /// The server has said of which buckets it consists, and all of them are here.
    pub ready: bool,
    /// Of how many buckets it consists, as the server said last.
    pub buckets: u64,
    /// How many of them are here.
    pub joined: u64,
    /// How many rows these hold.
    pub rows: u64,
    /// Why it cannot be had.
    pub error: Option<StreamError>,
}

impl Store {
    /// Subscribes to a stream, until it is ended. A subscription that is kept is in use again.
    pub fn subscribe(&mut self, subscription: &Subscription) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO seaworthy_subscriptions (stream, params) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET keep_until_ms = NULL";
        check(subscription)?;
        if self.subscriptions.len() >= limits::MAX_SUBSCRIPTIONS && !self.subscriptions.contains(subscription) {
            let reason = format!("there are {} subscriptions already: release one", limits::MAX_SUBSCRIPTIONS);
            return Err(StoreError::BadSubscription { reason });
        }
        let params = to_json(&subscription.params)?;
        self.change_subscriptions(|conn| conn.execute(SQL, params![subscription.stream, params]))
    }

    /// Ends a subscription, or keeps it for a time. Of one that does not stand it says nothing.
    pub fn unsubscribe(&mut self, subscription: &Subscription, keep_until_ms: Option<i64>) -> Result<(), StoreError> {
        const END: &str = "DELETE FROM seaworthy_subscriptions WHERE stream = ?1 AND params = ?2";
        const KEEP: &str = "UPDATE seaworthy_subscriptions SET keep_until_ms = ?3 WHERE stream = ?1 AND params = ?2";
        let params = to_json(&subscription.params)?;
        self.change_subscriptions(|conn| match keep_until_ms {
            None => conn.execute(END, params![subscription.stream, params]),
            Some(until) => conn.execute(KEEP, params![subscription.stream, params, until]),
        })
    }

    /// Whoever used the subscriptions is gone without a word, as after a start: those in use are kept until then.
    pub fn abandon_subscriptions(&mut self, keep_until_ms: i64) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE seaworthy_subscriptions SET keep_until_ms = ?1 WHERE keep_until_ms IS NULL";
        self.change_subscriptions(|conn| conn.execute(SQL, [keep_until_ms]))
    }

    /// Ends the subscriptions that were kept long enough. `true`: there were some.
    pub fn expire_subscriptions(&mut self, now_ms: i64) -> Result<bool, StoreError> {
        let former = self.subscriptions.len();
        self.change_subscriptions(|conn| conn.execute("DELETE FROM seaworthy_subscriptions WHERE keep_until_ms <= ?1", [now_ms]))?;
        Ok(self.subscriptions.len() != former)
    }

    /// Every stream that is there by itself, and every subscription, by name and parameters.
    pub fn streams(&self) -> Result<Vec<StreamInfo>, StoreError> {
        let mut held = self.conn.prepare_cached("SELECT rows, whole FROM seaworthy_buckets WHERE bucket = ?1")?;
        let mut infos = Vec::new();
        for state in load_states(&self.conn)? {
            let mut info = StreamInfo::named(&state.stream, &state.params);
            (info.auto, info.error, info.buckets) = (state.auto, state.error, state.buckets.len() as u64);
            for bucket in &state.buckets {
                let mut rows = held.query([&bucket.0])?;
                if let Some(row) = rows.next()? {
                    info.joined += u64::from(row.get::<_, bool>(1)?);
                    info.rows += row.get::<_, i64>(0)? as u64;
                }
            }
            info.ready = info.error.is_none() && info.joined == info.buckets;
            infos.push(info);
        }
        for Subscription { stream, params } in self.subscriptions.iter() {
            match infos.iter_mut().find(|info| info.stream == *stream && info.params == *params) {
                Some(info) => info.subscribed = true,
                None => infos.push(StreamInfo { subscribed: true, ..StreamInfo::named(stream, params) }),
            }
        }
        // What the server still names, and nobody subscribes to any more, is on its way out.
        infos.retain(|info| info.auto || info.subscribed);
        infos.sort_by_cached_key(|info| (info.stream.clone(), to_json(&info.params).unwrap_or_default()));
        Ok(infos)
    }

    fn change_subscriptions(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<usize>) -> Result<(), StoreError> {
        self.refuse_open()?;
        let transaction = self.conn.unchecked_transaction()?;
        change(&transaction)?;
        let subscriptions = load(&transaction)?;
        transaction.commit()?;
        if self.subscriptions != subscriptions {
            self.subscriptions = subscriptions;
        }
        Ok(())
    }
}

impl StreamInfo {
    fn named(stream: &str, params: &BTreeMap<String, Value>) -> Self {
        Self { stream: stream.to_owned(), params: params.clone(), auto: false, subscribed: false, ready: false, buckets: 0, joined: 0, rows: 0, error: None }
    }
}

/// What is subscribed to, in use or kept.
pub(crate) fn load(conn: &Connection) -> Result<Arc<[Subscription]>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT stream, params FROM seaworthy_subscriptions ORDER BY stream, params")?;
    let mut rows = statement.query([])?;
    let mut subscriptions = Vec::new();
    while let Some(row) = rows.next()? {
        subscriptions.push(Subscription { stream: row.get(0)?, params: from_json(&row.get::<_, String>(1)?)? });
    }
    Ok(subscriptions.into())
}

/// What the server said last that the replica is to hold.
pub(crate) fn load_states(conn: &Connection) -> Result<Vec<StreamState>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT state FROM seaworthy_streams ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut states = Vec::new();
    while let Some(row) = rows.next()? {
        states.push(from_json(&row.get::<_, String>(0)?)?);
    }
    Ok(states)
}

/// Keeps what the server says that the replica is to hold. `false`: it has said so before.
pub(crate) fn save_states(conn: &Connection, states: &[StreamState]) -> Result<bool, StoreError> {
    if load_states(conn)? == states {
        return Ok(false);
    }
    conn.execute("DELETE FROM seaworthy_streams", [])?;
    let mut statement = conn.prepare_cached("INSERT INTO seaworthy_streams (state) VALUES (?1)")?;
    for state in states {
        statement.execute([to_json(state)?])?;
    }
    Ok(true)
}

/// Refuses what no frame may carry: it would keep the replica from connecting at all.
fn check(subscription: &Subscription) -> Result<(), StoreError> {
    let Subscription { stream, params } = subscription;
    let bad = |reason: String| Err(StoreError::BadSubscription { reason });
    if stream.len() > limits::MAX_NAME_BYTES {
        return bad(format!("a stream's name has at most {} bytes", limits::MAX_NAME_BYTES));
    }
    let bytes: usize = params.iter().map(|(name, value)| name.len() + value.wire_size()).sum();
    if params.len() > limits::MAX_PARAMS || bytes > limits::MAX_BUCKET_BYTES {
        return bad(format!("a stream takes at most {} parameters of together {} bytes", limits::MAX_PARAMS, limits::MAX_BUCKET_BYTES));
    }
    Ok(())
}

fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Corrupt { message: e.to_string() })
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { message: e.to_string() })
}
