//! The application's migrations: numbered SQL files, each run once, in order, in a transaction of its own.
//!
//! An applied file is recorded with a hash of its text. One that changed or went is an error, since
//! then nobody can say any more what the database looks like.

use rusqlite::{
    Connection, ErrorCode,
    fallible_iterator::FallibleIterator,
    hooks::{AuthAction, AuthContext, Authorization},
    params,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use xxhash_rust::xxh3::xxh3_128;

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place in the order.
    pub number: u32,
    /// The name of its file.
    pub name: String,
    /// Its statements.
    pub sql: String,
}

/// Why the migrations cannot be run. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum MigrationError {
    #[error("the migrations in {} cannot be read: {source}. Create the folder, or correct `migrations`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the migration {name} has no number. Name it like 0001_create_todos.sql")]
    NoNumber { name: String },
    #[error("the migrations {first} and {second} have the same number. Give the newer one the next free number")]
    SameNumber { first: String, second: String },
    #[error("the migration {name} was changed after it was applied. Restore its text, and put the change into a new migration")]
    Changed { name: String },
    #[error("the migration {name} was applied, but its file is gone. Restore it")]
    Gone { name: String },
    #[error("the migration {name} comes before {applied}, which was applied already. Give it a higher number")]
    OutOfOrder { name: String, applied: String },
    #[error("{name}, line {line}: {message}. Nothing of this migration was applied; correct it and start again")]
    Failed { name: String, line: usize, message: String },
    #[error("the migration {name} begins or ends a transaction. Remove BEGIN, COMMIT and ROLLBACK: each migration runs in a transaction of its own")]
    Transaction { name: String },
    #[error("the migration {name} leaves a row of {table} without its parent in {parent}. Nothing of it was applied; correct it and start again")]
    ForeignKey { name: String, table: String, parent: String },
    #[error("the record of applied migrations cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// Reads the `.sql` files of a folder, in order.
pub fn load(folder: &Path) -> Result<Vec<Migration>, MigrationError> {
    let read = |source| MigrationError::Read { path: folder.to_owned(), source };
    let mut found: BTreeMap<u32, Migration> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
        let number = digits.parse().map_err(|_| MigrationError::NoNumber { name: name.clone() })?;
        let sql = std::fs::read_to_string(&path).map_err(|source| MigrationError::Read { path, source })?;
        if let Some(first) = found.insert(number, Migration { number, name: name.clone(), sql }) {
            return Err(MigrationError::SameNumber { first: first.name, second: name });
        }
    }
    Ok(found.into_values().collect())
}

/// Runs what was not run before. Answers how many that were.
pub fn run(conn: &mut Connection, migrations: &[Migration], now_ms: i64) -> Result<usize, MigrationError> {
    let pending = pending(conn, migrations)?;
    if pending.is_empty() {
        return Ok(0);
    }
    // Rebuilding a table, as SQLite's documentation describes it, needs this off; violations are looked for at the end.
    conn.pragma_update(None, "foreign_keys", false)?;
    let outcome = pending.iter().try_for_each(|migration| apply(conn, migration, now_ms));
    conn.pragma_update(None, "foreign_keys", true)?;
    outcome.map(|()| pending.len())
}

/// What was not run before, in order.
pub fn pending<'m>(conn: &Connection, migrations: &'m [Migration]) -> Result<Vec<&'m Migration>, MigrationError> {
    const APPLIED: &str = "SELECT number, name, hash FROM seaworthy_migrations ORDER BY number";
    let mut statement = conn.prepare(APPLIED)?;
    let mut rows = statement.query([])?;
    let mut last: Option<(u32, String)> = None;
    let mut applied = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, name): (u32, String) = (row.get(0)?, row.get(1)?);
        let migration = migrations.iter().find(|migration| migration.number == number).ok_or(MigrationError::Gone { name: name.clone() })?;
        if hash(migration) != row.get::<_, [u8; 16]>(2)? {
            return Err(MigrationError::Changed { name: migration.name.clone() });
        }
        applied.push(number);
        last = Some((number, name));
    }
    let pending: Vec<_> = migrations.iter().filter(|migration| !applied.contains(&migration.number)).collect();
    match (pending.first(), last) {
        (Some(first), Some((number, applied))) if first.number < number => Err(MigrationError::OutOfOrder { name: first.name.clone(), applied }),
        _ => Ok(pending),
    }
}

/// Line endings do not count: version control may change them.
fn hash(migration: &Migration) -> [u8; 16] {
    xxh3_128(migration.sql.replace("\r\n", "\n").as_bytes()).to_be_bytes()
}

fn apply(conn: &mut Connection, migration: &Migration, now_ms: i64) -> Result<(), MigrationError> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    // The migration may not end this transaction.
    conn.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Transaction { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }))?;
    let executed = execute(conn, migration);
    conn.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    let finished = executed.and_then(|()| finish(conn, migration, now_ms));
    if finished.is_err() && !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    finished
}

fn finish(conn: &Connection, migration: &Migration, now_ms: i64) -> Result<(), MigrationError> {
    let name = || migration.name.clone();
    let violation = conn.query_row("SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?)));
    match violation {
        Err(rusqlite::Error::QueryReturnedNoRows) => {}
        Ok((table, parent)) => return Err(MigrationError::ForeignKey { name: name(), table, parent }),
        Err(error) => return Err(error.into()),
    }
    const RECORD: &str = "INSERT INTO seaworthy_migrations (number, name, hash, applied_at_ms) VALUES (?1, ?2, ?3, ?4)";
    conn.execute(RECORD, params![migration.number, migration.name, hash(migration), now_ms])?;
    conn.execute_batch("COMMIT")?;
    Ok(())
}

/// One statement after the other, to know the line of the one that fails.
fn execute(conn: &Connection, migration: &Migration) -> Result<(), MigrationError> {
    let mut batch = rusqlite::Batch::new(conn, &migration.sql);
    let mut line = 1;
    let failed = |line, message| MigrationError::Failed { name: migration.name.clone(), line, message };
    loop {
        match batch.next() {
            Ok(None) => return Ok(()),
            Ok(Some(mut statement)) => {
                line = statement.expanded_sql().and_then(|text| line_of(&migration.sql, &text)).unwrap_or(line);
                let mut rows = statement.raw_query();
                while rows.next().map_err(|error| failed(line, message(&error)))?.is_some() {}
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::AuthorizationForStatementDenied) => {
                return Err(MigrationError::Transaction { name: migration.name.clone() });
            }
            Err(rusqlite::Error::SqlInputError { msg, sql, offset, .. }) => {
                let at = migration.sql.len().saturating_sub(sql.len()) + usize::try_from(offset).unwrap_or(0);
                let line = migration.sql.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
                return Err(failed(line, msg));
            }
            Err(error) => return Err(failed(line, message(&error))),
        }
    }
}

/// The line on which a statement begins, comments before it left aside.
fn line_of(sql: &str, statement: &str) -> Option<usize> {
    let mut rest = &sql[sql.find(statement)?..];
    loop {
        rest = rest.trim_start();
        let comment = rest.strip_prefix("--").map(|text| (text, "\n")).or_else(|| rest.strip_prefix("/*").map(|text| (text, "*/")));
        let Some((text, end)) = comment else { break };
        rest = text.split_once(end)?.1;
    }
    Some(sql[..sql.len() - rest.len()].matches('\n').count() + 1)
}

fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}
