//! What the server knows about a replica: whose it is, how far it is decided, and every decision.

use super::{
    change::Rejection,
    error::{RecordError, StorageError},
    internal::integer,
};
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_engine::client::User;
use seaworthy_protocol::{Outcome, Position, ReplicaId, Sequence, Transaction, TransactionId};
use std::collections::HashSet;

/// A decision that was made.
pub struct Seen {
    /// The transaction's id.
    pub id: [u8; 16],
    /// The fingerprint of its changes.
    pub hash: [u8; 16],
    /// What was answered.
    pub outcome: Outcome,
}

/// The last decided sequence of a replica that is known, if it is this user's.
pub fn find(conn: &Connection, user: &User, replica: ReplicaId) -> Result<Option<Sequence>, StorageError> {
    const FIND: &str = "SELECT issuer, subject, last_sequence FROM seaworthy_replicas WHERE replica = ?1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
    match conn.prepare_cached(FIND)?.query_row([replica.0], row).optional()? {
        None => Ok(None),
        Some((issuer, subject, last)) if issuer == user.issuer && subject == user.subject => Ok(Some(Sequence(last.unsigned_abs()))),
        Some(_) => Err(StorageError::WrongUser),
    }
}

/// As [`find`]; a replica that is not known becomes this user's.
pub fn find_or_create(conn: &Connection, user: &User, replica: ReplicaId, now_ms: i64) -> Result<Sequence, StorageError> {
    if let Some(last) = find(conn, user, replica)? {
        return Ok(last);
    }
    const CREATE: &str = "INSERT INTO seaworthy_replicas (replica, issuer, subject, last_sequence, created_at_ms) VALUES (?1, ?2, ?3, 0, ?4)";
    conn.execute(CREATE, params![replica.0, user.issuer, user.subject, now_ms])?;
    Ok(Sequence(0))
}

/// The decision about a sequence.
pub fn seen(conn: &Connection, replica: ReplicaId, sequence: Sequence) -> Result<Option<Seen>, StorageError> {
    const SEEN: &str = "SELECT id, hash, outcome FROM seaworthy_seen WHERE replica = ?1 AND sequence = ?2";
    read_seen(conn.prepare_cached(SEEN)?.query_row(params![replica.0, stored(sequence)], seen_row).optional()?)
}

/// The decision about a transaction that this user pushed under whatever replica: a copied database
/// may push it again under a new name.
pub fn seen_id(conn: &Connection, user: &User, transaction: &Transaction) -> Result<Option<Seen>, StorageError> {
    const SEEN: &str = "
        SELECT seen.id, seen.hash, seen.outcome
        FROM seaworthy_seen AS seen JOIN seaworthy_replicas AS owner USING (replica)
        WHERE seen.id = ?1 AND owner.issuer = ?2 AND owner.subject = ?3
        LIMIT 1";
    let parameters = params![transaction.id.0, user.issuer, user.subject];
    read_seen(conn.prepare_cached(SEEN)?.query_row(parameters, seen_row).optional()?)
}

/// Those of these transactions that this user pushed, under whatever replica, and that are in the log.
pub fn known(conn: &Connection, user: &User, ids: &[TransactionId]) -> rusqlite::Result<Vec<TransactionId>> {
    const KNOWN: &str = "
        SELECT 1
        FROM seaworthy_seen AS seen JOIN seaworthy_replicas AS owner USING (replica)
        WHERE seen.id = ?1 AND NOT seen.rejected AND owner.issuer = ?2 AND owner.subject = ?3";
    let mut statement = conn.prepare_cached(KNOWN)?;
    let mut known = Vec::new();
    for id in ids {
        if statement.exists(params![id.0, user.issuer, user.subject])? {
            known.push(*id);
        }
    }
    Ok(known)
}

/// The first of these sequences that was rejected. Reads the replica's rejections between them, which are few.
pub fn first_rejected(conn: &Connection, replica: ReplicaId, sequences: &[Sequence]) -> Result<Option<Sequence>, StorageError> {
    const REJECTED: &str = "
        SELECT sequence FROM seaworthy_seen INDEXED BY seaworthy_seen_rejected
        WHERE replica = ?1 AND rejected AND sequence BETWEEN ?2 AND ?3
        ORDER BY sequence";
    let (Some(first), Some(last)) = (sequences.iter().min(), sequences.iter().max()) else { return Ok(None) };
    let named: HashSet<i64> = sequences.iter().map(|sequence| stored(*sequence)).collect();
    let mut statement = conn.prepare_cached(REJECTED)?;
    let mut rejected = statement.query(params![replica.0, stored(*first), stored(*last)])?;
    while let Some(row) = rejected.next()? {
        let sequence: i64 = row.get(0)?;
        if named.contains(&sequence) {
            return Ok(Some(Sequence(sequence.unsigned_abs())));
        }
    }
    Ok(None)
}

/// Records a decision, and that the replica is decided this far.
pub fn remember(conn: &Connection, replica: ReplicaId, transaction: &Transaction, hash: [u8; 16], outcome: &Outcome) -> Result<(), StorageError> {
    const REMEMBER: &str = "
        INSERT INTO seaworthy_seen (replica, sequence, id, hash, position, rejected, outcome)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    const ADVANCE: &str = "UPDATE seaworthy_replicas SET last_sequence = ?2 WHERE replica = ?1";
    let (position, rejected) = match outcome {
        Outcome::Applied { position } | Outcome::Merged { position, .. } => (*position, false),
        Outcome::Rejected { position, .. } => (*position, true),
        Outcome::RetryLater { .. } | Outcome::Gap { .. } | Outcome::IdentityReused => return Ok(()),
    };
    let bytes = rmp_serde::to_vec_named(outcome).map_err(RecordError::from)?;
    let sequence = stored(transaction.sequence);
    conn.prepare_cached(REMEMBER)?.execute(params![replica.0, sequence, transaction.id.0, hash, integer(position), rejected, bytes])?;
    conn.prepare_cached(ADVANCE)?.execute(params![replica.0, sequence])?;
    Ok(())
}

/// The outcome of a rejection that stands from `position` on.
pub fn rejected(position: Position, rejection: Rejection) -> Outcome {
    Outcome::Rejected { position, code: rejection.code.as_str().to_owned(), message: rejection.message, data: rejection.data }
}

fn stored(sequence: Sequence) -> i64 {
    i64::try_from(sequence.0).unwrap_or(i64::MAX)
}

fn seen_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<([u8; 16], [u8; 16], Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn read_seen(row: Option<([u8; 16], [u8; 16], Vec<u8>)>) -> Result<Option<Seen>, StorageError> {
    let Some((id, hash, outcome)) = row else { return Ok(None) };
    Ok(Some(Seen { id, hash, outcome: rmp_serde::from_slice(&outcome).map_err(RecordError::from)? }))
}
