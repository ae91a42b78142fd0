//! A write handler behind HTTP, for backends in any language.
//!
//! Each question is one signed POST with the transaction's id. What fails by chance is asked again a few times,
//! with growing pauses; what makes no sense is not.

use super::{HandlerError, ProposedWrite, Verdict, WriteHandler};
use crate::endpoint::{Endpoint, PostError};
use axum::body::Bytes;
use backon::{ExponentialBuilder, Retryable};
use futures_util::future::BoxFuture;
use serde::Serialize;
use std::time::Duration;

/// Pauses between two attempts begin with this, and double,
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// up to this. Jitter adds up to as much.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why a handler behind HTTP said nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum WebhookError {
    #[error("{endpoint}: {source}")]
    Post { endpoint: String, source: PostError },
    #[error("{endpoint}: the answer is no decision: {source}. Answer {{\"decision\": \"accept\"}}, \"reject\" with a message, or \"rewrite\" with rows")]
    NoDecision { endpoint: String, source: serde_json::Error },
    #[error("the question cannot be written: {0}")]
    Question(serde_json::Error),
}

/// Asks an address of the application's backend.
pub struct WebhookHandler {
    endpoint: Endpoint,
    /// How often one question is asked at most.
    attempts: usize,
}

#[derive(Serialize)]
struct Question<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    write: &'a ProposedWrite,
}

impl WebhookHandler {
    /// Asks `endpoint`, at most `attempts` times about one transaction.
    pub fn new(endpoint: Endpoint, attempts: usize) -> Self {
        Self { endpoint, attempts }
    }

    async fn ask(&self, write: &ProposedWrite) -> Result<Verdict, WebhookError> {
        let question = Question { r#type: "write.proposed", write };
        let body = Bytes::from(serde_json::to_vec(&question).map_err(WebhookError::Question)?);
        let id = write.transaction.to_string();
        let pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter();
        let answer = (|| self.endpoint.post(&id, body.clone()))
            .retry(pauses)
            .when(PostError::is_transient)
            .notify(|error, pause| tracing::debug!(endpoint = %self.endpoint, %error, ?pause, "a write handler is asked again"))
            .await
            .map_err(|source| WebhookError::Post { endpoint: self.endpoint.to_string(), source })?;
        serde_json::from_slice(&answer).map_err(|source| WebhookError::NoDecision { endpoint: self.endpoint.to_string(), source })
    }
}

impl WriteHandler for WebhookHandler {
    fn judge<'a>(&'a self, write: &'a ProposedWrite) -> BoxFuture<'a, Result<Verdict, HandlerError>> {
        Box::pin(async move { Ok(self.ask(write).await?) })
    }
}
