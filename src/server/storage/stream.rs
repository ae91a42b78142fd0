//! A synchronised table as the server serves it: its columns, its key, the streams that read it, who may write it, and its SQL.
//!
//! A user may read what is in a bucket that the user may open; every other row does not exist for the
//! user. Tables that streams only look things up in are known here too, since what changes in them
//! changes who may open what.

use super::{
    binding::{Bound, quoted, quoted_list, values},
    definition::{self, Definition, StreamConfigs},
    error::OpenError,
    rule::{BadRule, EachWrite, Rules, WriteConfig},
    table::{self, Examined, TableConfig, TableError, Tables},
};
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Policy, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// All synchronised tables with their streams.
#[derive(Debug, Default)]
pub struct Streams {
    tables: BTreeMap<String, Stream>,
    lookups: BTreeMap<String, Lookup>,
    definitions: Vec<Arc<Definition>>,
}

/// One synchronised table.
#[derive(Debug)]
pub struct Stream {
    /// The table.
    pub name: String,
    /// The columns that replicate, in the table's order.
    pub columns: Vec<String>,
    /// The columns of the primary key, in the table's order.
    pub key: Vec<String>,
    /// The columns that a session records, in its order.
    pub recorded: Vec<String>,
    /// Whether rows have a hidden rowid besides their key.
    pub has_rowid: bool,
    /// The streams that read it.
    pub definitions: Vec<Arc<Definition>>,
    /// What becomes of writes that meet.
    pub policy: Policy,
    /// Who may write which row.
    pub rules: Rules,
    /// Statements that do not depend on a change.
    pub sql: Sql,
}

/// A table in which streams look things up.
#[derive(Debug)]
pub struct Lookup {
    /// The columns that a session records, in its order.
    pub recorded: Vec<String>,
    /// These columns of a row, by key.
    pub row: String,
    /// The streams that do.
    pub readers: Vec<Arc<Definition>>,
}

/// A row as one user finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no such row.
    Missing,
    /// The row is in a bucket that the user may open.
    Own,
    /// The row is in no bucket that the user may open.
    Foreign,
}

/// The statements of a table, prepared as text.
#[derive(Debug)]
pub struct Sql {
    /// A row, if one has this key.
    pub exists: String,
    /// The replicated columns of a row, by key.
    pub row: String,
    /// The replicated columns of every row.
    pub rows: String,
    /// `k1 = ? AND k2 = ?`.
    pub key_condition: String,
}

impl Streams {
    /// Checks every table and every stream against the database. `number` gives each stream its number.
    pub fn resolve(conn: &Connection, tables: &Tables, configs: &StreamConfigs, number: impl FnOnce(&mut [Definition]) -> rusqlite::Result<()>) -> Result<Self, OpenError> {
        table::check_triggers(conn)?;
        let examined = tables.iter().map(|(name, config)| Ok((name, config, table::examine(conn, name, config)?))).collect::<Result<Vec<_>, TableError>>()?;
        let mut definitions = definition::definitions(conn, tables, configs)?;
        number(&mut definitions)?;
        let definitions: Vec<Arc<Definition>> = definitions.into_iter().map(Arc::new).collect();
        let mut streams = Self::default();
        for (name, config, examined) in examined {
            streams.tables.insert(name.clone(), stream(conn, name, config, examined, &definitions)?);
        }
        for definition in &definitions {
            let tables: BTreeSet<&str> = definition.lookup_tables().collect();
            for table in tables {
                if !streams.lookups.contains_key(table) {
                    streams.lookups.insert(table.to_owned(), lookup(conn, table)?);
                }
                streams.lookups.entry(table.to_owned()).and_modify(|lookup| lookup.readers.push(definition.clone()));
            }
        }
        Ok(Self { definitions, ..streams })
    }

    /// The table of this name.
    pub fn get(&self, table: &str) -> Option<&Stream> {
        self.tables.get(table)
    }

    /// Every table, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.tables.values()
    }

    /// Every stream.
    pub fn definitions(&self) -> &[Arc<Definition>] {
        &self.definitions
    }

    /// What streams look up in the table of this name.
    pub fn lookup(&self, table: &str) -> Option<&Lookup> {
        self.lookups.get(table)
    }

    /// The tables whose changes matter.
    pub fn recorded(&self) -> impl Iterator<Item = &str> {
        let others = self.lookups.keys().filter(|table| !self.tables.contains_key(*table));
        self.tables.keys().chain(others).map(String::as_str)
    }

    /// The columns that a session records of a table.
    pub fn recorded_columns(&self, table: &str) -> Option<Vec<String>> {
        let of_lookup = || self.lookup(table).map(|lookup| lookup.recorded.clone());
        self.get(table).map(|stream| stream.recorded.clone()).or_else(of_lookup)
    }
}

