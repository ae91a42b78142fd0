//! Which changes of a transaction meet what other writers did, and which policy that calls for.
//!
//! All conflicts are found before anything is applied. They are SQLite's DATA, NOTFOUND and CONFLICT, on
//! the changed columns, against the values that the writer saw, or that its own earlier transactions left
//! here. A row that the writer may not read is treated, and shown, as none.

use super::{
    change::{Change, Rejection},
    error::StorageError,
    own::Own,
};
use rusqlite::Connection;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Conflict, ConflictKind, Image, Op, Policy, RejectCode, RejectData, Value, limits};

/// The rejection that the strictest policy among the conflicting rows asks for. `asked` is the transaction's own wish.
pub fn find(conn: &Connection, principal: &Principal, changes: &[Change<'_>], asked: Policy, own: &mut Own<'_>) -> Result<Option<Rejection>, StorageError> {
    let policy_of = |change: &Change<'_>| change.stream.policy.max(asked);
    if changes.iter().all(|change| policy_of(change) == Policy::Rebase) {
        return Ok(None);
    }
    let mut data = RejectData { policy: Policy::Rebase, conflicts: Vec::new(), left_out: 0 };
    let mut room = limits::MAX_CONFLICT_BYTES;
    for change in changes {
        let Some((kind, remote)) = meet(conn, principal, change, own)? else { continue };
        data.policy = data.policy.max(policy_of(change));
        let size = size(change, remote.as_deref());
        if size > room || data.conflicts.len() == limits::MAX_CONFLICTS {
            data.left_out = data.left_out.saturating_add(1);
        } else {
            room -= size;
            data.conflicts.push(shown(change, kind, remote));
        }
    }
    let (code, message) = match data.policy {
        Policy::Rebase => return Ok(None),
        Policy::Server => (RejectCode::Discarded, "another write came first, and it stands"),
        Policy::Manual | Policy::Fail => (RejectCode::Conflict, "another write came first: look at the rows, and decide anew"),
    };
    Ok(Some(Rejection { data: Some(data), ..Rejection::new(code, message) }))
}

/// About how many bytes the values of a rejection's rows take.
pub fn shown_bytes(data: &RejectData) -> usize {
    let image = |image: &Image| image.values().map(Value::wire_size).sum::<usize>();
    let side = |side: &Option<Image>| side.as_ref().map_or(0, image);
    data.conflicts.iter().map(|row| image(&row.key) + side(&row.base) + side(&row.local) + side(&row.remote)).sum()
}

/// A conflict, and the server's row if the writer may read it.
type Found = (ConflictKind, Option<Vec<Value>>);

/// How a change meets the server's row.
fn meet(conn: &Connection, principal: &Principal, change: &Change<'_>, own: &mut Own<'_>) -> Result<Option<Found>, StorageError> {
    Ok(match (change.op, change.stream.readable_row(conn, principal, &change.key)?) {
        (Op::Insert, None) => None,
        (Op::Insert, Some(row)) => (!own.left_row(change)?).then_some((ConflictKind::Exists, Some(row))),
        // What a trigger or cascade did to a row that is gone has no effect that could be lost.
        (_, None) if change.indirect || own.left_none(change)? => None,
        (_, None) => Some((ConflictKind::NotFound, None)),
        (_, Some(row)) => differs(change, &row, own)?.then_some((ConflictKind::Data, Some(row))),
    })
}

fn differs(change: &Change<'_>, row: &[Value], own: &mut Own<'_>) -> Result<bool, StorageError> {
    for (name, seen) in &change.seen {
        let is_changed = change.op == Op::Delete || change.cells.iter().any(|(cell, _)| cell == name);
        let Some(value) = change.stream.columns.iter().position(|column| column == name).and_then(|at| row.get(at)) else { continue };
        if is_changed && value != seen && own.left_cell(change, name)? != Some(value) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn size(change: &Change<'_>, remote: Option<&[Value]>) -> usize {
    let cells = change.seen.iter().chain(&change.cells).map(|(_, value)| value);
    cells.chain(&change.key).chain(remote.unwrap_or_default()).map(Value::wire_size).sum()
}

fn shown(change: &Change<'_>, kind: ConflictKind, remote: Option<Vec<Value>>) -> Conflict {
    let stream = change.stream;
    let image = |cells: &[(&str, Value)]| cells.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Image>();
    let remote = remote.map(|row| stream.columns.iter().cloned().zip(row).filter(|(name, _)| !stream.key.contains(name)).collect());
    Conflict {
        table: stream.name.clone(),
        kind,
        key: stream.key.iter().cloned().zip(change.key.iter().cloned()).collect(),
        base: (change.op != Op::Insert).then(|| image(&change.seen)),
        local: (change.op != Op::Delete).then(|| image(&change.cells)),
        remote,
    }
}
