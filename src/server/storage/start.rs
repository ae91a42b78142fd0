//! What happens when the database is opened: upgrades, migrations, checks, and a new incarnation.
//!
//! Whatever changed behind the log's back (by a migration, by another declaration of a stream, by a write from
//! outside) is found by comparing every row with the book, and enters it now, so that every replica gets it.

use super::{
    book,
    core::{Fresh, Location, Served},
    definition::Definition,
    error::{OpenError, StorageError},
    internal,
    migration::{self, Migration},
    stream::Streams,
    tracking,
};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use seaworthy_protocol::{Changes, Epoch, Position};
use std::{collections::HashMap, path::Path, time::Duration};

/// How long a statement waits for another connection of this process or of an administrator.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that a connection keeps prepared.
const CACHED_STATEMENTS: usize = 256;

/// Opens the connection that writes.
pub fn connect(location: &Location) -> Result<Connection, OpenError> {
    let conn = match location {
        Location::Memory => Connection::open_in_memory()?,
        Location::File(path) => Connection::open(path)?,
    };
    configure(&conn)?;
    // A commit is on disk before it is visible or answered.
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    Ok(conn)
}

/// Opens a connection that reads.
pub fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&conn)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// What every connection needs.
pub fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(())
}

/// Brings the database up to date and begins a run.
pub fn start(conn: &mut Connection, served: Served<'_>, migrations: &[Migration], fresh: Fresh, now_ms: i64) -> Result<(Streams, Epoch), OpenError> {
    internal::upgrade(conn)?;
    migration::run(conn, migrations, now_ms)?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let streams = Streams::resolve(&tx, served.tables, served.streams, |definitions| number(&tx, definitions))?;
    let epoch = internal::epoch(&tx, fresh.epoch)?;
    match reconcile(&tx, &streams, now_ms) {
        Ok(()) => {}
        Err(StorageError::Recorded(error)) => return Err(error.into()),
        Err(StorageError::Sqlite(error)) => return Err(error.into()),
        Err(_) => return Err(rusqlite::Error::InvalidQuery.into()),
    }
    internal::append_incarnation(&tx, fresh.incarnation, internal::head(&tx)?, now_ms)?;
    tx.commit()?;
    Ok((streams, epoch))
}

/// Gives every stream its number. One that is new, or declared otherwise than before, gets a new one, so that
/// its buckets are others: replicas let go of the old ones and get the new ones. What was declared before and
/// is no more is struck out.
fn number(conn: &Connection, definitions: &mut [Definition]) -> rusqlite::Result<()> {
    let mut former = former(conn)?;
    for definition in definitions {
        let declared = (definition.name.clone(), definition.fingerprint());
        definition.number = match former.remove(&declared) {
            Some(number) => number,
            None => {
                conn.execute("INSERT INTO seaworthy_streams (name, fingerprint, retired) VALUES (?1, ?2, 0)", [declared.0, declared.1])?;
                conn.last_insert_rowid()
            }
        };
    }
    for number in former.into_values() {
        conn.execute("UPDATE seaworthy_streams SET retired = 1 WHERE number = ?1", [number])?;
        book::forget(conn, number)?;
    }
    Ok(())
}

/// The numbers of the streams that were served last, by name and fingerprint.
pub fn former(conn: &Connection) -> rusqlite::Result<HashMap<(String, String), i64>> {
    let mut statement = conn.prepare("SELECT name, fingerprint, number FROM seaworthy_streams WHERE NOT retired")?;
    statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?.collect()
}

fn reconcile(tx: &Transaction<'_>, streams: &Streams, now_ms: i64) -> Result<(), StorageError> {
    let position = Position(internal::head(tx)?.0 + 1);
    let mut differs = false;
    for stream in streams.iter() {
        differs |= tracking::reconcile(tx, stream, position)?;
    }
    if differs {
        let nothing = rmp_serde::to_vec_named(&Changes::default()).map_err(super::error::RecordError::from)?;
        internal::append_log(tx, None, now_ms, &nothing)?;
    }
    Ok(())
}
