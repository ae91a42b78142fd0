//! Decides pushed transactions in order: each exactly once, each whole or not at all.
//!
//! The caller holds a database transaction. In it a decision, the record that it was made and the log
//! entry become durable together, or none of them does.

use super::{
    apply::{self, Dropped, Failure},
    bulletin::Touched,
    change::{self, Change, Rejection},
    conflict,
    error::{RecordError, StorageError},
    hearing::{Hearing, Refusal},
    internal,
    own::Own,
    permission, replica,
    stream::Streams,
    tracking::{self, Captured},
};
use rusqlite::Connection;
use seaworthy_engine::session::Principal;
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{Outcome, Push, RejectCode, ReplicaId, RewrittenRow, Sequence, Transaction, TransactionResult, Value, limits};

/// Who writes what, by which tables.
struct Case<'a> {
    streams: &'a Streams,
    principal: &'a Principal,
    replica: ReplicaId,
    transaction: &'a Transaction,
    hearing: Hearing<'a>,
}

/// What came of a push.
pub struct Decided {
    /// One per transaction that was looked at.
    pub results: Vec<TransactionResult>,
    /// Who is to hear of it.
    pub touched: Touched,
}

/// Decides a push whose transactions all had, or lack, the same hearing. Nothing behind a gap or a reused identity is looked at.
pub fn decide(
    conn: &Connection,
    streams: &Streams,
    principal: &Principal,
    push: &Push,
    hearing: Hearing<'_>,
    now_ms: i64,
) -> Result<Decided, StorageError> {
    check_limits(push)?;
    let mut touched = Touched::default();
    let mut last = replica::find_or_create(conn, &principal.user, push.replica, now_ms)?;
    let mut shown_bytes = 0;
    let mut results = Vec::with_capacity(push.transactions.len());
    for transaction in &push.transactions {
        let case = Case { streams, principal, replica: push.replica, transaction, hearing };
        let outcome = one(conn, &case, last, now_ms, &mut touched)?;
        let ends_batch = outcome.ends_batch();
        shown_bytes += shown_bytes_of(&outcome);
        results.push(TransactionResult { sequence: transaction.sequence, outcome });
        // An answer must fit into a frame: what is left undecided comes again.
        if ends_batch || shown_bytes > limits::TARGET_RESULTS_BYTES {
            break;
        }
        last = last.max(transaction.sequence);
    }
    Ok(Decided { results, touched })
}

fn check_limits(push: &Push) -> Result<(), StorageError> {
    let count = push.transactions.len();
    if count > limits::MAX_PUSH_TRANSACTIONS {
        return Err(StorageError::TooManyTransactions { count });
    }
    match push.transactions.iter().map(|transaction| transaction.after.len()).find(|count| *count > limits::MAX_AFTER) {
        Some(count) => Err(StorageError::TooManyDependencies { count }),
        None => Ok(()),
    }
}

/// About how many bytes the values in an outcome take.
pub fn shown_bytes_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Rejected { data: Some(data), .. } => conflict::shown_bytes(data),
        Outcome::Merged { rewritten, .. } => rewritten.iter().flat_map(|row| row.key.iter().chain(row.new.values())).map(Value::wire_size).sum(),
        _ => 0,
    }
}

fn one(conn: &Connection, case: &Case<'_>, last: Sequence, now_ms: i64, touched: &mut Touched) -> Result<Outcome, StorageError> {
    let &Case { principal, replica, transaction, .. } = case;
    let hash = transaction.changes.hash();
    if transaction.sequence <= last {
        return Ok(match replica::seen(conn, replica, transaction.sequence)? {
            Some(seen) if seen.id == transaction.id.0 && seen.hash == hash => seen.outcome,
            Some(_) => Outcome::IdentityReused,
            // Sequences begin at 1, and every decided one has its record.
            None => Outcome::Gap { expected: last.next() },
        });
    }
    if transaction.sequence != last.next() {
        return Ok(Outcome::Gap { expected: last.next() });
    }
    let outcome = match replica::seen_id(conn, &principal.user, transaction)? {
        Some(seen) if seen.hash == hash => seen.outcome,
        Some(_) => {
            let rejection = Rejection::new(RejectCode::BadValue, "the transaction's id was used before for other changes: choose a random one");
            replica::rejected(internal::head(conn)?, rejection)
        }
        None => judge(conn, case, now_ms, touched)?,
    };
    replica::remember(conn, replica, transaction, hash, &outcome)?;
    point(Point::ServerDecideRemembered);
    Ok(outcome)
}

