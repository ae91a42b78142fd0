//! `[handlers.<name>]` and `[webhooks.<name>]`: addresses of the application's backend, and the secrets that sign requests to them.
//!
//! They come from the operator alone. No client ever names an address.

use super::{ConfigError, Secret};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use figment::value::magic::RelativePathBuf;
use reqwest::Url;
use serde::Deserialize;
use std::{collections::BTreeSet, fmt, time::Duration};

/// Shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 24;

/// A write handler of the backend.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandlerConfig {
    /// Where it is.
    pub url: Secret,
    /// What signs the requests.
    pub secret: Option<Secret>,
    /// A file with the secret.
    pub secret_file: Option<RelativePathBuf>,
    /// How long one attempt may take, in milliseconds.
    #[serde(default = "default_handler_timeout_ms")]
    pub timeout_ms: u64,
    /// How often it is asked at most about one transaction, before the client is told to try again later.
    #[serde(default = "default_attempts")]
    pub attempts: u64,
}

/// An address that is told of every accepted transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// Where it is.
    pub url: Secret,
    /// What signs the requests.
    pub secret: Option<Secret>,
    /// A file with the secret.
    pub secret_file: Option<RelativePathBuf>,
    /// How long one attempt may take, in milliseconds.
    #[serde(default = "default_webhook_timeout_ms")]
    pub timeout_ms: u64,
    /// The tables that it is told of; all, if it is left out.
    pub tables: Option<BTreeSet<String>>,
}

/// An address with all that is needed to post to it. The address may hold a secret of its own, so it is not printed.
#[derive(Clone)]
pub struct EndpointConfig {
    /// Where it is.
    pub url: Url,
    /// What signs the requests.
    pub key: SigningKey,
    /// How long a request may take.
    pub timeout: Duration,
}

/// The bytes of a secret. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(pub Vec<u8>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl SigningKey {
    /// `whsec_` and base64, or any text for its bytes; at least 24 of them.
    pub fn parse(text: &str) -> Option<Self> {
        let key = match text.trim().strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => text.trim().as_bytes().to_vec(),
        };
        (key.len() >= MIN_SECRET_BYTES).then_some(Self(key))
    }
}

impl HandlerConfig {
    /// Its address, secret and time.
    ///
    /// # Errors
    /// When one of them is missing, cannot be read, or is out of bounds.
    pub fn endpoint(&self, name: &str) -> Result<EndpointConfig, ConfigError> {
        let section = format!("handlers.{name}");
        check_bound(&section, "attempts", self.attempts, 1, 10)?;
        check_bound(&section, "timeout_ms", self.timeout_ms, 100, 20_000)?;
        endpoint(section, &self.url, self.secret.as_ref(), self.secret_file.as_ref(), self.timeout_ms)
    }
}

impl WebhookConfig {
    /// Its address, secret and time.
    ///
    /// # Errors
    /// When one of them is missing, cannot be read, or is out of bounds.
    pub fn endpoint(&self, name: &str) -> Result<EndpointConfig, ConfigError> {
        let section = format!("webhooks.{name}");
        check_bound(&section, "timeout_ms", self.timeout_ms, 100, 60_000)?;
        endpoint(section, &self.url, self.secret.as_ref(), self.secret_file.as_ref(), self.timeout_ms)
    }
}

/// An address that can be asked over HTTP: it has a host, and neither a user nor a password.
pub(super) fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "https" | "http") && url.has_host() && plain).then_some(url)
}

fn endpoint(
    section: String,
    Secret(url): &Secret,
    secret: Option<&Secret>,
    file: Option<&RelativePathBuf>,
    timeout_ms: u64,
) -> Result<EndpointConfig, ConfigError> {
    let Some(url) = web_address(url) else { return Err(ConfigError::EndpointUrl { section }) };
    let text = match (secret, file.map(RelativePathBuf::relative)) {
        (Some(Secret(secret)), None) => secret.clone(),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigError::EndpointFile { section, path, source }),
        },
        _ => return Err(ConfigError::EndpointSecret { section }),
    };
    let Some(key) = SigningKey::parse(&text) else { return Err(ConfigError::EndpointKey { section, least: MIN_SECRET_BYTES }) };
    Ok(EndpointConfig { url, key, timeout: Duration::from_millis(timeout_ms) })
}

fn check_bound(section: &str, name: &'static str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(ConfigError::EndpointBound { section: section.to_owned(), name, least, most }) }
}

fn default_handler_timeout_ms() -> u64 {
    5_000
}

fn default_attempts() -> u64 {
    3
}

fn default_webhook_timeout_ms() -> u64 {
    10_000
}
