//! What the configuration says about a table, and whether the table is fit to be synchronised.
//!
//! Rows are named by their declared primary key on every side, so the key must be declared, never
//! NULL, and compared byte by byte. A table that says nothing about who may see it is refused.

use super::{rule::WriteConfig, text::Fault};
use rusqlite::{Connection, OptionalExtension};
use seaworthy_protocol::{Policy, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The synchronised tables by name.
pub type Tables = BTreeMap<String, TableConfig>;

/// Which rows and columns of a table replicate, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// The column that holds the subject of the user who alone may read the row (unless another stream says so), and write it if there is no `write`.
    pub owner: Option<String>,
    /// Every user may read every row, and write it if there is no `write`.
    #[serde(default)]
    pub open: bool,
    /// Who may write which row.
    pub write: Option<WriteConfig>,
    /// The columns that replicate; all, if it is left out.
    pub columns: Option<Vec<String>>,
    /// What becomes of a transaction that meets another writer's change in this table.
    #[serde(default)]
    pub conflict: Policy,
    /// The write handler that is asked about every transaction that touches the table.
    pub handler: Option<String>,
    /// Who assigns the keys of an `INTEGER PRIMARY KEY`.
    pub keys: Option<Keys>,
}

/// See [`TableConfig::keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// The application, which promises that two offline replicas never choose the same.
    Application,
}

/// Why a table cannot be synchronised. Each message says what to change.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum TableError {
    #[error(
        "[tables.{table}]: no stream reads it, so that nobody would see a row. Write owner = \"<column>\" to give each row to one user, or open = true to share all rows, or add a stream in [streams]; `write` may then say who writes them"
    )]
    NoAccess { table: String },
    #[error("[tables.{table}] has both `owner` and `open`. Keep one")]
    TwoAccesses { table: String },
    #[error("[tables.{table}]: names that begin with seaworthy_ or sqlite_ are taken. Rename the table")]
    ReservedName { table: String },
    #[error("[tables.{table}]: the database has no table of this name. Create it in a migration, or correct the name (case matters)")]
    Missing { table: String },
    #[error("[tables.{table}] is a {kind}. Only ordinary tables can be synchronised")]
    NotATable { table: String, kind: String },
    #[error("[tables.{table}]: no PRIMARY KEY is declared. Declare one, for example id TEXT NOT NULL PRIMARY KEY")]
    NoPrimaryKey { table: String },
    #[error("[tables.{table}]: the key column {column} may be NULL. Declare it NOT NULL")]
    NullableKey { table: String, column: String },
    #[error("[tables.{table}]: the key column {column} compares by {collation}. Declare it COLLATE BINARY")]
    Collation { table: String, column: String, collation: String },
    #[error(
        "[tables.{table}]: with INTEGER PRIMARY KEY two offline replicas choose the same key. Use TEXT or BLOB keys, or set keys = \"application\" if the application assigns keys that never meet"
    )]
    RowidAlias { table: String },
    #[error("[tables.{table}]: there is no column {column}. Correct the name (case matters), or add the column in a migration")]
    UnknownColumn { table: String, column: String },
    #[error("[tables.{table}]: {column} is a generated column, which cannot replicate. Leave it out")]
    GeneratedColumn { table: String, column: String },
    #[error("[tables.{table}]: the key column {column} is missing from `columns`. Add it")]
    KeyLeftOut { table: String, column: String },
    #[error("[tables.{table}]: the owner column {column} is declared {declared}. Declare it TEXT, as subjects are texts")]
    OwnerNotText { table: String, column: String, declared: String },
    #[error("[tables.{table}]: the owner column {column} compares by {collation}. Declare it COLLATE BINARY, as subjects that differ are other users")]
    OwnerCollation { table: String, column: String, collation: String },
    #[error(
        "[tables.{table}] {setting}, {fault}\nA rule is one expression of SQLite over the columns of the row. It may use auth.user_id(), \
         auth.claim('name'), and IN (SELECT …) or EXISTS (SELECT …) over other tables"
    )]
    Rule { table: String, setting: &'static str, fault: Fault },
    #[error("[tables.{table}]: {count} columns, or a name, pass the limit")]
    TooLarge { table: String, count: usize },
    #[error("the trigger {trigger} on {table} uses RAISE(ROLLBACK), which would undo the writes of others. Use RAISE(ABORT)")]
    RollbackTrigger { table: String, trigger: String },
    #[error("[tables.{table}] cannot be examined: {source}")]
    Sqlite { table: String, source: rusqlite::Error },
}

/// A table that passed every check, as the database declares it.
pub struct Examined {
    /// Ordinary columns in order, which are the ones that a session records.
    pub columns: Vec<Column>,
    /// Whether rows have a hidden rowid besides their key.
    pub has_rowid: bool,
}

/// One ordinary column.
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether it is part of the primary key.
    pub is_key: bool,
    declared: String,
    not_null: bool,
}

/// Checks a table against its configuration.
pub fn examine(conn: &Connection, table: &str, config: &TableConfig) -> Result<Examined, TableError> {
    let name = || table.to_owned();
    let sqlite = |source| TableError::Sqlite { table: name(), source };
    if config.owner.is_some() && config.open {
        return Err(TableError::TwoAccesses { table: name() });
    }
    let lower = table.to_ascii_lowercase();
    if lower.starts_with("seaworthy_") || lower.starts_with("sqlite_") {
        return Err(TableError::ReservedName { table: name() });
    }
    const KIND: &str = "SELECT type, wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    let kind = conn.query_row(KIND, [table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))).optional().map_err(sqlite)?;
    let (kind, without_rowid) = kind.ok_or_else(|| TableError::Missing { table: name() })?;
    if kind != "table" {
        return Err(TableError::NotATable { table: name(), kind });
    }
    let (columns, generated) = columns(conn, table).map_err(sqlite)?;
    if columns.len() > limits::MAX_COLUMNS || columns.iter().map(|c| &c.name).chain([&name()]).any(|n| n.len() > limits::MAX_NAME_BYTES) {
        return Err(TableError::TooLarge { table: name(), count: columns.len() });
    }
    let is_rowid_alias = check_key(conn, table, config, &columns, without_rowid)?;
    check_listed(table, config, &columns, &generated)?;
    check_owner(conn, table, config)?;
    Ok(Examined { columns, has_rowid: !without_rowid && !is_rowid_alias })
}

