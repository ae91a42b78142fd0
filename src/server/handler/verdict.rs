//! What a write handler says, and whether it makes sense.
//!
//! A verdict that does not is an error of the handler. It must not become a rejection, which the client
//! would take for a decision, and nothing of it is applied.

use super::ProposedWrite;
use crate::storage::{Refusal, Ruling};
use seaworthy_protocol::{Image, Op, RejectCode, Value, limits};
use serde::Deserialize;

/// Most bytes of the values that the handlers of one transaction may set: they are part of the client's answer.
pub(super) const MAX_REWRITTEN_BYTES: usize = 1024 * 1024;
/// Longest code of a rejection, in bytes.
const MAX_CODE_BYTES: usize = 64;
/// Longest message of a rejection, in bytes.
const MAX_MESSAGE_BYTES: usize = 4096;

/// What a handler says about a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Verdict {
    /// It may go on, to rules and constraints.
    Accept,
    /// It is rejected for good; the client undoes it and keeps it with the reason.
    Reject {
        /// A code for programs: lower-case letters, digits and underscores, and none of [`RejectCode`]. `refused` without one.
        #[serde(default)]
        code: Option<String>,
        /// For the user: what to do.
        message: String,
    },
    /// It may go on with other values.
    Rewrite {
        /// The cells to set.
        rows: Vec<RewrittenCells>,
    },
}

/// Cells to set in a row that the transaction inserts or updates.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RewrittenCells {
    /// The table, one of those that the handler is registered for.
    pub table: String,
    /// The primary key, as in [`super::ProposedChange::key`].
    pub key: Image,
    /// The cells. Those that the transaction sets otherwise keep what it says; a key cannot be changed.
    pub new: Image,
}

/// Why a verdict makes no sense. Each message says what to change in the handler. Holds names, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Nonsense {
    #[error("the rejection's code {code:?} is not made of at most {MAX_CODE_BYTES} lower-case letters, digits and underscores")]
    Code { code: String },
    #[error("the rejection's code {code:?} is one of the server's own. Choose another, or give none")]
    OwnCode { code: String },
    #[error("the rejection's message must have 1 to {MAX_MESSAGE_BYTES} bytes")]
    Message,
    #[error("it rewrites a row of {table}, for which it is not registered")]
    ForeignTable { table: String },
    #[error("it rewrites a row of {table} that the transaction does not insert or update")]
    ForeignRow { table: String },
    #[error("it rewrites a row of {table} twice. Name it once")]
    SameRow { table: String },
    #[error("it sets {table}.{column}, which is part of the key. A key cannot be rewritten")]
    Key { table: String, column: String },
    #[error("it sets {table}.{column}, and there is no such column that replicates")]
    Column { table: String, column: String },
    #[error("it sets values of more than {MAX_REWRITTEN_BYTES} bytes")]
    TooLarge,
}

impl Verdict {
    /// Adds it to what the handlers before it said. `is_theirs` tells the tables that this handler is registered for.
    pub(super) fn rule(self, write: &ProposedWrite, is_theirs: impl Fn(&str) -> bool, ruling: &mut Ruling) -> Result<(), Nonsense> {
        match self {
            Self::Accept => Ok(()),
            Self::Reject { code, message } => {
                ruling.refusal = Some(refusal(code, message)?);
                Ok(())
            }
            Self::Rewrite { rows } => rows.into_iter().try_for_each(|row| rewrite(row, write, &is_theirs, ruling)),
        }
    }
}

fn refusal(code: Option<String>, message: String) -> Result<Refusal, Nonsense> {
    if message.is_empty() || message.len() > MAX_MESSAGE_BYTES {
        return Err(Nonsense::Message);
    }
    let refused = RejectCode::Refused.as_str();
    let code = code.unwrap_or_else(|| refused.to_owned());
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if code.is_empty() || code.len() > MAX_CODE_BYTES || !code.bytes().all(is_plain) {
        return Err(Nonsense::Code { code: code.chars().take(MAX_CODE_BYTES).collect() });
    }
    if code != refused && RejectCode::ALL.iter().any(|own| own.as_str() == code) {
        return Err(Nonsense::OwnCode { code });
    }
    Ok(Refusal { code, message })
}

fn rewrite(row: RewrittenCells, write: &ProposedWrite, is_theirs: impl Fn(&str) -> bool, ruling: &mut Ruling) -> Result<(), Nonsense> {
    let RewrittenCells { table, key, new } = row;
    if !is_theirs(&table) {
        return Err(Nonsense::ForeignTable { table: short(table) });
    }
    let written = write.changes.iter().position(|change| change.table == table && change.key == key && change.op != Op::Delete);
    let (Some(at), Some(known)) = (written, ruling.shown.tables.get(&table)) else { return Err(Nonsense::ForeignRow { table }) };
    for column in new.keys() {
        if known.key.contains(column) {
            return Err(Nonsense::Key { table, column: column.clone() });
        }
        if !known.columns.contains(column) {
            return Err(Nonsense::Column { table, column: short(column.clone()) });
        }
    }
    // What it leaves as it was sent is no rewriting.
    let sent = &write.changes[at].new;
    let cells: Vec<(String, Value)> = new.into_iter().filter(|(name, value)| sent.get(name) != Some(value)).collect();
    if !cells.is_empty() && ruling.cells.insert(at, cells).is_some() {
        return Err(Nonsense::SameRow { table });
    }
    let size: usize = ruling.cells.values().flatten().map(|(name, value)| name.len() + value.wire_size()).sum();
    if size > MAX_REWRITTEN_BYTES { Err(Nonsense::TooLarge) } else { Ok(()) }
}

fn short(name: String) -> String {
    name.chars().take(limits::MAX_NAME_BYTES).collect()
}
