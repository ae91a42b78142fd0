//! Tokens: signed by HS256 with the configured key, for the configured audience, within their time.
//!
//! The algorithm is the server's choice, never the token's. A token is never logged.

use crate::config::{AuthConfig, Secret};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use seaworthy_engine::{client::User, session::Identity};
use seaworthy_protocol::{ErrorCode, ErrorFrame};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
}

impl TokenError {
    /// What the client is told.
    pub fn to_frame(self) -> ErrorFrame {
        ErrorFrame::new(ErrorCode::Unauthorized, self.to_string())
    }
}

/// Checks tokens, and issues those of development.
pub struct Tokens {
    decoding: DecodingKey,
    encoding: EncodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: f64,
}

#[derive(Serialize)]
struct Issued<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    exp: u64,
}

impl Tokens {
    /// With the configured key, or with one that lasts as long as this process.
    pub fn new(config: &AuthConfig) -> Result<Self, getrandom::Error> {
        let mut fresh = [0; FRESH_KEY_BYTES];
        let key = match &config.secret {
            Some(Secret(secret)) => secret.as_bytes(),
            None => {
                getrandom::fill(&mut fresh)?;
                &fresh
            }
        };
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        Ok(Self {
            decoding: DecodingKey::from_secret(key),
            encoding: EncodingKey::from_secret(key),
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        })
    }

    /// Checks a token.
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            ErrorKind::ImmatureSignature => TokenError::NotYet,
            _ => TokenError::NotOurs,
        })?;
        let Claims { iss, sub, exp } = claims.claims;
        if sub.is_empty() {
            return Err(TokenError::NoSubject);
        }
        let left = exp + LEEWAY_S as f64 - since_epoch().as_secs_f64();
        // A cast from a float saturates; what no clock can hold is as good as for ever.
        let expires_in_ms = (left.max(0.0) * 1000.0) as u64;
        Ok(Identity { user: User { issuer: iss, subject: sub }, expires_in_ms })
    }

    /// Issues a token without asking anybody.
    pub fn issue(&self, subject: &str, lifetime: Duration) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = since_epoch().as_secs();
        let claims = Issued { iss: &self.issuer, aud: &self.audience, sub: subject, iat, exp: iat.saturating_add(lifetime.as_secs()) };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
