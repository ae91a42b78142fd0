//! Tables as they stand in the database: their columns, their key, their foreign keys.

use crate::StoreError;
use crate::schema::{Keys, TableSchema};
use rusqlite::Connection;
use seaworthy_protocol::Policy;
use std::os::raw::c_int;

/// A synced table, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub name: String,
    /// Every column that replicates, in table order. Generated columns are not among them.
    pub columns: Vec<Column>,
    /// Indexes into `columns`, in column order (the order of keys on the wire).
    pub key: Vec<usize>,
    pub parents: Vec<Parent>,
    /// The UNIQUE indexes besides the primary key's: by them rows with other keys may collide.
    pub uniques: Vec<Unique>,
    /// What its writes ask for where they meet another writer's change.
    pub policy: Policy,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub name: String,
    pub kind: String,
    pub nullable: bool,
    pub has_default: bool,
    /// The place among all columns of the table, generated ones too.
    pub place: c_int,
    /// The place in the primary key, from 1.
    pub key: Option<u32>,
}

/// A foreign key whose parent columns are the parent's primary key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub table: String,
    /// (column index here, column name there).
    pub columns: Vec<(usize, String)>,
}

/// An index that forbids duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unique {
    pub name: String,
    /// Its columns that compare by BINARY, as indexes into the table's. Rows that differ in one of them do not collide.
    pub columns: Vec<usize>,
    /// The columns that move a row in it; `None` where any may, since it has an expression or a condition.
    pub moved_by: Option<Vec<usize>>,
}

impl Table {
    /// Reads and checks a table that is to be synchronised.
    pub fn inspect(conn: &Connection, schema: &TableSchema) -> Result<Self, StoreError> {
        let TableSchema { name, keys, on_conflict: policy, .. } = schema;
        let unusable = |reason: &str| Err(StoreError::UnusableKey { table: name.clone(), reason: reason.to_owned() });
        let columns = columns_of(conn, name)?;
        if columns.is_empty() {
            return unusable("it does not exist, or is a view");
        }
        let key: Vec<usize> = (0..columns.len()).filter(|at| columns[*at].key.is_some()).collect();
        if key.is_empty() {
            return unusable("it declares no primary key: add one, for example id TEXT NOT NULL PRIMARY KEY");
        }
        if let Some(nullable) = key.iter().map(|at| &columns[*at]).find(|column| column.nullable) {
            return unusable(&format!("key column {:?} may be NULL: declare it NOT NULL", nullable.name));
        }
        let rowid_alias = key.len() == 1 && columns[key[0]].kind.eq_ignore_ascii_case("INTEGER") && key_collations(conn, name)?.is_empty();
        if rowid_alias && *keys != Keys::Application {
            return unusable(
                "its key is INTEGER PRIMARY KEY, and two offline replicas would choose the same number: use id(), or say keys: 'application' if your code assigns them",
            );
        }
        if let Some(collation) = key_collations(conn, name)?.into_iter().find(|c| !c.eq_ignore_ascii_case("BINARY")) {
            return unusable(&format!("its key compares by {collation}: keys must compare by BINARY, so drop COLLATE {collation} from the key column"));
        }
        let parents = parents_of(conn, name, &columns)?;
        let uniques = uniques_of(conn, name, &columns)?;
        Ok(Self { name: name.clone(), columns, key, parents, uniques, policy: *policy })
    }

    pub fn column_names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    pub fn is_key(&self, at: usize) -> bool {
        self.key.contains(&at)
    }
}

/// Quotes a name as an SQL identifier.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The ordinary columns of a table; empty if there is no such table.
pub(crate) fn columns_of(conn: &Connection, table: &str) -> Result<Vec<Column>, StoreError> {
    const SQL: &str = "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, cid
                       FROM pragma_table_xinfo(?1)
                       WHERE hidden = 0 AND EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)
                       ORDER BY cid";
    let mut statement = conn.prepare(SQL)?;
    let columns = statement.query_map([table], |row| {
        let key: u32 = row.get(4)?;
        let (nullable, has_default) = (!row.get::<_, bool>(2)?, row.get(3)?);
        Ok(Column { name: row.get(0)?, kind: row.get(1)?, nullable, has_default, place: row.get(5)?, key: (key > 0).then_some(key) })
    })?;
    Ok(columns.collect::<Result<_, _>>()?)
}

/// The indexes other than the primary key's that forbid duplicates.
pub(crate) fn uniques_of(conn: &Connection, table: &str, columns: &[Column]) -> Result<Vec<Unique>, StoreError> {
    const INDEXES: &str = "SELECT name, partial FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND origin <> 'pk' ORDER BY name";
    const TERMS: &str = "SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1";
    let mut statement = conn.prepare(INDEXES)?;
    let indexes: Vec<(String, bool)> = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut uniques = Vec::with_capacity(indexes.len());
    for (name, partial) in indexes {
        let mut unique = Unique { name, columns: Vec::new(), moved_by: (!partial).then(Vec::new) };
        let mut statement = conn.prepare(TERMS)?;
        let mut terms = statement.query([&unique.name])?;
        while let Some(term) = terms.next()? {
            let (name, collation): (Option<String>, String) = (term.get(0)?, term.get(1)?);
            let Some(at) = name.and_then(|name| columns.iter().position(|column| column.name == name)) else {
                unique.moved_by = None;
                continue;
            };
            unique.moved_by.iter_mut().for_each(|columns| columns.push(at));
            if collation.eq_ignore_ascii_case("BINARY") {
                unique.columns.push(at);
            }
        }
        uniques.push(unique);
    }
    Ok(uniques)
}

/// The collations of the primary key's index; empty for a rowid alias, which has no index.
fn key_collations(conn: &Connection, table: &str) -> Result<Vec<String>, StoreError> {
    const SQL: &str = "SELECT x.coll FROM pragma_index_list(?1) AS i, pragma_index_xinfo(i.name) AS x
                       WHERE i.origin = 'pk' AND x.key = 1";
    let mut statement = conn.prepare(SQL)?;
    let collations = statement.query_map([table], |row| row.get(0))?;
    Ok(collations.collect::<Result<_, _>>()?)
}

fn parents_of(conn: &Connection, table: &str, columns: &[Column]) -> Result<Vec<Parent>, StoreError> {
    const SQL: &str = "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq";
    let mut statement = conn.prepare(SQL)?;
    let rows = statement
        .query_map([table], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, Option<String>>(3)?)))?;
    let mut parents: Vec<(i64, Parent)> = Vec::new();
    for row in rows {
        let (id, parent, from, to) = row?;
        let Some(at) = columns.iter().position(|column| column.name.eq_ignore_ascii_case(&from)) else { continue };
        if parents.last().is_none_or(|(last, _)| *last != id) {
            parents.push((id, Parent { table: parent, columns: Vec::new() }));
        }
        let to = to.unwrap_or(from);
        parents.iter_mut().last().into_iter().for_each(|(_, p)| p.columns.push((at, to.clone())));
    }
    Ok(parents.into_iter().map(|(_, parent)| parent).collect())
}