fn judge(conn: &Connection, case: &Case<'_>, now_ms: i64, touched: &mut Touched) -> Result<Outcome, StorageError> {
    let &Case { streams, replica, transaction, .. } = case;
    if let Some(needed) = replica::first_rejected(conn, replica, &transaction.after)? {
        let message = format!("transaction {}, on which this one builds, was rejected", needed.0);
        return Ok(replica::rejected(internal::head(conn)?, Rejection::new(RejectCode::DependsOn, message)));
    }
    conn.prepare_cached("SAVEPOINT seaworthy_transaction")?.execute([])?;
    let applied = in_savepoint(conn, case);
    if applied.is_err() {
        roll_back(conn)?;
    }
    conn.prepare_cached("RELEASE seaworthy_transaction")?.execute([])?;
    let Applied { changes, captured, dropped, rewritten } = match applied {
        Ok(applied) => applied,
        Err(Stopped::Rejected(rejection)) => return Ok(replica::rejected(internal::head(conn)?, rejection)),
        Err(Stopped::Refused(Refusal { code, message })) => return Ok(Outcome::Rejected { position: internal::head(conn)?, code, message, data: None }),
        Err(Stopped::Failed(error)) => return Err(error),
    };
    point(Point::ServerDecideApplied);
    let bytes = rmp_serde::to_vec_named(&captured.changes).map_err(RecordError::from)?;
    let position = internal::append_log(conn, Some((replica.0, transaction.id.0)), now_ms, &bytes)?;
    point(Point::ServerDecideLogged);
    tracking::track(conn, streams, &captured, position, touched)?;
    tracking::track_unchanged(conn, &changes, &captured.changes, &dropped.rows, position, touched)?;
    point(Point::ServerDecideTracked);
    let as_sent = dropped.rows.is_empty() && rewritten.is_empty();
    Ok(if as_sent { Outcome::Applied { position } } else { Outcome::Merged { position, dropped: dropped.rows, rewritten } })
}

fn roll_back(conn: &Connection) -> rusqlite::Result<()> {
    conn.prepare_cached("ROLLBACK TO seaworthy_transaction")?.execute([])?;
    Ok(())
}

/// What a transaction did.
struct Applied<'s> {
    /// What it asked for in the end.
    changes: Vec<Change<'s>>,
    /// What the server's own session saw.
    captured: Captured,
    dropped: Dropped,
    rewritten: Vec<RewrittenRow>,
}

/// Why a transaction is not applied.
pub enum Stopped {
    /// It cannot be accepted.
    Rejected(Rejection),
    /// A write handler refused it.
    Refused(Refusal),
    /// Nobody knows.
    Failed(StorageError),
}

impl From<StorageError> for Stopped {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(rejection) | Failure::Denied(rejection) => Self::Rejected(rejection),
            Failure::Sqlite(error) => Self::Failed(error.into()),
        }
    }
}

/// Matches a transaction with the server's tables, and finds what rejects it before anything is applied.
pub fn examine<'s>(
    conn: &Connection,
    streams: &'s Streams,
    principal: &Principal,
    replica: ReplicaId,
    transaction: &Transaction,
) -> Result<Vec<Change<'s>>, Stopped> {
    let changes = change::resolve(streams, &transaction.changes).map_err(Stopped::Rejected)?;
    permission::check_before(conn, principal, &changes)?;
    let mut own = Own::new(conn, replica, &transaction.after);
    match conflict::find(conn, principal, &changes, transaction.policy.unwrap_or_default(), &mut own)? {
        Some(rejection) => Err(Stopped::Rejected(rejection)),
        None => Ok(changes),
    }
}

fn in_savepoint<'a>(conn: &Connection, case: &Case<'a>) -> Result<Applied<'a>, Stopped> {
    let &Case { streams, principal, replica, transaction, hearing } = case;
    let mut changes = examine(conn, streams, principal, replica, transaction)?;
    if let Some(refusal) = hearing.hold(conn, principal, &mut changes)? {
        return Err(Stopped::Refused(refusal));
    }
    let mut session = tracking::record(conn, streams).map_err(StorageError::from)?;
    let mut applied = apply::apply(conn, principal, &changes);
    if let Err(Failure::Denied(_)) = applied {
        roll_back(conn).map_err(StorageError::from)?;
        applied = apply::apply(conn, principal, &changes);
    }
    let dropped = applied?;
    let captured = tracking::captured(&mut session, streams).map_err(|error| match error {
        // Cascades made more of it than one log entry may hold.
        StorageError::Recorded(RecordError::Changeset(error)) => Stopped::Rejected(Rejection::new(RejectCode::BadValue, error.to_string())),
        error => Stopped::Failed(error),
    })?;
    if dropped.direct && !captured.changes.is_empty() {
        let message = "a row that this transaction updates is gone, and its other changes would stand without it";
        return Err(Stopped::Rejected(Rejection::new(RejectCode::RowDeleted, message)));
    }
    let rewritten = hearing.rewritten(conn, principal, &changes, &dropped.rows)?;
    Ok(Applied { changes, captured, dropped, rewritten })
}
