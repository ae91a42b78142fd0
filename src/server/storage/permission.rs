//! What the user may write: the rules on the rows as they were before a transaction, and as it leaves them.
//!
//! A row that the user may not read is never judged, so that no answer tells it from none. What the server's
//! own triggers and cascades do is not judged. That a client calls a change indirect permits nothing: where
//! the rules deny it, it is left out, and the server must have come to the same by itself.

use super::{
    apply::Failure,
    change::{Change, Prior, Rejection},
    stream::Standing,
};
use rusqlite::Connection;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Op, RejectCode, Value};

/// Judges every row as it is before the transaction.
pub fn check_before(conn: &Connection, principal: &Principal, changes: &[Change<'_>]) -> Result<(), Failure> {
    for change in changes {
        if change.stream.standing(conn, principal, &change.key)? != Standing::Own {
            change.prior.set(Prior::Hidden);
            continue;
        }
        // An insert of a key that is there becomes an update.
        let op = if change.op == Op::Delete { Op::Delete } else { Op::Update };
        if change.stream.rules.permit(conn, principal, op, &change.key)? {
            change.prior.set(Prior::Permitted);
        } else if change.indirect {
            change.prior.set(Prior::Denied);
        } else {
            return Err(forbidden(change).into());
        }
    }
    Ok(())
}

/// Judges every row that the user has changed, as the transaction leaves it. Marks the indirect changes that are denied.
pub fn check_after(conn: &Connection, principal: &Principal, done: &[&Change<'_>]) -> Result<(), Failure> {
    let mut denied = None;
    for change in done.iter().filter(|change| change.op != Op::Delete) {
        let op = if change.prior.get() == Prior::Hidden { Op::Insert } else { Op::Update };
        // A row that the server took away again is not there to be judged.
        if change.stream.rules.permit(conn, principal, op, &change.key)? || change.stream.standing(conn, principal, &change.key)? == Standing::Missing {
            continue;
        }
        if !change.indirect {
            return Err(forbidden(change).into());
        }
        change.prior.set(Prior::Denied);
        denied = Some(forbidden(change));
    }
    denied.map_or(Ok(()), |rejection| Err(Failure::Denied(rejection)))
}

/// Refuses a change that was left out, unless the row is as it says all the same.
pub fn check_left_out(conn: &Connection, principal: &Principal, changes: &[Change<'_>]) -> Result<(), Failure> {
    let left_out = changes.iter().filter(|change| change.prior.get() == Prior::Denied);
    for change in left_out {
        let row = change.stream.readable_row(conn, principal, &change.key)?;
        let holds = |row: &[Value]| {
            let has = |name: &str, value: &Value| change.stream.columns.iter().zip(row).any(|(column, found)| column == name && found == value);
            change.cells.iter().all(|(name, value)| has(name, value))
        };
        let came_about = match change.op {
            Op::Delete => row.is_none(),
            Op::Insert | Op::Update => row.is_some_and(|row| holds(&row)),
        };
        if !came_about {
            return Err(forbidden(change).into());
        }
    }
    Ok(())
}

fn forbidden(change: &Change<'_>) -> Rejection {
    let what = match change.op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
    };
    Rejection::new(RejectCode::Forbidden, format!("the write rule of {} does not allow this {what}", change.stream.name))
}
