//! The database as it is found, to look at. Nothing on the disk changes, also while a server uses it.
//!
//! Where it is not yet what the next start would make of it, one in memory takes its place: the schema of
//! the file, if there is one, without its rows, and with the migrations run that it lacks.

use super::{
    core::Served,
    definition::{Definition, OpeningError},
    error::OpenError,
    holding::Holding,
    internal,
    migration::{self, Migration},
    start,
    stream::{Stream, Streams},
};
use rusqlite::{Connection, OpenFlags};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{StreamState, Subscription, Value};
use std::{ffi::OsString, path::Path, sync::Arc};

/// See the module.
#[derive(Debug)]
pub struct Inspection {
    /// Whether there is a file.
    pub exists: bool,
    /// The names of the migrations that the next start runs.
    pub pending: Vec<String>,
    conn: Connection,
    streams: Streams,
}

impl Inspection {
    /// Opens the file, if there is one, and checks everything against it that a start would check.
    pub fn open(path: &Path, served: Served<'_>, migrations: &[Migration]) -> Result<Self, OpenError> {
        let exists = path.try_exists().map_err(|source| OpenError::Unreachable { path: path.to_owned(), source })?;
        let found = if exists { Some(connect(path)?) } else { None };
        let format = found.as_ref().map_or(Ok(0), internal::format)?;
        let pending = match &found {
            Some(conn) if format > 0 => migration::pending(conn, migrations)?,
            _ => migrations.iter().collect(),
        };
        let pending: Vec<String> = pending.into_iter().map(|migration| migration.name.clone()).collect();
        let conn = match found {
            Some(conn) if internal::is_current(format) && pending.is_empty() => conn,
            found => rehearse(found.map(|_| path), format, migrations)?,
        };
        // Everything that is read is of one moment.
        conn.execute_batch("BEGIN")?;
        let streams = Streams::resolve(&conn, served.tables, served.streams, |definitions| number(&conn, definitions))?;
        Ok(Self { exists, pending, conn, streams })
    }

    /// The synchronised tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter()
    }

    /// The streams.
    pub fn definitions(&self) -> &[Arc<Definition>] {
        self.streams.definitions()
    }

    /// What is slow about a stream.
    pub fn warnings(&self, definition: &Definition) -> rusqlite::Result<Vec<String>> {
        definition.warnings(&self.conn)
    }

    /// What a replica with this subscription is to hold: what it is told of every automatic stream, and of this one.
    pub fn states(&self, principal: &Principal, subscription: Option<&Subscription>) -> Result<Vec<StreamState>, OpeningError> {
        Ok(Holding::open(&self.conn, &self.streams, principal, subscription.map_or(&[], std::slice::from_ref))?.states)
    }

    /// Calls `each` with the key and the replicating columns of every row of a bucket.
    pub fn rows(&self, definition: &Definition, bucket: &str, mut each: impl FnMut(Vec<Value>, Vec<Value>)) -> rusqlite::Result<()> {
        definition.rows(&self.conn, &super::Bucket(bucket.to_owned()), |key, row| {
            each(key, row);
            Ok(())
        })
    }
}

/// Where the file is, for SQLite, so that it writes nothing beside it either. Without a write-ahead log nobody
/// writes to the file. With one, its index is only read; where that is missing, as it may be in a copy, SQLite
/// makes it anew.
fn address(path: &Path) -> String {
    let is_there = |suffix: &str| {
        let mut name = OsString::from(path);
        name.push(suffix);
        Path::new(&name).exists()
    };
    let mode = match (is_there("-wal") || is_there("-journal"), is_there("-shm")) {
        (false, _) => "&immutable=1",
        (true, true) => "&readonly_shm=1",
        (true, false) => "",
    };
    let mut address = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => address.push(char::from(*byte)),
            byte => address.push_str(&format!("%{byte:02x}")),
        }
    }
    address + "?mode=ro" + mode
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(address(path), flags)?;
    start::configure(&conn)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// What the next start would make of the file, or of nothing.
fn rehearse(found: Option<&Path>, format: i64, migrations: &[Migration]) -> Result<Connection, OpenError> {
    let mut conn = Connection::open_in_memory()?;
    start::configure(&conn)?;
    conn.pragma_update(None, "foreign_keys", true)?;
    if let Some(path) = found {
        conn.execute("ATTACH ?1 AS found", [address(path)])?;
        copy_schema(&conn)?;
        if format > 0 {
            for table in ["seaworthy_meta", "seaworthy_migrations", "seaworthy_streams"] {
                conn.execute(&format!("INSERT INTO main.{table} SELECT * FROM found.{table}"), [])?;
            }
        }
        conn.execute_batch("DETACH found")?;
    }
    internal::upgrade(&mut conn)?;
    migration::run(&mut conn, migrations, 0)?;
    Ok(conn)
}

fn copy_schema(conn: &Connection) -> rusqlite::Result<()> {
    // What a virtual table keeps its rows in comes with it.
    const SCHEMA: &str = "
        SELECT sql FROM found.sqlite_schema
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
            AND name NOT IN (SELECT name FROM pragma_table_list WHERE schema = 'found' AND type = 'shadow')
        ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, rowid";
    let statements: Vec<String> = conn.prepare(SCHEMA)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    statements.iter().try_for_each(|sql| conn.execute_batch(sql))
}

/// Gives every stream the number that the next start gives it.
fn number(conn: &Connection, definitions: &mut [Definition]) -> rusqlite::Result<()> {
    let mut former = start::former(conn)?;
    let mut last: i64 = conn.query_row("SELECT coalesce(max(number), 0) FROM seaworthy_streams", [], |row| row.get(0))?;
    for definition in definitions {
        definition.number = former.remove(&(definition.name.clone(), definition.fingerprint())).unwrap_or_else(|| {
            last += 1;
            last
        });
    }
    Ok(())
}
