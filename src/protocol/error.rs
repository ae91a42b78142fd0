//! Why bytes are not a frame.
//!
//! Each variant says whose fault it is by its wire code. None carries more than a short excerpt of
//! what came, so that an error is never as large as the input that caused it.

use crate::{ErrorCode, ErrorFrame, limits};

const MAX_EXCERPT_BYTES: usize = 300;

/// Bytes that are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DecodeError {
    #[error("{size} bytes are more than the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("{what}: {found} are more than the limit of {limit}")]
    TooMany { what: &'static str, found: usize, limit: usize },
    #[error("maps and arrays are nested deeper than {max}", max = limits::MAX_FRAME_DEPTH)]
    TooDeep,
    #[error("there is no frame named {name:?}")]
    UnknownFrame { name: String },
    #[error("not a frame: {reason}")]
    Malformed { reason: String },
    #[error("{extra} bytes follow the frame")]
    TrailingBytes { extra: usize },
    #[error("transaction {sequence}: {reason}")]
    BadTransaction { sequence: u64, reason: &'static str },
    #[error("rows of table {table:?}: {reason}")]
    BadRows { table: String, reason: &'static str },
}

impl DecodeError {
    /// The code that a peer is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::TooLarge { .. } | Self::TooMany { .. } | Self::TooDeep => ErrorCode::TooLarge,
            _ => ErrorCode::BadFrame,
        }
    }

    pub(crate) fn malformed(reason: impl ToString) -> Self {
        Self::Malformed { reason: excerpt(reason.to_string()) }
    }

    pub(crate) fn unknown_frame(name: String) -> Self {
        Self::UnknownFrame { name: excerpt(name) }
    }
}

impl From<&DecodeError> for ErrorFrame {
    fn from(error: &DecodeError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn excerpt(mut text: String) -> String {
    if text.len() > MAX_EXCERPT_BYTES {
        let end = (0..=MAX_EXCERPT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