/// Ordinary columns, which are the ones that a session records, and the names of generated ones.
pub fn columns(conn: &Connection, table: &str) -> rusqlite::Result<(Vec<Column>, Vec<String>)> {
    const COLUMNS: &str = "SELECT name, type, \"notnull\", pk > 0, hidden FROM pragma_table_xinfo(?1) ORDER BY cid";
    let mut ordinary = Vec::new();
    let mut generated = Vec::new();
    let mut statement = conn.prepare(COLUMNS)?;
    let mut rows = statement.query([table])?;
    while let Some(row) = rows.next()? {
        let column = Column { name: row.get(0)?, declared: row.get(1)?, not_null: row.get(2)?, is_key: row.get(3)? };
        if row.get::<_, i64>(4)? == 0 { ordinary.push(column) } else { generated.push(column.name) }
    }
    Ok((ordinary, generated))
}

/// Answers whether the key is the rowid itself.
fn check_key(conn: &Connection, table: &str, config: &TableConfig, columns: &[Column], without_rowid: bool) -> Result<bool, TableError> {
    let name = || table.to_owned();
    if !columns.iter().any(|column| column.is_key) {
        return Err(TableError::NoPrimaryKey { table: name() });
    }
    const COLLATIONS: &str = "
        SELECT part.name, part.coll
        FROM pragma_index_list(?1) AS list, pragma_index_xinfo(list.name) AS part
        WHERE list.origin = 'pk' AND part.key";
    let collations = (|| {
        let mut statement = conn.prepare(COLLATIONS)?;
        let rows = statement.query_map([table], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    })()
    .map_err(|source| TableError::Sqlite { table: name(), source })?;
    if collations.is_empty() {
        // No index of its own: the key is the rowid.
        return if config.keys == Some(Keys::Application) { Ok(true) } else { Err(TableError::RowidAlias { table: name() }) };
    }
    if let Some(column) = columns.iter().find(|column| column.is_key && !column.not_null && !without_rowid) {
        return Err(TableError::NullableKey { table: name(), column: column.name.clone() });
    }
    match collations.into_iter().find(|(_, collation)| collation != "BINARY") {
        Some((column, collation)) => Err(TableError::Collation { table: name(), column, collation }),
        None => Ok(false),
    }
}

fn check_listed(table: &str, config: &TableConfig, columns: &[Column], generated: &[String]) -> Result<(), TableError> {
    let table = table.to_owned();
    for column in config.columns.iter().flatten().chain(&config.owner) {
        if generated.contains(column) {
            return Err(TableError::GeneratedColumn { table, column: column.clone() });
        }
        if !columns.iter().any(|known| known.name == *column) {
            return Err(TableError::UnknownColumn { table, column: column.clone() });
        }
    }
    if let Some(listed) = &config.columns
        && let Some(key) = columns.iter().find(|column| column.is_key && !listed.contains(&column.name))
    {
        return Err(TableError::KeyLeftOut { table, column: key.name.clone() });
    }
    match columns.iter().find(|column| Some(&column.name) == config.owner.as_ref() && !is_text(&column.declared)) {
        Some(owner) => Err(TableError::OwnerNotText { table, column: owner.name.clone(), declared: owner.declared.clone() }),
        None => Ok(()),
    }
}

/// Two users are never one, whatever the column takes for equal.
fn check_owner(conn: &Connection, table: &str, config: &TableConfig) -> Result<(), TableError> {
    let Some(owner) = &config.owner else { return Ok(()) };
    let (_, collation, ..) = conn.column_metadata(Some("main"), table, owner.as_str()).map_err(|source| TableError::Sqlite { table: table.to_owned(), source })?;
    match collation.map(|collation| collation.to_string_lossy().to_ascii_uppercase()).filter(|collation| collation != "BINARY") {
        Some(collation) => Err(TableError::OwnerCollation { table: table.to_owned(), column: owner.clone(), collation }),
        None => Ok(()),
    }
}

/// Whether a declared type has TEXT affinity, by the rules of <https://sqlite.org/datatype3.html>.
fn is_text(declared: &str) -> bool {
    let declared = declared.to_ascii_uppercase();
    !declared.contains("INT") && ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word))
}

/// Refuses every trigger that could end the database transaction in which other replicas' writes are decided too.
pub fn check_triggers(conn: &Connection) -> Result<(), TableError> {
    const TRIGGERS: &str = "SELECT tbl_name, name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let triggers = (|| {
        let mut statement = conn.prepare(TRIGGERS)?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    })()
    .map_err(|source| TableError::Sqlite { table: "sqlite_schema".to_owned(), source })?;
    let rolls_back = |sql: &str| sql.to_ascii_uppercase().split_whitespace().collect::<String>().contains("RAISE(ROLLBACK");
    match triggers.into_iter().find(|(_, _, sql)| rolls_back(sql)) {
        Some((table, trigger, _)) => Err(TableError::RollbackTrigger { table, trigger }),
        None => Ok(()),
    }
}
