//! The store's one error type. Every variant says whose fault it is; `code` is stable and public.

use rusqlite::ffi;
use serde_json::{Value as Json, json};

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A local statement broke a constraint. Nothing was changed.
    #[error("{message}. Nothing was changed")]
    ConstraintViolation {
        /// `unique`, `primary_key`, `foreign_key`, `not_null`, `check` or `other`.
        kind: &'static str,
        /// SQLite's words, which name the columns.
        message: String,
    },
    /// The statement is not SQL that this database understands.
    #[error("{message}")]
    BadSql {
        /// SQLite's words.
        message: String,
        /// The byte in the statement where SQLite stopped, if it said so.
        offset: Option<i32>,
    },
    /// The statement may not run here.
    #[error("{what}")]
    NotAllowed {
        /// What, and what to do instead.
        what: String,
    },
    /// A statement with the wrong number of parameters.
    #[error("the statement has {expected} parameters, {given} were given: {sql}")]
    ParameterCount {
        /// How many the statement has.
        expected: usize,
        /// How many were bound.
        given: usize,
        /// The statement.
        sql: String,
    },
    /// A synced table whose primary key cannot be used.
    #[error("table {table:?} cannot be synchronised: {reason}")]
    UnusableKey {
        /// The table.
        table: String,
        /// What is wrong, and what to change.
        reason: String,
    },
    /// The declared schema and the database disagree.
    #[error("the schema does not match the database: {}. Declare the table as it is, or give it a new name", differences.join("; "))]
    SchemaMismatch {
        /// One sentence per difference.
        differences: Vec<String>,
    },
    /// The schema itself is not usable.
    #[error("the schema is not usable: {reason}")]
    BadSchema {
        /// What is wrong.
        reason: String,
    },
    /// The database was written by a newer release.
    #[error("this database has storage format {found}, this release reads up to {supported}: reload the application to get the newer release")]
    NewerFormat {
        /// What the file says.
        found: u32,
        /// What this build knows.
        supported: u32,
    },
    /// The device has no room. Nothing was changed.
    #[error("the storage is full: free some space and try again. Nothing was changed")]
    QuotaExceeded,
    /// Reading or writing the file failed.
    #[error("the database file cannot be used: {message}")]
    StorageUnavailable {
        /// SQLite's words.
        message: String,
    },
    /// The file is not a database, or is damaged.
    #[error("the database file is damaged: {message}")]
    Corrupt {
        /// What was found.
        message: String,
    },
    /// A file that cannot be imported. Nothing was changed.
    #[error("the file cannot be imported: {reason}. Nothing was changed")]
    BadFile {
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A text that is not UTF-8 in a synced row.
    #[error("a text in this transaction is not valid UTF-8 and cannot be synchronised: store it as a blob. Nothing was changed")]
    InvalidText,
    /// A transaction that no server would take.
    #[error("the transaction changes too many {what}, the limit is {limit}: split it. Nothing was changed")]
    TransactionTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The bytes of a call cannot be read.
    #[error("the call cannot be read: {reason}")]
    BadCall {
        /// What is wrong.
        reason: &'static str,
    },
    /// The operation needs, or forbids, an open transaction.
    #[error("{what}")]
    TransactionState {
        /// What was expected.
        what: &'static str,
    },
    /// The open transaction was rolled back by SQLite itself.
    #[error("the transaction was rolled back by a statement in it ({cause}): run it again")]
    RolledBack {
        /// SQLite's words.
        cause: String,
    },
    /// No rejected write has this id.
    #[error("no rejected write has the id {id}: it was retried or discarded already")]
    UnknownWrite {
        /// As asked.
        id: String,
    },
    /// A subscription that no frame may carry.
    #[error("the stream cannot be subscribed to: {reason}")]
    BadSubscription {
        /// Why, and what to do.
        reason: String,
    },
    /// A rejected write cannot be made again as it was.
    #[error("the write cannot be made again: {reason}. Make a new write, then discard this one")]
    CannotRetry {
        /// Why.
        reason: String,
    },
    /// A resolver decided over rows that are not like that any more.
    #[error("write {id} meets other rows than those that were decided over: decide anew")]
    ConflictMoved {
        /// The write.
        id: String,
    },
    /// Anything else that SQLite reports.
    #[error("SQLite: {message}")]
    Sqlite {
        /// The extended result code.
        code: i32,
        /// SQLite's words.
        message: String,
    },
}