fn stream(conn: &Connection, name: &str, config: &TableConfig, examined: Examined, definitions: &[Arc<Definition>]) -> Result<Stream, TableError> {
    let listed = |column: &&table::Column| config.columns.as_ref().is_none_or(|listed| listed.contains(&column.name));
    let columns: Vec<String> = examined.columns.iter().filter(listed).map(|column| column.name.clone()).collect();
    let key: Vec<String> = examined.columns.iter().filter(|column| column.is_key).map(|column| column.name.clone()).collect();
    let definitions: Vec<_> = definitions.iter().filter(|definition| definition.table == name).cloned().collect();
    if definitions.is_empty() {
        return Err(TableError::NoAccess { table: name.to_owned() });
    }
    let bad = |BadRule { setting, fault }| TableError::Rule { table: name.to_owned(), setting, fault };
    let rules = Rules::compile(conn, name, &key, &write(config)).map_err(bad)?;
    let sql = Sql::new(name, &columns, &key);
    let recorded = examined.columns.into_iter().map(|column| column.name).collect();
    Ok(Stream { name: name.to_owned(), columns, key, recorded, has_rowid: examined.has_rowid, definitions, policy: config.conflict, rules, sql })
}

/// Who may write, where the configuration does not say: the owner, everybody, nobody.
fn write(config: &TableConfig) -> WriteConfig {
    match (&config.write, &config.owner, config.open) {
        (Some(write), ..) => write.clone(),
        (None, Some(owner), _) => WriteConfig::All(format!("{} = auth.user_id()", quoted(owner))),
        (None, None, true) => WriteConfig::All("1".to_owned()),
        (None, None, false) => WriteConfig::Each(EachWrite::default()),
    }
}

fn lookup(conn: &Connection, table: &str) -> rusqlite::Result<Lookup> {
    let (columns, _) = table::columns(conn, table)?;
    let recorded: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let key: Vec<String> = columns.into_iter().filter(|column| column.is_key).map(|column| column.name).collect();
    Ok(Lookup { row: Sql::new(table, &recorded, &key).row, recorded, readers: Vec::new() })
}

impl Lookup {
    /// The row with this key as it stands.
    pub fn find(&self, conn: &Connection, key: &[Value]) -> rusqlite::Result<Option<Vec<Value>>> {
        find(conn, &self.row, key, self.recorded.len())
    }
}

impl Stream {
    /// How the user finds the row with this key.
    pub fn standing(&self, conn: &Connection, principal: &Principal, key: &[Value]) -> rusqlite::Result<Standing> {
        if self.is_readable(conn, principal, key)? {
            return Ok(Standing::Own);
        }
        let exists = conn.prepare_cached(&self.sql.exists)?.exists(params_from_iter(key.iter().map(Bound)))?;
        Ok(if exists { Standing::Foreign } else { Standing::Missing })
    }

    /// The replicated columns of the row with this key, if it exists for the user.
    pub fn readable_row(&self, conn: &Connection, principal: &Principal, key: &[Value]) -> rusqlite::Result<Option<Vec<Value>>> {
        if self.is_readable(conn, principal, key)? { self.row(conn, key) } else { Ok(None) }
    }

    fn is_readable(&self, conn: &Connection, principal: &Principal, key: &[Value]) -> rusqlite::Result<bool> {
        for definition in &self.definitions {
            for bucket in definition.buckets_of_row(conn, key)? {
                if definition.may_open(conn, principal, &bucket)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The replicated columns of the row with this key.
    pub fn row(&self, conn: &Connection, key: &[Value]) -> rusqlite::Result<Option<Vec<Value>>> {
        find(conn, &self.sql.row, key, self.columns.len())
    }

    /// Calls `each` with the key and the replicated columns of every row.
    pub fn each_row<E: From<rusqlite::Error>>(&self, conn: &Connection, mut each: impl FnMut(Vec<Value>, Vec<Value>) -> Result<(), E>) -> Result<(), E> {
        let key_at: Vec<usize> = self.key.iter().filter_map(|name| self.columns.iter().position(|column| column == name)).collect();
        let mut statement = conn.prepare(&self.sql.rows)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let row = values(row, 0, self.columns.len())?;
            each(key_at.iter().map(|at| row[*at].clone()).collect(), row)?;
        }
        Ok(())
    }
}

fn find(conn: &Connection, sql: &str, key: &[Value], count: usize) -> rusqlite::Result<Option<Vec<Value>>> {
    conn.prepare_cached(sql)?.query_row(params_from_iter(key.iter().map(Bound)), |row| values(row, 0, count)).optional()
}

impl Sql {
    fn new(name: &str, columns: &[String], key: &[String]) -> Self {
        let table = quoted(name);
        let columns = quoted_list(columns);
        let key_condition = key.iter().map(|column| format!("{} = ?", quoted(column))).collect::<Vec<_>>().join(" AND ");
        Self {
            exists: format!("SELECT 1 FROM {table} WHERE {key_condition}"),
            row: format!("SELECT {columns} FROM {table} WHERE {key_condition}"),
            rows: format!("SELECT {columns} FROM {table}"),
            key_condition,
        }
    }
}
