//! What the user may write: the rules on the rows as they were before a transaction, and as it leaves them.
//!
//! A row that the user may not read is never judged, so that no answer tells it from none. What the server's
//! own triggers and cascades do is not judged. Whether a change is called indirect makes no difference to the
//! rules; it may only turn out that the server has done the same already, and nothing is left to judge.

use super::{
    apply::Failure,
    change::{Change, Prior, Rejection},
    stream::Standing,
};
use rusqlite::Connection;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Op, RejectCode};

/// Judges every row as it is before the transaction. Refuses what the user names directly; of what is called
/// indirect nobody knows yet whether anything is left to do.
pub fn check_before(conn: &Connection, principal: &Principal, changes: &mut [Change<'_>]) -> Result<(), Failure> {
    for change in changes {
        let Some(rules) = &change.stream.rules else { continue };
        if change.stream.standing(conn, &principal.user, &change.key)? != Standing::Own {
            change.prior = Prior::Hidden;
            continue;
        }
        // An insert of a key that is there becomes an update.
        let op = if change.op == Op::Delete { Op::Delete } else { Op::Update };
        let permitted = rules.permit(conn, principal, op, &change.key)?;
        change.prior = if permitted { Prior::Permitted } else { Prior::Denied };
        if !permitted && !change.indirect {
            return Err(forbidden(change).into());
        }
    }
    Ok(())
}

/// Judges every row that the user has changed, as the transaction leaves it.
pub fn check_after(conn: &Connection, principal: &Principal, done: &[&Change<'_>]) -> Result<(), Failure> {
    for change in done.iter().filter(|change| change.op != Op::Delete) {
        let standing = || change.stream.standing(conn, &principal.user, &change.key);
        let Some(rules) = &change.stream.rules else {
            if standing()? == Standing::Foreign {
                return Err(Rejection::new(RejectCode::Forbidden, format!("a row of {} would belong to another user", change.stream.name)).into());
            }
            continue;
        };
        let op = if change.prior == Prior::Hidden { Op::Insert } else { Op::Update };
        // A row that the server took away again is not there to be judged.
        if !rules.permit(conn, principal, op, &change.key)? && standing()? != Standing::Missing {
            return Err(forbidden(change).into());
        }
    }
    Ok(())
}

/// The refusal of a change by a rule.
pub fn forbidden(change: &Change<'_>) -> Rejection {
    let what = match change.op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
    };
    Rejection::new(RejectCode::Forbidden, format!("the write rule of {} does not allow this {what}", change.stream.name))
}
