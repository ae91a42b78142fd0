//! What happens when the database is opened: upgrades, migrations, checks, and a new incarnation.
//!
//! Whatever may have changed rows behind the log's back (a migration, another definition of a table, a
//! write from outside) makes the server track those rows anew, so that every replica gets them.

use super::{
    compaction,
    core::{Fresh, Location},
    error::{OpenError, StorageError},
    internal,
    migration::{self, Migration},
    stream::{Stream, Streams},
    table::Tables,
    tracking,
};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use seaworthy_protocol::{Changes, Epoch};
use std::{collections::BTreeMap, path::Path, time::Duration};

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

fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(())
}

/// Brings the database up to date and begins a run.
pub fn start(conn: &mut Connection, tables: &Tables, migrations: &[Migration], fresh: Fresh, now_ms: i64) -> Result<(Streams, Epoch), OpenError> {
    internal::upgrade(conn)?;
    migration::run(conn, migrations, now_ms)?;
    let streams = Streams::resolve(conn, tables)?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let epoch = internal::epoch(&tx, fresh.epoch)?;
    match track_anew(&tx, &streams, now_ms) {
        Ok(()) => {}
        Err(StorageError::Recorded(error)) => return Err(error.into()),
        Err(StorageError::Sqlite(error)) => return Err(error.into()),
        Err(_) => return Err(rusqlite::Error::InvalidQuery.into()),
    }
    internal::append_incarnation(&tx, fresh.incarnation, internal::head(&tx)?, now_ms)?;
    tx.commit()?;
    Ok((streams, epoch))
}

fn track_anew(tx: &Transaction<'_>, streams: &Streams, now_ms: i64) -> Result<(), StorageError> {
    let migrated = tx.execute("UPDATE seaworthy_migrations SET tracked = 1 WHERE NOT tracked", [])? > 0;
    let former = definitions(tx)?;
    let redefined = |stream: &Stream| former.get(&stream.name) != Some(&stream.definition());
    let any_redefined = streams.iter().any(redefined) || former.keys().any(|table| streams.get(table).is_none());
    let mut stale = Vec::new();
    for stream in streams.iter() {
        if migrated || redefined(stream) || !tracking::is_complete(tx, stream)? {
            stale.push(stream);
        }
    }
    if stale.is_empty() && !any_redefined {
        return Ok(());
    }
    let nothing = rmp_serde::to_vec_named(&Changes::default()).map_err(super::error::RecordError::from)?;
    let position = internal::append_log(tx, None, now_ms, &nothing)?;
    for stream in stale {
        tracking::rebuild(tx, stream, position)?;
    }
    if any_redefined {
        // Rows may have changed buckets, or a whole table may have gone: no older cursor can be continued from.
        compaction::raise_floor(tx, position)?;
        tx.execute("DELETE FROM seaworthy_streams", [])?;
        for stream in streams.iter() {
            tx.execute("INSERT INTO seaworthy_streams (tbl, definition) VALUES (?1, ?2)", params![stream.name, stream.definition()])?;
        }
    }
    Ok(())
}

fn definitions(tx: &Transaction<'_>) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement = tx.prepare("SELECT tbl, definition FROM seaworthy_streams")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
