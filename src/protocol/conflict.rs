//! Writes that meet: what the server does with them, and what it says about the rows.
//!
//! It exists so that a rejected writer can decide anew without another request. A conflict shows rows
//! only as far as the writer may read them: a row that is not the writer's looks like none.

use crate::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Cells of a row by column.
pub type Image = BTreeMap<String, Value>;

/// What becomes of a transaction that meets another writer's change. Later ones are stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The changed columns are set on top of what is there.
    #[default]
    Rebase,
    /// The server's rows stand, and the transaction is discarded without a fuss.
    Server,
    /// The transaction is rejected, and the client's resolver makes another one.
    Manual,
    /// The transaction is rejected.
    Fail,
}

impl Policy {
    /// The policy on the wire and in stored tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebase => "rebase",
            Self::Server => "server",
            Self::Manual => "manual",
            Self::Fail => "fail",
        }
    }

    /// The policy with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rebase, Self::Server, Self::Manual, Self::Fail].into_iter().find(|policy| policy.as_str() == name)
    }
}

/// How a change met what the server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// A column to change, or the row to delete, has another value than the writer saw.
    Data,
    /// The row to change or delete is gone.
    NotFound,
    /// The row to insert is there.
    Exists,
}

/// A row over which a transaction was rejected. Its images leave the key out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Conflict {
    /// The table.
    pub table: String,
    /// How they met.
    pub kind: ConflictKind,
    /// The primary key, by column.
    pub key: Image,
    /// The cells that the writer changed or deleted, as it saw them; none for an insert.
    pub base: Option<Image>,
    /// The same cells as the writer wanted them; none for a delete.
    pub local: Option<Image>,
    /// The whole row as the server has it; none if there is no such row for this writer.
    pub remote: Option<Image>,
}

/// Why a transaction was rejected as `discarded` or `conflict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RejectData {
    /// The strictest policy among the conflicting rows, which decided.
    pub policy: Policy,
    /// The conflicting rows.
    pub conflicts: Vec<Conflict>,
    /// How many more there were.
    #[serde(default)]
    pub left_out: u32,
}
