//! A transaction as write handlers are shown it: rows with named columns, beside the server's own.

use crate::storage::Shown;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Changes, Image, Op, ReplicaId, RowChange, TableChanges, Transaction, TransactionId};
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// A transaction that a client wants to be accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposedWrite {
    /// Its identity for ever, and so the key under which an answer may be kept: asked again, it is the same.
    pub transaction: TransactionId,
    /// The client database that it comes from.
    pub replica: ReplicaId,
    /// Who wants it.
    pub user: Writer,
    /// Every claim of the token that it came with.
    pub claims: Map<String, Json>,
    /// What it changes: all of it, not only the tables of one handler.
    pub changes: Vec<ProposedChange>,
}

/// The user that a token names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Writer {
    /// The token's `iss`.
    pub issuer: String,
    /// The token's `sub`.
    pub subject: String,
}

/// A row that the transaction inserts, updates or deletes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposedChange {
    /// The table.
    pub table: String,
    /// What happens to the row.
    pub op: Op,
    /// Whether the client says that a trigger or a foreign key of its own did it.
    pub indirect: bool,
    /// The primary key.
    pub key: Image,
    /// What the client saw before, without the key: for an update the changed columns.
    pub old: Image,
    /// What it wants, without the key: for an update the changed columns.
    pub new: Image,
    /// The server's row, without the key, as far as the writer may read it; none where there is none for the writer.
    pub current: Option<Image>,
}

impl ProposedWrite {
    /// Joins a transaction with what the server has.
    pub(crate) fn new(principal: &Principal, replica: ReplicaId, transaction: &Transaction, shown: &Shown) -> Self {
        Self {
            transaction: transaction.id,
            replica,
            user: Writer { issuer: principal.user.issuer.clone(), subject: principal.user.subject.clone() },
            claims: principal.claims.as_ref().clone(),
            changes: changes(&transaction.changes, shown),
        }
    }
}

fn changes(changes: &Changes, shown: &Shown) -> Vec<ProposedChange> {
    let rows = changes.tables.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)));
    rows.enumerate().map(|(at, (table, row))| ProposedChange { current: current(table, shown, at), ..proposed(table, row) }).collect()
}

fn proposed(table: &TableChanges, row: &RowChange) -> ProposedChange {
    let image = |cells: &[_]| -> Image {
        let named = table.columns.iter().enumerate().zip(cells).filter(|((at, _), _)| !table.is_key(*at));
        named.filter_map(|((_, name), value): (_, &Option<_>)| Some((name.clone(), value.clone()?))).collect()
    };
    let key = table.key_columns().into_iter().map(str::to_owned).zip(table.key_of(row).into_iter().cloned()).collect();
    ProposedChange { table: table.name.clone(), op: row.op, indirect: row.indirect, key, old: image(&row.old), new: image(&row.new), current: None }
}

fn current(table: &TableChanges, shown: &Shown, at: usize) -> Option<Image> {
    let row = shown.rows.get(at)?.as_ref()?;
    let known = shown.tables.get(&table.name)?;
    let named = known.columns.iter().zip(row).filter(|(name, _)| !known.key.contains(name));
    Some(named.map(|(name, value)| (name.clone(), value.clone())).collect())
}
