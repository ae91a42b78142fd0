//! A synchronised table as the server serves it: its columns, its key, who sees which row, and its SQL.
//!
//! A bucket is a table with an owner, or a table that is open. A user's buckets hold all that the
//! user may read in this table; a row in no bucket of the user does not exist for the user. Where no
//! rules say otherwise, the user may write what is in these buckets, and leave it there.

use super::{
    binding::{Bound, quoted, quoted_list, values},
    rule::{BadRule, Rules},
    table::{self, TableError, Tables},
};
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::ValueRef};
use seaworthy_engine::client::User;
use seaworthy_protocol::{Policy, Value};
use std::collections::BTreeMap;

/// All synchronised tables.
#[derive(Debug, Default)]
pub struct Streams(BTreeMap<String, Stream>);

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
    /// Who sees which row.
    pub access: Access,
    /// What becomes of writes that meet.
    pub policy: Policy,
    /// Who may write which row, where that is not whoever may read it.
    pub rules: Option<Rules>,
    /// Statements that do not depend on a change.
    pub sql: Sql,
}

/// Who sees which row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// The user whose subject stands in this column.
    Owner {
        /// The column.
        column: String,
    },
    /// Everybody.
    Open,
}

/// A row as one user finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is no such row.
    Missing,
    /// The row is in a bucket of the user.
    Own,
    /// The row is in no bucket of the user.
    Foreign,
}

/// The statements of a table, prepared as text.
#[derive(Debug)]
pub struct Sql {
    /// The bucket of a row, by key. One row if it exists.
    pub bucket: String,
    /// The replicated columns of a row, by key, followed by its bucket.
    pub row: String,
    /// The replicated columns of every row of a bucket.
    pub bucket_rows: String,
    /// The key of every row, followed by its bucket.
    pub keys: String,
    /// The bucket of every row, in a column named `bucket`.
    pub buckets: String,
    /// `k1 = ? AND k2 = ?`.
    pub key_condition: String,
}

/// The bucket of a table that is open.
const OPEN_BUCKET: &str = "*";

impl Streams {
    /// Checks every table against the database.
    pub fn resolve(conn: &Connection, tables: &Tables) -> Result<Self, TableError> {
        table::check_triggers(conn)?;
        let stream = |(name, config): (&String, &table::TableConfig)| {
            let examined = table::examine(conn, name, config)?;
            let listed = |column: &&table::Column| config.columns.as_ref().is_none_or(|listed| listed.contains(&column.name));
            let columns: Vec<String> = examined.columns.iter().filter(listed).map(|column| column.name.clone()).collect();
            let key: Vec<String> = examined.columns.iter().filter(|column| column.is_key).map(|column| column.name.clone()).collect();
            let access = config.owner.clone().map_or(Access::Open, |column| Access::Owner { column });
            let sql = Sql::new(name, &columns, &key, &access);
            let bad = |BadRule { setting, fault }| TableError::Rule { table: name.clone(), setting, fault };
            let rules = config.write.as_ref().map(|write| Rules::compile(conn, name, &key, write)).transpose().map_err(bad)?;
            let recorded = examined.columns.into_iter().map(|column| column.name).collect();
            Ok((
                name.clone(),
                Stream { name: name.clone(), columns, key, recorded, has_rowid: examined.has_rowid, access, policy: config.conflict, rules, sql },
            ))
        };
        tables.iter().map(stream).collect::<Result<_, _>>().map(Self)
    }

    /// The stream of a table.
    pub fn get(&self, table: &str) -> Option<&Stream> {
        self.0.get(table)
    }

    /// Every stream, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.0.values()
    }
}

impl Stream {
    /// What decides whether replicas that hold rows of this table must fetch them anew.
    pub fn definition(&self) -> String {
        let access = match &self.access {
            Access::Owner { column } => format!("owner {}", quoted(column)),
            Access::Open => "open".to_owned(),
        };
        format!("{access}; key {}; columns {}", quoted_list(&self.key), quoted_list(&self.columns))
    }

