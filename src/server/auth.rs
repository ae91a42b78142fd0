//! Tokens: signed by a key of this server's configuration, for its audience, within their time.
//!
//! Each key is bound to one algorithm; what a token says of its own only chooses among the keys. Nothing
//! that a token brings along (keys, addresses) is used. A token is never logged.

mod jwks;
mod key;

pub use jwks::JwksError;
pub use key::{KeyError, MIN_SECRET_BYTES};

use crate::config::{AuthConfig, KeyConfig, Secret};
use jsonwebtoken::{Algorithm, EncodingKey, Header, Validation, errors::ErrorKind};
use jwks::Jwks;
use key::Key;
use seaworthy_engine::{
    client::User,
    session::{Identity, Principal},
};
use seaworthy_protocol::{ErrorCode, ErrorFrame};
use serde::Serialize;
use serde_json::{Map, Value};
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// By how much clocks may differ, in seconds.
const LEEWAY_S: u64 = 5;

/// Bytes of a key that is made up for development.
const FRESH_KEY_BYTES: usize = 32;

/// Why a token is not good. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum TokenError {
    #[error("The token has expired. Get a new one.")]
    Expired,
    #[error("The token is not valid yet. Check the clock of whoever issued it.")]
    NotYet,
    #[error("The token is not one of this server's: check its issuer, audience, algorithm and key.")]
    NotOurs,
    #[error("The token's `sub` must be a text that is not empty.")]
    NoSubject,
    #[error("The key of the token cannot be fetched at the moment. Try again later.")]
    KeysUnavailable { retry_after_ms: u64 },
}

impl TokenError {
    /// What the client is told. Where nobody can say whether a token is good, it is not called bad.
    pub fn to_frame(self) -> ErrorFrame {
        match self {
            Self::KeysUnavailable { retry_after_ms } => {
                ErrorFrame { retry_after_ms: Some(retry_after_ms), ..ErrorFrame::new(ErrorCode::Unavailable, self.to_string()) }
            }
            _ => ErrorFrame::new(ErrorCode::Unauthorized, self.to_string()),
        }
    }
}

/// Why tokens cannot be checked with this configuration.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum AuthError {
    #[error("the system has no randomness to give: {0}")]
    Randomness(getrandom::Error),
    #[error("auth.keys: entry {nth} (counted from 0): {source}")]
    Key { nth: usize, source: KeyError },
    #[error("auth.keys: entry {nth} (counted from 0): {} cannot be read: {source}. Correct the path or its permissions", path.display())]
    KeyFile { nth: usize, path: PathBuf, source: io::Error },
    #[error("auth.jwks: {name}: {source}. Correct it, or set the right one")]
    Jwks { name: String, source: JwksError },
    #[error("auth.jwks: HTTPS cannot be set up: {0}. Install the certificates of the system (often the package ca-certificates)")]
    Http(reqwest::Error),
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
}

/// Checks tokens, and issues those of development.
pub struct Tokens {
    keys: Vec<Key>,
    jwks: Option<Arc<Jwks>>,
    encoding: EncodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
}

#[derive(Serialize)]
struct Issued<'a> {
    #[serde(flatten)]
    others: Map<String, Value>,
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    exp: u64,
}

impl Tokens {
    /// With the configured keys. Without a secret those that it issues last as long as this process.
    /// Keys that are published elsewhere are not fetched before [`Tokens::start`].
    pub fn new(config: &AuthConfig) -> Result<Self, AuthError> {
        let mut fresh = [0; FRESH_KEY_BYTES];
        let secret = match &config.secret {
            Some(Secret(secret)) => secret.as_bytes(),
            None => {
                getrandom::fill(&mut fresh).map_err(AuthError::Randomness)?;
                &fresh
            }
        };
        let mut keys = vec![Key::secret(secret)];
        for (nth, key) in config.keys.iter().enumerate() {
            keys.push(configured(nth, key)?);
        }
        let jwks = match &config.jwks {
            Some(jwks) => Some(Jwks::new(jwks, jwks.place()?).map_err(AuthError::Http)?),
            None => None,
        };
        let audience = config.audience.0.first().cloned().unwrap_or_default();
        Ok(Self { keys, jwks, encoding: EncodingKey::from_secret(secret), validation: validation(config), issuer: config.issuer.clone(), audience })
    }

    /// Fetches the keys that are published elsewhere, and keeps them fresh for as long as this lives. An
    /// address that does not answer now is tried again; a file that is no good is an error.
    pub async fn start(&self) -> Result<(), AuthError> {
        match &self.jwks {
            Some(jwks) => jwks.start().await.map_err(|source| AuthError::Jwks { name: jwks.name().to_owned(), source }),
            None => Ok(()),
        }
    }

