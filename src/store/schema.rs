//! The application's schema as TypeScript declares it, and the tables made from it.
//!
//! What is missing in the database is created; a new column is added when old rows can have it.
//! Anything else that differs is refused with a sentence per difference, and nothing is changed.

use crate::StoreError;
use crate::table::{columns_of, quote};
use rusqlite::Connection;
use seaworthy_protocol::{Policy, Value};
use serde::Deserialize;

/// The declared schema.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Schema {
    /// Raised by the application with every change.
    #[serde(default)]
    pub version: u32,
    /// The tables.
    pub tables: Vec<TableSchema>,
    /// Idempotent statements run at open, for local full-text tables, triggers and views.
    #[serde(default)]
    pub sql: Vec<String>,
}

/// A declared table.
#[derive(Clone, Debug, Deserialize)]
pub struct TableSchema {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnSchema>,
    /// The primary key's columns, in order.
    pub primary_key: Vec<String>,
    /// Further indexes.
    #[serde(default)]
    pub indexes: Vec<IndexSchema>,
    /// The table never leaves the device.
    #[serde(default)]
    pub local_only: bool,
    /// Who chooses keys. A rowid alias needs [`Keys::Application`].
    #[serde(default)]
    pub keys: Keys,
    /// What writes of this table ask of the server when they meet another writer's change.
    #[serde(default)]
    pub on_conflict: Policy,
}

/// Who chooses a table's primary keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// Whoever inserts; SQLite must not.
    #[default]
    Unique,
    /// The application assigns integers that no other replica will choose.
    Application,
}

/// A declared column.
#[derive(Clone, Debug, Deserialize)]
pub struct ColumnSchema {
    /// Its name.
    pub name: String,
    /// Its storage type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether NULL may stand in it.
    #[serde(default)]
    pub nullable: bool,
    /// What old rows get when the column is added.
    #[serde(default)]
    pub default: Option<Value>,
    /// A foreign key.
    #[serde(default)]
    pub references: Option<Reference>,
    /// No two rows may have the same value.
    #[serde(default)]
    pub unique: bool,
}

/// SQLite's storage types. Others would give NUMERIC affinity by surprise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum ColumnType {
    Integer,
    Real,
    Text,
    Blob,
}

/// A foreign key of one column.
#[derive(Clone, Debug, Deserialize)]
pub struct Reference {
    /// The parent table.
    pub table: String,
    /// The parent column.
    pub column: String,
    /// `cascade`, `restrict`, `set null` or `no action`.
    #[serde(default)]
    pub on_delete: Option<String>,
}

/// A declared index.
#[derive(Clone, Debug, Deserialize)]
pub struct IndexSchema {
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// Whether it forbids duplicates.
    #[serde(default)]
    pub unique: bool,
}

impl Schema {
    /// Parses the JSON form.
    pub fn from_json(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|e| StoreError::BadSchema { reason: e.to_string() })
    }

    /// Creates what is missing and compares the rest. Runs inside the caller's transaction.
    pub(crate) fn realise(&self, conn: &Connection) -> Result<(), StoreError> {
        let mut differences = Vec::new();
        for table in &self.tables {
            table.check()?;
            let existing = columns_of(conn, &table.name)?;
            if existing.is_empty() {
                conn.execute_batch(&table.create_sql()?)?;
            } else {
                table.evolve(conn, &existing, &mut differences)?;
            }
            for index in &table.indexes {
                conn.execute_batch(&index.create_sql(&table.name))?;
            }
        }
        if !differences.is_empty() {
            return Err(StoreError::SchemaMismatch { differences });
        }
        for sql in &self.sql {
            conn.execute_batch(sql)?;
        }
        Ok(())
    }
}

impl TableSchema {
    fn check(&self) -> Result<(), StoreError> {
        let bad = |reason: String| Err(StoreError::BadSchema { reason });
        let lower = self.name.to_ascii_lowercase();
        if self.name.is_empty() || self.name.contains('\0') || lower.starts_with("sqlite_") || lower.starts_with("seaworthy_") {
            return bad(format!("{:?} cannot be the name of a table: choose one that is not empty and does not begin with sqlite_ or seaworthy_", self.name));
        }
        if self.columns.is_empty() {
            return bad(format!("table {:?} has no columns", self.name));
        }
        if self.columns.iter().any(|column| column.name.is_empty() || column.name.contains('\0')) {
            return bad(format!("table {:?} has a column without a name", self.name));
        }
        if self.primary_key.is_empty() {
            let reason = "it declares no primary key: add one, for example id: id()".to_owned();
            return Err(StoreError::UnusableKey { table: self.name.clone(), reason });
        }
        match self.primary_key.iter().find(|name| !self.columns.iter().any(|column| column.name == **name)) {
            Some(missing) => bad(format!("the primary key of {:?} names {missing:?}, which is not one of its columns", self.name)),
            None => Ok(()),
        }
    }

