//! Why a stream cannot be declared, and why it cannot be opened.

use crate::storage::text::Fault;

/// What is wrong with the declaration of a stream. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StreamError {
    #[error("[streams.{stream}] query, {fault}\nSTREAMS.md says what a query may be")]
    Query { stream: String, fault: Fault },
    #[error(
        "[streams.{stream}]: the query asks nothing about the user (auth.user_id(), auth.claim('name')), so that everybody gets its rows. If that is meant, say public = true"
    )]
    Public { stream: String },
    #[error("[streams.{stream}]: public = true means that everybody gets the same rows, but the query asks about the user. Leave it out")]
    NotPublic { stream: String },
    #[error("[streams.{stream}]: `owner` or `open` of [tables.{stream}] makes a stream of this name. Leave it out, or give this one another name")]
    SameName { stream: String },
    #[error("[streams.{stream}]: auto = true gives it to every user without asking, so that nobody says what params.{param} is. Leave one of the two out")]
    AutoParam { stream: String, param: String },
    #[error("[streams.{stream}].priority must lie between 0 and {most}")]
    Priority { stream: String, most: u8 },
}

/// Why a subscription cannot be opened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum OpeningError {
    #[error("the stream {stream} has no parameter {param}. Leave it out, or correct the name (case matters)")]
    UnknownParam { stream: String, param: String },
    #[error("the stream {stream} needs the parameter {param}. Give it a value")]
    MissingParam { stream: String, param: String },
    #[error("the stream {stream} opens more than {most} buckets. Ask for fewer with a parameter")]
    TooManyBuckets { stream: String, most: usize },
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}