    /// The bucket in this table that the user may open.
    pub fn bucket_of_user(&self, user: &User) -> String {
        match self.access {
            Access::Owner { .. } => format!("={}", user.subject),
            Access::Open => OPEN_BUCKET.to_owned(),
        }
    }

    /// The bucket of a row whose owner column has this value. An owner that is not a text is nobody.
    pub fn bucket_of_owner(&self, owner: &Value) -> Option<String> {
        match (&self.access, owner) {
            (Access::Open, _) => Some(OPEN_BUCKET.to_owned()),
            (Access::Owner { .. }, Value::Text(subject)) => Some(format!("={subject}")),
            (Access::Owner { .. }, _) => None,
        }
    }

    /// The bucket of the row with this key; the inner `None` is a row that nobody owns.
    pub fn bucket_of_key(&self, conn: &Connection, key: &[Value]) -> rusqlite::Result<Option<Option<String>>> {
        let mut statement = conn.prepare_cached(&self.sql.bucket)?;
        statement.query_row(params_from_iter(key.iter().map(Bound)), |row| bucket(row, 0)).optional()
    }

    /// How the user finds the row with this key.
    pub fn standing(&self, conn: &Connection, user: &User, key: &[Value]) -> rusqlite::Result<Standing> {
        Ok(match self.bucket_of_key(conn, key)? {
            None => Standing::Missing,
            Some(Some(bucket)) if bucket == self.bucket_of_user(user) => Standing::Own,
            Some(_) => Standing::Foreign,
        })
    }

    /// The replicated columns of the row with this key, if it exists for the user.
    pub fn readable_row(&self, conn: &Connection, user: &User, key: &[Value]) -> rusqlite::Result<Option<Vec<Value>>> {
        let count = self.columns.len();
        let read = |row: &rusqlite::Row<'_>| Ok((bucket(row, count)?, values(row, 0, count)?));
        let found = conn.prepare_cached(&self.sql.row)?.query_row(params_from_iter(key.iter().map(Bound)), read).optional()?;
        Ok(found.filter(|(bucket, _)| bucket.as_deref() == Some(self.bucket_of_user(user).as_str())).map(|(_, row)| row))
    }

    /// Calls `each` with the key and the bucket of every row.
    pub fn each_key(&self, conn: &Connection, mut each: impl FnMut(Vec<Value>, Option<String>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let mut statement = conn.prepare(&self.sql.keys)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            each(values(row, 0, self.key.len())?, bucket(row, self.key.len())?)?;
        }
        Ok(())
    }
}

impl Sql {
    fn new(name: &str, columns: &[String], key: &[String], access: &Access) -> Self {
        let table = quoted(name);
        let columns = quoted_list(columns);
        let keys = quoted_list(key);
        let key_condition = key.iter().map(|column| format!("{} = ?", quoted(column))).collect::<Vec<_>>().join(" AND ");
        let (bucket, of_bucket) = match access {
            Access::Owner { column } => {
                let owner = quoted(column);
                (format!("CASE typeof({owner}) WHEN 'text' THEN '=' || {owner} END"), format!("{owner} = substr(?1, 2) COLLATE BINARY"))
            }
            Access::Open => (format!("'{OPEN_BUCKET}'"), "?1 IS NOT NULL".to_owned()),
        };
        Self {
            bucket: format!("SELECT {bucket} FROM {table} WHERE {key_condition}"),
            row: format!("SELECT {columns}, {bucket} FROM {table} WHERE {key_condition}"),
            bucket_rows: format!("SELECT {columns} FROM {table} WHERE {of_bucket}"),
            keys: format!("SELECT {keys}, {bucket} FROM {table}"),
            buckets: format!("SELECT {bucket} AS bucket FROM {table}"),
            key_condition,
        }
    }
}

/// A bucket that a statement of [`Sql`] computed.
pub fn bucket(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        _ => None,
    })
}
