//! What a replica is to hold: every automatic stream and every subscription, as buckets, for this user and now.

use super::{
    bulletin::Interest,
    definition::{Bucket, Definition, OpeningError},
    stream::{Stream, Streams},
};
use rusqlite::Connection;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{BucketId, StreamError, StreamErrorCode, StreamState, Subscription, limits};
use std::collections::HashSet;

/// See the module.
#[derive(Default)]
pub struct Holding<'s> {
    /// What is said of it.
    pub states: Vec<StreamState>,
    /// Each bucket once, those of the most urgent streams first.
    pub buckets: Vec<Wanted<'s>>,
    /// What it depends on, buckets included.
    pub interest: Interest,
    named: HashSet<String>,
}

/// A bucket to hold.
pub struct Wanted<'s> {
    /// The bucket.
    pub bucket: Bucket,
    /// The stream that it is of.
    pub definition: &'s Definition,
    /// The table that it holds rows of.
    pub stream: &'s Stream,
}

impl<'s> Holding<'s> {
    /// Opens everything.
    pub fn open(conn: &Connection, streams: &'s Streams, principal: &Principal, subscriptions: &[Subscription]) -> rusqlite::Result<Self> {
        let mut holding = Self::default();
        for definition in streams.definitions().iter().filter(|definition| definition.auto) {
            let subscription = Subscription { stream: definition.name.clone(), ..Subscription::default() };
            holding.add(conn, streams, principal, &subscription, true)?;
        }
        for subscription in subscriptions {
            let is_known = holding.states.iter().any(|state| state.stream == subscription.stream && state.params == subscription.params);
            if !is_known {
                holding.add(conn, streams, principal, subscription, false)?;
            }
        }
        // What came first stays first among equals.
        holding.buckets.sort_by_key(|wanted| wanted.definition.priority);
        Ok(holding)
    }

    fn add(&mut self, conn: &Connection, streams: &'s Streams, principal: &Principal, subscription: &Subscription, auto: bool) -> rusqlite::Result<()> {
        let Subscription { stream, params } = subscription.clone();
        let mut state = StreamState { stream, params, auto, buckets: Vec::new(), error: None };
        match self.buckets_of(conn, streams, principal, subscription)? {
            Ok(buckets) => state.buckets = buckets,
            Err(error) => state.error = Some(error),
        }
        self.states.push(state);
        Ok(())
    }

    fn buckets_of(
        &mut self,
        conn: &Connection,
        streams: &'s Streams,
        principal: &Principal,
        Subscription { stream: name, params }: &Subscription,
    ) -> rusqlite::Result<Result<Vec<BucketId>, StreamError>> {
        let refuse = |code, message: String| Ok(Err(StreamError::new(code, message)));
        let definition = streams.definitions().iter().find(|definition| definition.name == *name);
        let Some((definition, stream)) = definition.and_then(|definition| Some((definition, streams.get(&definition.table)?))) else {
            return refuse(StreamErrorCode::UnknownStream, format!("there is no stream {name}. Correct the name (case matters), or add a section [streams.{name}]"));
        };
        let opened = match definition.open(conn, principal, params) {
            Ok(opened) => opened,
            Err(OpeningError::Sqlite(error)) => return Err(error),
            Err(error @ OpeningError::TooManyBuckets { .. }) => return refuse(StreamErrorCode::TooManyBuckets, error.to_string()),
            Err(error) => return refuse(StreamErrorCode::BadParams, error.to_string()),
        };
        self.interest.extend(opened.depends.iter().map(|answer| answer.0.as_str().into()));
        if opened.buckets.iter().any(|bucket| bucket.0.len() > limits::MAX_BUCKET_BYTES) {
            let message = format!("a value that {name} compares with is too long: the name of a bucket may have {} bytes", limits::MAX_BUCKET_BYTES);
            return refuse(StreamErrorCode::BadParams, message);
        }
        let fresh: Vec<&Bucket> = opened.buckets.iter().filter(|bucket| !self.named.contains(&bucket.0)).collect();
        if self.named.len() + fresh.len() > limits::MAX_BUCKETS {
            let message = format!("with {name} there would be more than {} buckets. Subscribe to less, or let the stream name its rows by fewer values", limits::MAX_BUCKETS);
            return refuse(StreamErrorCode::TooManyBuckets, message);
        }
        for bucket in &opened.buckets {
            if self.named.insert(bucket.0.clone()) {
                self.interest.insert(bucket.0.as_str().into());
                self.buckets.push(Wanted { bucket: bucket.clone(), definition, stream });
            }
        }
        Ok(Ok(opened.buckets.into_iter().map(|bucket| BucketId(bucket.0)).collect()))
    }
}
