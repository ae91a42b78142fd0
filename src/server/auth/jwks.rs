//! A set of keys that somebody else publishes and changes: a file, or an address.
//!
//! It is fetched at the start, after a maximum age, and when a token names a key that is not in it, but
//! never twice within `refetch_after_ms`, whatever tokens come. A fetch is bounded in time and size. One
//! that fails is logged and leaves the keys as they were.

use super::key::Key;
use crate::config::{JwksConfig, JwksPlace};
use serde_json::Value;
use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep},
};

/// Largest set, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Most keys in a set.
const MAX_KEYS: usize = 64;

/// Why a set could not be had.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum JwksError {
    #[error("it cannot be read: {0}")]
    File(#[from] io::Error),
    #[error("it cannot be fetched: {}", crate::http::reason(.0))]
    Fetch(reqwest::Error),
    #[error("the answer was {0}, not 200. A redirect is not followed: name the address that it leads to")]
    Status(reqwest::StatusCode),
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("it has {found} keys; at most {MAX_KEYS} are taken")]
    TooManyKeys { found: usize },
    #[error("it is not a JWKS: a JSON object with a list `keys`")]
    NoSet,
}

impl From<reqwest::Error> for JwksError {
    fn from(error: reqwest::Error) -> Self {
        // An address may hold a secret.
        Self::Fetch(error.without_url())
    }
}

enum Source {
    File(PathBuf),
    Url { http: reqwest::Client, url: reqwest::Url },
}

/// What is known of the set.
#[derive(Clone)]
pub struct Known {
    /// The keys of the last fetch that went well.
    pub keys: Arc<[Key]>,
    /// Whether the last fetch went well.
    pub is_current: bool,
}

/// See the module.
pub struct Jwks {
    source: Source,
    /// The source as it may be logged.
    name: String,
    /// The shortest time between two fetches.
    refetch_after: Duration,
    max_age: Duration,
    known: watch::Sender<Known>,
    /// When the last fetch began. Held while one is under way.
    attempted: Mutex<Option<Instant>>,
}

impl Jwks {
    /// A set of which nothing is known yet.
    pub fn new(config: &JwksConfig, place: JwksPlace) -> Result<Arc<Self>, reqwest::Error> {
        let name = place.to_string();
        let source = match place {
            JwksPlace::File(path) => Source::File(path),
            JwksPlace::Url(url) => Source::Url { http: crate::http::client().timeout(Duration::from_millis(config.timeout_ms)).build()?, url },
        };
        Ok(Arc::new(Self {
            source,
            name,
            refetch_after: Duration::from_millis(config.refetch_after_ms),
            max_age: Duration::from_millis(config.max_age_ms),
            known: watch::Sender::new(Known { keys: Arc::new([]), is_current: false }),
            attempted: Mutex::new(None),
        }))
    }

    /// The source as it may be printed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When a fetch may go better, in milliseconds.
    pub fn retry_after_ms(&self) -> u64 {
        u64::try_from(self.refetch_after.as_millis()).unwrap_or(u64::MAX)
    }

    /// What is known now.
    pub fn known(&self) -> Known {
        self.known.borrow().clone()
    }

    /// Fetches, and goes on doing so for as long as somebody holds this. A file that is no good is an error
    /// now: whoever starts the server is to see it. An address may come back.
    pub async fn start(self: &Arc<Self>) -> Result<(), JwksError> {
        if matches!(&self.source, Source::Url { url, .. } if url.scheme() == "http") {
            tracing::warn!(jwks = self.name, "the keys come over HTTP: whoever sits in between can put in their own. Use https");
        }
        let first = self.fetch_if_due().await;
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            while let Some(pause) = this.upgrade().map(|jwks| jwks.pause()) {
                sleep(pause).await;
                let Some(jwks) = this.upgrade() else { break };
                // What failed is logged; the pause is short then.
                let _ = jwks.fetch_if_due().await;
            }
        });
        match self.source {
            Source::File(_) => first,
            Source::Url { .. } => Ok(()),
        }
    }

    /// Fetches unless that was tried just now, and waits for the end. A caller that goes away stops nothing.
    pub async fn refetch(self: &Arc<Self>) {
        let this = self.clone();
        // It neither panics nor is it aborted, and what failed is logged.
        let _ = tokio::spawn(async move { this.fetch_if_due().await }).await;
    }

    fn pause(&self) -> Duration {
        if self.known.borrow().is_current { self.max_age } else { self.refetch_after }
    }

    async fn fetch_if_due(&self) -> Result<(), JwksError> {
        let mut attempted = self.attempted.lock().await;
        if attempted.is_some_and(|at| at.elapsed() < self.refetch_after) {
            return Ok(());
        }
        *attempted = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                tracing::info!(jwks = self.name, keys = keys.len(), "the keys were fetched");
                self.known.send_replace(Known { keys: keys.into(), is_current: true });
                Ok(())
            }
            Err(error) => {
                tracing::warn!(jwks = self.name, %error, "the keys could not be fetched; the former ones stay");
                self.known.send_modify(|known| known.is_current = false);
                Err(error)
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, JwksError> {
        let bytes = match &self.source {
            Source::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || read(&path)).await.map_err(io::Error::other)??
            }
            Source::Url { http, url } => get(http, url).await?,
        };
        self.parse(&bytes)
    }

    /// The keys that can be used. A set may hold others, for others.
    fn parse(&self, bytes: &[u8]) -> Result<Vec<Key>, JwksError> {
        let set: Value = serde_json::from_slice(bytes).map_err(|_| JwksError::NoSet)?;
        let members = set.get("keys").and_then(Value::as_array).ok_or(JwksError::NoSet)?;
        if members.len() > MAX_KEYS {
            return Err(JwksError::TooManyKeys { found: members.len() });
        }
        let mut keys = Vec::new();
        for (nth, member) in members.iter().enumerate() {
            match Key::from_published(member) {
                Ok(key) => keys.push(key),
                Err(reason) => tracing::info!(jwks = self.name, nth, %reason, "a key of the set is left out"),
            }
        }
        if keys.is_empty() {
            tracing::warn!(jwks = self.name, "no key of the set can be used");
        }
        Ok(keys)
    }
}

async fn get(http: &reqwest::Client, url: &reqwest::Url) -> Result<Vec<u8>, JwksError> {
    let mut response = http.get(url.clone()).header("accept", "application/jwk-set+json, application/json").send().await?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(JwksError::Status(response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(JwksError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, JwksError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES { Err(JwksError::TooLarge) } else { Ok(bytes) }
}
