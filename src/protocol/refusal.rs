//! What the server says when it cannot go on.
//!
//! Each code says whose fault it is and whether to try again. An error ends a connection or an answer;
//! it never decides a transaction, so nothing that waits is dropped because of one.

use serde::{Deserialize, Serialize};

/// What went wrong. On a WebSocket the server closes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorFrame {
    /// An [`ErrorCode`], or one that this build does not know.
    pub code: String,
    /// For people: what to do.
    pub message: String,
    /// When to try again, in milliseconds; absent when trying again is no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub retry_after_ms: Option<u64>,
}

/// Stable codes of an [`ErrorFrame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The token is missing, wrong or expired.
    Unauthorized,
    /// The replica belongs to another user.
    WrongUser,
    /// The client speaks a version that the server does not.
    UpgradeRequired,
    /// The bytes are not a frame, or not one that may come now.
    BadFrame,
    /// A limit was passed.
    TooLarge,
    /// The client is too fast.
    RateLimited,
    /// The server is stopping or its storage failed: try again.
    Unavailable,
}

impl ErrorCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::WrongUser => "wrong_user",
            Self::UpgradeRequired => "upgrade_required",
            Self::BadFrame => "bad_frame",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
        }
    }
}

impl ErrorFrame {
    /// An error of a known code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retry_after_ms = matches!(code, ErrorCode::RateLimited | ErrorCode::Unavailable).then_some(1000);
        Self { code: code.as_str().to_owned(), message: message.into(), retry_after_ms }
    }
}