impl StoreError {
    /// The stable name that the application sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ConstraintViolation { .. } => "ConstraintViolation",
            Self::BadSql { .. } | Self::ParameterCount { .. } => "BadSql",
            Self::NotAllowed { .. } | Self::TransactionState { .. } => "NotAllowed",
            Self::UnusableKey { .. } | Self::SchemaMismatch { .. } | Self::BadSchema { .. } | Self::NewerFormat { .. } => "SchemaMismatch",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::StorageUnavailable { .. } | Self::Corrupt { .. } => "StorageUnavailable",
            Self::BadFile { .. } => "BadFile",
            Self::InvalidText | Self::TransactionTooLarge { .. } | Self::BadSubscription { .. } => "BadValue",
            Self::RolledBack { .. } => "TransactionRolledBack",
            Self::UnknownWrite { .. } => "UnknownWrite",
            Self::CannotRetry { .. } => "CannotRetry",
            Self::ConflictMoved { .. } => "ConflictMoved",
            Self::BadCall { .. } | Self::Sqlite { .. } => "Internal",
        }
    }

    /// Whether the same call may succeed later.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::QuotaExceeded | Self::StorageUnavailable { .. } | Self::ConflictMoved { .. })
    }

    /// The typed fields, for the application.
    pub fn details(&self) -> Json {
        match self {
            Self::ConstraintViolation { kind, .. } => json!({ "kind": kind }),
            Self::BadSql { offset, .. } => json!({ "offset": offset }),
            Self::UnusableKey { table, .. } => json!({ "table": table }),
            Self::SchemaMismatch { differences } => json!({ "differences": differences }),
            Self::NewerFormat { found, supported } => json!({ "found": found, "supported": supported, "action": "reload" }),
            Self::TransactionTooLarge { what, limit } => json!({ "what": what, "limit": limit }),
            Self::Sqlite { code, .. } => json!({ "sqlite": code }),
            _ => Json::Null,
        }
    }

    /// The same where SQLite speaks of a file that is to be imported: it is none of its own, or not the one that it says it is.
    pub fn of_file(self) -> Self {
        match self {
            Self::Corrupt { message } | Self::BadSql { message, .. } => Self::BadFile { reason: format!("it is no whole database of SQLite ({message})") },
            other => other,
        }
    }

    /// Whether a UNIQUE or primary-key constraint was broken: another order of the same rows may succeed.
    pub(crate) fn is_unique_violation(error: &rusqlite::Error) -> bool {
        matches!(
            error.sqlite_error().map(|e| e.extended_code),
            Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID)
        )
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if let rusqlite::Error::SqlInputError { msg, offset, .. } = error {
            return Self::BadSql { message: msg, offset: Some(offset) };
        }
        let message = match &error {
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            other => other.to_string(),
        };
        let Some(code) = error.sqlite_error().map(|e| e.extended_code) else {
            return Self::Sqlite { code: 0, message };
        };
        match code & 0xff {
            ffi::SQLITE_CONSTRAINT => Self::ConstraintViolation { kind: constraint_kind(code), message },
            ffi::SQLITE_FULL => Self::QuotaExceeded,
            ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_BUSY => Self::StorageUnavailable { message },
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => Self::Corrupt { message },
            ffi::SQLITE_ERROR => Self::BadSql { message, offset: None },
            _ => Self::Sqlite { code, message },
        }
    }
}

fn constraint_kind(extended: i32) -> &'static str {
    match extended {
        ffi::SQLITE_CONSTRAINT_UNIQUE => "unique",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => "primary_key",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "foreign_key",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "not_null",
        ffi::SQLITE_CONSTRAINT_CHECK => "check",
        _ => "other",
    }
}
