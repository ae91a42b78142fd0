//! Tokens for development: anybody may be anybody. Exists only when the server was started with `--dev`.

use crate::App;
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// How long a token holds unless the request says otherwise, in milliseconds.
const LIFETIME_MS: u64 = 3_600_000;
/// How long a token may hold, in milliseconds.
const MAX_LIFETIME_MS: u64 = 30 * 24 * 3_600_000;
/// Longest name of a user, in bytes.
const MAX_USER_BYTES: usize = 200;

/// What is asked for.
#[derive(Deserialize)]
pub struct Request {
    user: String,
    expires_in_ms: Option<u64>,
    /// Further claims, for the rules.
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
}

/// What is answered.
#[derive(Serialize)]
struct Answer {
    token: String,
    user: String,
    expires_in_ms: u64,
}

/// `POST /dev/token`
pub async fn token(State(app): State<Arc<App>>, Json(request): Json<Request>) -> axum::response::Response {
    if request.user.is_empty() || request.user.len() > MAX_USER_BYTES {
        return (StatusCode::BAD_REQUEST, format!("`user` must have 1 to {MAX_USER_BYTES} bytes\n")).into_response();
    }
    // Whole seconds, as tokens hold them.
    let expires_in_ms = request.expires_in_ms.unwrap_or(LIFETIME_MS).clamp(1000, MAX_LIFETIME_MS) / 1000 * 1000;
    match app.tokens.issue_with(&request.user, Duration::from_millis(expires_in_ms), request.claims) {
        Ok(token) => Json(Answer { token, user: request.user, expires_in_ms }).into_response(),
        Err(error) => {
            tracing::error!(%error, "a token could not be signed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