    /// Checks a token. Where it names a key that is not known, the published ones are fetched first.
    pub async fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::NotOurs)?;
        // None of the extensions that a token may demand is understood here (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(TokenError::NotOurs);
        }
        if let Some(answer) = self.check(token, &header) {
            return answer;
        }
        // A secret is never published.
        let Some(jwks) = self.jwks.as_ref().filter(|_| header.alg != Algorithm::HS256) else { return Err(TokenError::NotOurs) };
        jwks.refetch().await;
        match self.check(token, &header) {
            Some(answer) => answer,
            None if jwks.known().is_current => Err(TokenError::NotOurs),
            None => Err(TokenError::KeysUnavailable { retry_after_ms: jwks.retry_after_ms() }),
        }
    }

    /// Checks with the keys that are known, or none if another one may fit.
    fn check(&self, token: &str, header: &Header) -> Option<Result<Identity, TokenError>> {
        let published = self.jwks.as_ref().map(|jwks| jwks.known().keys);
        let all = || self.keys.iter().chain(published.iter().flat_map(|keys| keys.iter()));
        let named = |key: &Key| key.kid.is_some() && key.kid == header.kid;
        let fits = |key: &&Key| key.algorithm == header.alg && (named(key) || key.kid.is_none() || header.kid.is_none());
        let good = all().filter(fits).find_map(|key| self.check_with(key, token));
        good.or_else(|| all().any(named).then_some(Err(TokenError::NotOurs)))
    }

    /// Checks with one key, or none if it did not sign this token.
    fn check_with(&self, key: &Key, token: &str) -> Option<Result<Identity, TokenError>> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![key.algorithm];
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation) {
            Ok(data) => Some(identity(data.claims)),
            Err(error) => match error.kind() {
                ErrorKind::InvalidSignature => None,
                ErrorKind::ExpiredSignature => Some(Err(TokenError::Expired)),
                ErrorKind::ImmatureSignature => Some(Err(TokenError::NotYet)),
                ErrorKind::MissingRequiredClaim(claim) if claim == "sub" => Some(Err(TokenError::NoSubject)),
                _ => Some(Err(TokenError::NotOurs)),
            },
        }
    }

    /// Issues a token without asking anybody.
    pub fn issue(&self, subject: &str, lifetime: Duration) -> Result<String, jsonwebtoken::errors::Error> {
        self.issue_with(subject, lifetime, Map::new())
    }

    /// The same, with further claims. Those that a token always has cannot be set.
    pub fn issue_with(&self, subject: &str, lifetime: Duration, mut others: Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        for own in ["iss", "aud", "sub", "iat", "exp"] {
            others.remove(own);
        }
        let iat = since_epoch().as_secs();
        let claims = Issued { others, iss: &self.issuer, aud: &self.audience, sub: subject, iat, exp: iat.saturating_add(lifetime.as_secs()) };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }
}

fn configured(nth: usize, config: &KeyConfig) -> Result<Key, AuthError> {
    let text = match (&config.key, &config.file) {
        (Some(Secret(text)), _) => text.clone(),
        (None, Some(file)) => {
            let path = file.relative();
            std::fs::read_to_string(&path).map_err(|source| AuthError::KeyFile { nth, path, source })?
        }
        (None, None) => return Err(AuthError::Config(crate::config::ConfigError::KeySource { nth })),
    };
    let mut key = Key::read(&text).map_err(|source| AuthError::Key { nth, source })?;
    key.kid = config.kid.clone().or(key.kid);
    Ok(key)
}

/// What is asked of every token, but for the algorithm.
fn validation(config: &AuthConfig) -> Validation {
    let mut validation = Validation::default();
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&config.audience.0);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_S;
    validation
}

fn identity(claims: Map<String, Value>) -> Result<Identity, TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let (Some(issuer), Some(exp)) = (text("iss"), claims.get("exp").and_then(Value::as_f64)) else { return Err(TokenError::NotOurs) };
    let subject = text("sub").filter(|subject| !subject.is_empty()).ok_or(TokenError::NoSubject)?;
    let left = exp + LEEWAY_S as f64 - since_epoch().as_secs_f64();
    // A cast from a float saturates; what no clock can hold is as good as for ever.
    let expires_in_ms = (left.max(0.0) * 1000.0) as u64;
    Ok(Identity { principal: Principal { user: User { issuer, subject }, claims: Arc::new(claims) }, expires_in_ms })
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
