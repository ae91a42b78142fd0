//! An address of the application's backend, to which the server posts signed JSON.
//!
//! Requests follow the [Standard Webhooks](https://www.standardwebhooks.com) specification: `webhook-id`,
//! `webhook-timestamp` and `webhook-signature`, an HMAC-SHA256 over all three parts. An answer is bounded in
//! time and size, and redirects are not followed. Neither the secret nor the whole address is ever logged.

use crate::{
    config::{EndpointConfig, SigningKey},
    http,
};
use axum::body::Bytes;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use reqwest::{StatusCode, Url, header::CONTENT_TYPE};
use sha2::Sha256;
use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PostError {
    #[error("it cannot be reached: {}", http::reason(.0))]
    Unreachable(reqwest::Error),
    #[error("it answered {0}, not 200. A redirect is not followed: name the address that it leads to")]
    Status(StatusCode),
    #[error("it answered more than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
}

impl From<reqwest::Error> for PostError {
    fn from(error: reqwest::Error) -> Self {
        // An address may hold a secret.
        Self::Unreachable(error.without_url())
    }
}

impl PostError {
    /// Whether the same request may go better soon.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Status(status) => status.is_server_error() || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT),
            Self::TooLarge => false,
        }
    }
}

/// See the module. Printed without what may be secret.
#[derive(Clone)]
pub struct Endpoint {
    http: reqwest::Client,
    url: Url,
    key: SigningKey,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }
}

impl Endpoint {
    /// Reaches nobody yet.
    ///
    /// # Errors
    /// When HTTPS cannot be set up.
    pub fn new(config: EndpointConfig) -> Result<Self, reqwest::Error> {
        let EndpointConfig { url, key, timeout } = config;
        Ok(Self { http: http::client().timeout(timeout).build()?, url, key })
    }

    /// Posts a body under an id, which is the same however often it is sent. Answers the body of a success.
    pub async fn post(&self, id: &str, body: Bytes) -> Result<Vec<u8>, PostError> {
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature(&self.key, id, timestamp, &body));
        let mut response = request.body(body).send().await?;
        if !response.status().is_success() {
            return Err(PostError::Status(response.status()));
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(PostError::TooLarge);
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

/// The value of `webhook-signature`.
fn signature(SigningKey(key): &SigningKey, id: &str, timestamp: u64, body: &[u8]) -> String {
    // HMAC takes keys of every length; the error is that of other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the specification's reference implementations.
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
