//! Applies one pushed transaction, its conflicts decided, as the policy `rebase` says, inside the caller's savepoint.
//!
//! Inserts and updates go first and deletes last, so that a cascade finds children where the
//! transaction left them. A row that meets a UNIQUE constraint waits until the row in its way has
//! moved; what then still stands in a circle is shuffled. Changes that the rules deny already are left out.

use super::{
    binding::{Bound, quoted, quoted_list},
    change::{Change, Prior, Rejection},
    foreign_key, permission, shuffle,
    stream::Standing,
};
use rusqlite::{Connection, ErrorCode, ffi, params_from_iter};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Op, RejectCode, RowKey};

/// Why applying ended early.
pub enum Failure {
    /// The transaction cannot be accepted.
    Rejected(Rejection),
    /// It cannot be accepted like this: indirect changes, which are now marked, must be left out.
    Denied(Rejection),
    /// The database failed.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// What has become of the changes so far, but for those that are still to be tried.
#[derive(Default)]
pub struct Progress<'c, 's> {
    /// Those that are in the tables.
    pub done: Vec<&'c Change<'s>>,
    /// Those that are left out.
    pub dropped: Dropped,
}

/// What applying left out.
#[derive(Default)]
pub struct Dropped {
    /// Rows to update that are gone.
    pub rows: Vec<RowKey>,
    /// Whether one of them was updated by the user rather than by a trigger or cascade.
    pub direct: bool,
}

/// What became of one change.
pub enum Effect {
    /// It is in the table.
    Done,
    /// It had nothing to do.
    Idle,
    /// Its row is gone.
    Gone,
    /// A row stands in its way that may still move.
    Blocked(Rejection),
}

/// Applies the changes of a transaction.
pub fn apply(conn: &Connection, principal: &Principal, changes: &[Change<'_>]) -> Result<Dropped, Failure> {
    let mut progress = Progress::default();
    let mut stuck = retry(conn, principal, in_order(changes), &mut progress)?;
    if !stuck.is_empty() {
        stuck = shuffle::shuffle(conn, principal, stuck, &mut progress)?;
        stuck = retry(conn, principal, stuck, &mut progress)?;
    }
    if let Some(change) = stuck.first()
        && let Effect::Blocked(rejection) = attempt(conn, principal, change)?
    {
        return Err(rejection.into());
    }
    permission::check_after(conn, principal, &progress.done)?;
    permission::check_left_out(conn, principal, changes)?;
    if foreign_key::is_unresolved(conn)? {
        return Err(Rejection::new(RejectCode::ForeignKey, "a row would refer to one that does not exist on the server").into());
    }
    Ok(progress.dropped)
}

impl Dropped {
    /// Notes an update whose row is gone.
    pub fn add(&mut self, change: &Change<'_>) {
        self.direct |= !change.indirect;
        self.rows.push(change.row_key());
    }
}

fn in_order<'c, 's>(changes: &'c [Change<'s>]) -> Vec<&'c Change<'s>> {
    let mut ordered: Vec<&Change<'_>> = changes.iter().filter(|change| change.prior.get() != Prior::Denied).collect();
    ordered.sort_by_key(|change| (change.op == Op::Delete, change.indirect));
    ordered
}

/// Tries changes again and again, as long as one of them gets through. Answers those that are blocked.
fn retry<'c, 's>(conn: &Connection, principal: &Principal, mut blocked: Vec<&'c Change<'s>>, progress: &mut Progress<'c, 's>) -> Result<Vec<&'c Change<'s>>, Failure> {
    loop {
        let before = blocked.len();
        let mut still = Vec::new();
        for change in blocked {
            match attempt(conn, principal, change)? {
                Effect::Done => progress.done.push(change),
                Effect::Idle => {}
                Effect::Gone => progress.dropped.add(change),
                Effect::Blocked(_) => still.push(change),
            }
        }
        if still.is_empty() || still.len() == before {
            return Ok(still);
        }
        blocked = still;
    }
}

fn attempt(conn: &Connection, principal: &Principal, change: &Change<'_>) -> Result<Effect, Failure> {
    let standing = match (change.prior.get(), change.op) {
        (Prior::Hidden, Op::Update | Op::Delete) => Standing::Missing,
        _ => change.stream.standing(conn, principal, &change.key)?,
    };
    let executed = match (change.op, standing) {
        (Op::Insert, Standing::Missing) => insert(conn, change),
        (Op::Insert | Op::Update, Standing::Own) => update(conn, change),
        (Op::Insert, Standing::Foreign) => {
            return Err(Rejection::new(RejectCode::KeyExists, format!("the key of a new row of {} is taken: choose another", change.stream.name)).into());
        }
        (Op::Update, _) => return Ok(Effect::Gone),
        (Op::Delete, Standing::Own) => delete(conn, change),
        (Op::Delete, _) => return Ok(Effect::Idle),
    };
    match executed {
        Ok(()) => Ok(Effect::Done),
        Err(error) => judge(error, change),
    }
}

fn insert(conn: &Connection, change: &Change<'_>) -> rusqlite::Result<()> {
    let names = change.stream.key.iter().map(String::as_str).chain(change.cells.iter().map(|(name, _)| *name)).map(str::to_owned).collect::<Vec<_>>();
    let places = vec!["?"; names.len()].join(", ");
    let sql = format!("INSERT OR ABORT INTO {} ({}) VALUES ({places})", quoted(&change.stream.name), quoted_list(&names));
    let values = change.key.iter().chain(change.cells.iter().map(|(_, value)| value));
    conn.prepare_cached(&sql)?.execute(params_from_iter(values.map(Bound)))?;
    Ok(())
}

fn update(conn: &Connection, change: &Change<'_>) -> rusqlite::Result<()> {
    if change.cells.is_empty() {
        return Ok(());
    }
    let cells = change.cells.iter().map(|(name, _)| format!("{} = ?", quoted(name))).collect::<Vec<_>>().join(", ");
    let sql = format!("UPDATE OR ABORT {} SET {cells} WHERE {}", quoted(&change.stream.name), change.stream.sql.key_condition);
    let values = change.cells.iter().map(|(_, value)| value).chain(&change.key);
    conn.prepare_cached(&sql)?.execute(params_from_iter(values.map(Bound)))?;
    Ok(())
}

fn delete(conn: &Connection, change: &Change<'_>) -> rusqlite::Result<()> {
    let sql = format!("DELETE FROM {} WHERE {}", quoted(&change.stream.name), change.stream.sql.key_condition);
    conn.prepare_cached(&sql)?.execute(params_from_iter(change.key.iter().map(Bound)))?;
    Ok(())
}

/// Tells a constraint that may yet give way from one that will not, and both from a database that fails.
pub fn judge(error: rusqlite::Error, change: &Change<'_>) -> Result<Effect, Failure> {
    let rusqlite::Error::SqliteFailure(code, message) = &error else { return Err(error.into()) };
    let message = message.clone().unwrap_or_else(|| code.to_string());
    match (code.code, code.extended_code) {
        (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID) => {
            Ok(Effect::Blocked(Rejection::new(RejectCode::Constraint, message)))
        }
        (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => {
            let message = format!("a row of {} is referred to, or refers to one that does not exist on the server", change.stream.name);
            Ok(Effect::Blocked(Rejection::new(RejectCode::ForeignKey, message)))
        }
        (_, ffi::SQLITE_CONSTRAINT_DATATYPE) | (ErrorCode::TypeMismatch | ErrorCode::TooBig, _) => Err(Rejection::new(RejectCode::BadValue, message).into()),
        (ErrorCode::ConstraintViolation, _) => Err(Rejection::new(RejectCode::Constraint, message).into()),
        _ => Err(error.into()),
    }
}
