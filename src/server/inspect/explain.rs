//! `explain`: what a replica of a user would be told to hold, and how much that is.

use super::{counted, list};
use crate::{
    auth::{TokenError, Tokens},
    config::{Config, ExplainFlags, Secret},
    run::RunError,
    storage::{Definition, Inspection, OpeningError, Served, load_migrations},
};
use seaworthy_engine::{client::User, session::Principal};
use seaworthy_protocol::{StreamState, Subscription, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

/// Why nothing can be explained. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ExplainError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("--token is not good: {0}")]
    Token(TokenError),
    #[error("--claims: {0}. Write an object such as {{\"sub\": \"alice\", \"role\": \"admin\"}}")]
    Claims(serde_json::Error),
    #[error("--claims: `sub` must be a text that is not empty. Write an object such as {{\"sub\": \"alice\", \"role\": \"admin\"}}")]
    NoSubject,
    #[error("say who asks: --token TOKEN, or --claims JSON")]
    Nobody,
    #[error("the database lacks the migrations {}. Start the server, which runs them, and ask again", list(names))]
    Pending { names: Vec<String> },
    #[error("{message}")]
    Stream { message: String },
    #[error("the database failed: {0}")]
    Opening(#[from] OpeningError),
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What a user would get.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The `iss` of the user.
    pub issuer: String,
    /// The `sub` of the user.
    pub subject: String,
    /// What the user would be told of each stream.
    pub streams: Vec<Explained>,
    /// Rows, each counted once, in however many buckets it is.
    pub rows: u64,
    /// About how many bytes these take on the wire.
    pub bytes: u64,
}

/// One stream.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// Its name.
    pub stream: String,
    /// The table of its rows.
    pub table: String,
    /// What it was given.
    pub params: BTreeMap<String, Value>,
    /// Whether it comes without being asked for.
    pub auto: bool,
    /// The buckets that it opens.
    pub buckets: Vec<CountedBucket>,
    /// Why it opens none.
    pub error: Option<String>,
}

/// One bucket.
#[derive(Debug, Serialize)]
pub struct CountedBucket {
    /// Its name.
    pub bucket: String,
    /// How many rows it holds.
    pub rows: u64,
    /// About how many bytes these take on the wire.
    pub bytes: u64,
}

/// Says what a user would get of the stream that the flags name, or else of every automatic one.
pub async fn explain(config: &Config, flags: &ExplainFlags) -> Result<Explanation, ExplainError> {
    let principal = principal(config, flags).await?;
    let migrations = load_migrations(&config.migrations).map_err(RunError::from)?;
    let served = Served { tables: &config.tables, streams: &config.streams };
    let inspection = Inspection::open(&config.database, served, &migrations).map_err(RunError::from)?;
    if inspection.exists && !inspection.pending.is_empty() {
        return Err(ExplainError::Pending { names: inspection.pending });
    }
    let subscription = flags.stream.clone().map(|stream| Subscription { stream, params: flags.params.iter().cloned().collect() });
    let mut states = inspection.states(&principal, subscription.as_ref())?;
    if let Some(asked) = &subscription {
        states.retain(|state| state.stream == asked.stream && state.params == asked.params);
        if let Some(error) = states.iter_mut().find_map(|state| state.error.take()) {
            return Err(ExplainError::Stream { message: error.message });
        }
    }
    let User { issuer, subject } = principal.user;
    let mut count = Count { inspection: &inspection, seen: HashSet::new(), bytes: 0 };
    let streams = states.into_iter().filter_map(|state| count.stream(state).transpose()).collect::<rusqlite::Result<_>>()?;
    Ok(Explanation { issuer, subject, streams, rows: count.seen.len() as u64, bytes: count.bytes })
}

async fn principal(config: &Config, flags: &ExplainFlags) -> Result<Principal, ExplainError> {
    if let Some(Secret(token)) = &flags.token {
        let tokens = Tokens::new(&config.auth).map_err(RunError::from)?;
        tokens.start().await.map_err(RunError::from)?;
        return tokens.verify(token).await.map(|identity| identity.principal).map_err(ExplainError::Token);
    }
    let claims: Map<String, Json> = serde_json::from_str(flags.claims.as_ref().ok_or(ExplainError::Nobody)?).map_err(ExplainError::Claims)?;
    let text = |name: &str| claims.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let subject = text("sub").ok_or(ExplainError::NoSubject)?;
    let issuer = text("iss").unwrap_or_else(|| config.auth.issuer.clone());
    Ok(Principal { user: User { issuer, subject }, claims: Arc::new(claims) })
}

/// Counts rows, those that are in several buckets once.
struct Count<'a> {
    inspection: &'a Inspection,
    seen: HashSet<(String, Vec<Value>)>,
    bytes: u64,
}

impl Count<'_> {
    fn stream(&mut self, state: StreamState) -> rusqlite::Result<Option<Explained>> {
        let Some(definition) = self.inspection.definitions().iter().find(|definition| definition.name == state.stream) else { return Ok(None) };
        let buckets = state.buckets.into_iter().map(|bucket| self.bucket(definition, bucket.0)).collect::<rusqlite::Result<_>>()?;
        let error = state.error.map(|error| error.message);
        Ok(Some(Explained { stream: state.stream, table: definition.table.clone(), params: state.params, auto: definition.auto, buckets, error }))
    }

    fn bucket(&mut self, definition: &Definition, bucket: String) -> rusqlite::Result<CountedBucket> {
        let (mut rows, mut bytes) = (0, 0);
        self.inspection.rows(definition, &bucket, |key, row| {
            let size = row.iter().map(|value| value.wire_size() as u64).sum::<u64>();
            rows += 1;
            bytes += size;
            if self.seen.insert((definition.table.clone(), key)) {
                self.bytes += size;
            }
        })?;
        Ok(CountedBucket { bucket, rows, bytes })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "user {} of {}", self.subject, self.issuer)?;
        for stream in &self.streams {
            write!(f, "{stream}")?;
        }
        write!(f, "In all {}, about {}.", counted(self.rows, "row"), counted(self.bytes, "byte"))
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, table, buckets, .. } = self;
        let how = if self.auto { "automatic" } else { "on subscription" };
        writeln!(f, "stream {stream}: {} of {table}, {how}", counted(buckets.len() as u64, "bucket"))?;
        for CountedBucket { bucket, rows, bytes } in buckets {
            writeln!(f, "  {bucket}: {}, about {}", counted(*rows, "row"), counted(*bytes, "byte"))?;
        }
        self.error.as_ref().map_or(Ok(()), |error| writeln!(f, "  error: {error}"))
    }
}