    fn create_sql(&self) -> Result<String, StoreError> {
        let mut parts = Vec::new();
        for column in &self.columns {
            parts.push(column.create_sql(self.primary_key.contains(&column.name))?);
        }
        let key: Vec<_> = self.primary_key.iter().map(|name| quote(name)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        Ok(format!("CREATE TABLE {} ({})", quote(&self.name), parts.join(", ")))
    }

    fn evolve(&self, conn: &Connection, existing: &[crate::table::Column], differences: &mut Vec<String>) -> Result<(), StoreError> {
        let table = &self.name;
        for column in &self.columns {
            let is_key = self.primary_key.contains(&column.name);
            let Some(found) = existing.iter().find(|c| c.name == column.name) else {
                if is_key || !(column.nullable || column.default.is_some()) {
                    differences
                        .push(format!("column {table}.{} is new, and rows that exist could not have it: make it nullable or give it a default", column.name));
                } else {
                    conn.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {}", quote(table), column.create_sql(false)?))?;
                }
                continue;
            };
            let declared = column.kind.sql();
            if !found.kind.eq_ignore_ascii_case(declared) {
                differences.push(format!("column {table}.{} is {} in the database and {declared} in the schema", column.name, found.kind));
            }
            if found.key.is_some() != is_key {
                differences.push(format!("column {table}.{} is {}part of the primary key in the database", column.name, if is_key { "not " } else { "" }));
            }
            if !is_key && found.nullable != column.nullable {
                differences.push(format!("column {table}.{} is {} in the database", column.name, if found.nullable { "nullable" } else { "NOT NULL" }));
            }
        }
        let dropped = existing.iter().filter(|c| !c.nullable && !c.has_default && !self.columns.iter().any(|d| d.name == c.name));
        differences.extend(dropped.map(|c| format!("column {table}.{} is NOT NULL in the database and missing in the schema", c.name)));
        Ok(())
    }
}

impl ColumnType {
    fn sql(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
            Self::Blob => "BLOB",
        }
    }
}

impl ColumnSchema {
    fn create_sql(&self, is_key: bool) -> Result<String, StoreError> {
        let mut sql = format!("{} {}", quote(&self.name), self.kind.sql());
        if is_key || !self.nullable {
            sql.push_str(" NOT NULL");
        }
        if let Some(value) = &self.default {
            sql.push_str(" DEFAULT ");
            sql.push_str(&literal(value));
        }
        if self.unique {
            sql.push_str(" UNIQUE");
        }
        if let Some(reference) = &self.references {
            sql.push_str(&format!(" REFERENCES {} ({})", quote(&reference.table), quote(&reference.column)));
            match reference.on_delete.as_deref().map(str::to_ascii_lowercase).as_deref() {
                None | Some("no action") => {}
                Some("cascade") => sql.push_str(" ON DELETE CASCADE"),
                Some("restrict") => sql.push_str(" ON DELETE RESTRICT"),
                Some("set null") => sql.push_str(" ON DELETE SET NULL"),
                Some(other) => {
                    return Err(StoreError::BadSchema { reason: format!("{other:?} is not an action: use cascade, restrict, set null or no action") });
                }
            }
        }
        Ok(sql)
    }
}

impl IndexSchema {
    fn create_sql(&self, table: &str) -> String {
        let unique = if self.unique { "UNIQUE " } else { "" };
        let name = format!("{table}_{}_{}", self.columns.join("_"), if self.unique { "unique" } else { "index" });
        let columns: Vec<_> = self.columns.iter().map(|column| quote(column)).collect();
        format!("CREATE {unique}INDEX IF NOT EXISTS {} ON {} ({})", quote(&name), quote(table), columns.join(", "))
    }
}

/// A value as an SQL literal.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(i) => format!("({i})"),
        Value::Real(r) => format!("({r:?})"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}
