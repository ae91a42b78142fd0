//! Post-commit webhooks: the log, posted to the application's backend.
//!
//! Every accepted transaction arrives at least once, in the order of the log, also after a crash on either
//! side: a webhook's place is durable, and moves on only once the backend has said that it has everything up to
//! there. Until then the same request is tried for ever, with pauses that grow to a bound. It never holds up a
//! client, and no other webhook.

use crate::{
    config::EndpointConfig,
    endpoint::Endpoint,
    handler::Writer,
    storage::{LogEntry, LogPart, Storage},
};
use axum::body::Bytes;
use backon::{ExponentialBuilder, Retryable};
use seaworthy_protocol::{Changes, Position, ReplicaId, TransactionId};
use serde::Serialize;
use std::{collections::BTreeSet, fmt::Display, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Pauses between two attempts begin with this, and double,
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// up to this. Jitter adds up to as much.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How far a webhook for which there is nothing may fall behind on disk.
const NOTE_EVERY: u64 = 1000;

/// Delivers the log to one address.
pub struct Webhook {
    name: String,
    endpoint: Endpoint,
    tables: Option<BTreeSet<String>>,
}

/// The body of a request.
#[derive(Serialize)]
struct Delivery<'a> {
    r#type: &'static str,
    events: &'a [Event],
}

/// An accepted transaction.
#[derive(Serialize)]
struct Event {
    position: Position,
    transaction: TransactionId,
    replica: ReplicaId,
    user: Option<Writer>,
    decided_at_ms: i64,
    changes: Changes,
}

impl Webhook {
    /// Delivers what changes in some tables, or in all.
    ///
    /// # Errors
    /// When HTTPS cannot be set up.
    pub fn new(name: String, endpoint: EndpointConfig, tables: Option<BTreeSet<String>>) -> Result<Self, reqwest::Error> {
        Ok(Self { name, endpoint: Endpoint::new(endpoint)?, tables })
    }

    /// Its name, under which its place is kept.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Delivers what is behind `place`, until the server stops. What was under way then is sent again by the next one.
    pub async fn run(self, storage: Arc<dyn Storage>, place: Position, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.deliver(&*storage, place) => {}
            Ok(_) = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn deliver(&self, storage: &dyn Storage, mut place: Position) {
        let mut head = storage.head();
        let mut noted = place;
        loop {
            if *head.borrow_and_update() <= place {
                match head.changed().await {
                    Ok(()) => continue,
                    Err(_) => return,
                }
            }
            let part = self.persistently(|| storage.log(place)).await;
            place = part.end;
            let events = self.events(part);
            let is_due = !events.is_empty() || place.0.saturating_sub(noted.0) >= NOTE_EVERY;
            self.post(&events).await;
            if is_due {
                self.persistently(|| storage.delivered(self.name.clone(), place)).await;
                noted = place;
            }
        }
    }

    fn events(&self, part: LogPart) -> Vec<Event> {
        let event = |entry: LogEntry| {
            let LogEntry { position, transaction, replica, user, decided_at_ms, mut changes } = entry;
            changes.tables.retain(|table| !table.rows.is_empty() && self.tables.as_ref().is_none_or(|tables| tables.contains(&table.name)));
            let user = user.map(|user| Writer { issuer: user.issuer, subject: user.subject });
            (!changes.tables.is_empty()).then_some(Event { position, transaction, replica, user, decided_at_ms, changes })
        };
        part.entries.into_iter().filter_map(event).collect()
    }

    async fn post(&self, events: &[Event]) {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return };
        let id = format!("{}-{}", first.transaction, last.transaction);
        // It holds only what JSON can say.
        let body = Bytes::from(serde_json::to_vec(&Delivery { r#type: "writes.committed", events }).unwrap_or_default());
        self.persistently(|| self.endpoint.post(&id, body.clone())).await;
        tracing::debug!(webhook = self.name, events = events.len(), through = last.position.0, "delivered");
    }

    /// Does something until it goes well.
    async fn persistently<T, E: Display, F: Future<Output = Result<T, E>>>(&self, mut attempt: impl FnMut() -> F) -> T {
        loop {
            let tried = (&mut attempt).retry(pauses()).notify(|error: &E, pause| {
                tracing::warn!(webhook = self.name, endpoint = %self.endpoint, %error, ?pause, "a webhook does not get on, and is tried again");
            });
            if let Ok(done) = tried.await {
                return done;
            }
        }
    }
}

/// For ever.
fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE).with_jitter().without_max_times()
}
