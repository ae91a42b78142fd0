//! Which buckets a row is in, which rows are in a bucket, and which answers a changed row touches.
//!
//! A row on which a condition fails is in no bucket by that condition; the other rows do not notice.

use super::{
    Bucket, Definition, LookupKey,
    relation::{Relation, Variant},
};
use crate::storage::{
    binding::{Bound, quoted, values},
    rule::is_its_own,
};
use rusqlite::{Connection, OptionalExtension, params_from_iter, types::ValueRef};
use seaworthy_protocol::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A whole row: the value of every ordinary column.
pub type Row = BTreeMap<String, Value>;

impl Definition {
    /// The buckets that hold the row with this key as it stands; none if there is no row.
    pub fn buckets_of_row(&self, conn: &Connection, key: &[Value]) -> rusqlite::Result<Vec<Bucket>> {
        let mut buckets = BTreeSet::new();
        for (at, variant) in self.relation.variants.iter().enumerate() {
            if let Some(values) = self.values_of_row(conn, variant, key)? {
                buckets.insert(Bucket::new(self.number, at, &values));
            }
        }
        Ok(buckets.into_iter().collect())
    }

    /// Calls `each` with the key and the replicating columns of every row of a bucket.
    pub fn rows(&self, conn: &Connection, bucket: &Bucket, mut each: impl FnMut(Vec<Value>, Vec<Value>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let Some((variant, of_bucket)) = self.values_of(conn, bucket)? else { return Ok(()) };
        // Row by row: a condition that fails on one row is no reason to leave out the others.
        let selected = self.relation.columns(self.key.iter().chain(&self.columns));
        let parts: Vec<String> = variant.columns().zip(1..).map(|(column, at)| format!("{} = ?{at}", self.relation.column(column))).collect();
        let filter = if parts.is_empty() { String::new() } else { format!(" WHERE {}", parts.join(" AND ")) };
        let mut statement = conn.prepare_cached(&format!("SELECT {selected} FROM {}{filter}", self.relation.from()))?;
        let mut rows = statement.query(params_from_iter(of_bucket.iter().map(Bound)))?;
        while let Some(row) = rows.next()? {
            let key = values(row, 0, self.key.len())?;
            if variant.rows.is_empty() || self.values_of_row(conn, variant, &key)?.is_some() {
                each(key, values(row, self.key.len(), self.columns.len())?)?;
            }
        }
        Ok(())
    }

    /// Calls `each` with the key and the buckets of every row.
    pub fn each_row(&self, conn: &Connection, mut each: impl FnMut(Vec<Value>, Vec<Bucket>) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let mut statement = conn.prepare(&format!("SELECT {} FROM {}", self.relation.columns(&self.key), self.relation.from()))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = values(row, 0, self.key.len())?;
            let buckets = self.buckets_of_row(conn, &key)?;
            each(key, buckets)?;
        }
        Ok(())
    }

    /// What a changed row of `table` touches: more than it changes, perhaps, and never less.
    pub fn touched(&self, table: &str, before: Option<&Row>, after: Option<&Row>) -> Vec<LookupKey> {
        let mut touched = BTreeSet::new();
        for (number, lookup) in self.lookups.iter().enumerate().filter(|(_, lookup)| lookup.relation.table == table) {
            if is_same(&lookup.relation, before, after) {
                continue;
            }
            for (at, variant) in lookup.relation.variants.iter().enumerate() {
                let keys = [before, after].into_iter().flatten().filter_map(|row| values_of_image(variant, row));
                touched.extend(keys.map(|values| LookupKey::new(self.number, number, at, &values)));
            }
        }
        touched.into_iter().collect()
    }

    /// The values of a variant's columns in a row, if it selects the row.
    fn values_of_row(&self, conn: &Connection, variant: &Variant, key: &[Value]) -> rusqlite::Result<Option<Vec<Value>>> {
        let relation = &self.relation;
        let columns = variant.columns().map(|column| relation.column(column)).chain(["1".to_owned()]).collect::<Vec<_>>().join(", ");
        let of_key = self.key.iter().zip(1..).map(|(column, at)| format!("{}.{} = ?{at}", quoted(&relation.alias), quoted(column)));
        let condition = of_key.collect::<Vec<_>>().join(" AND ");
        let of_variant = relation.condition([], variant);
        let mut statement = conn.prepare_cached(&format!("SELECT {columns} FROM {} WHERE {condition} AND {of_variant}", relation.from()))?;
        let read = |row: &rusqlite::Row<'_>| {
            let mut found = Vec::with_capacity(variant.parameters.len());
            for (at, parameter) in variant.parameters.iter().enumerate() {
                let read = row.get_ref(at)?;
                // What is not UTF-8 equals nothing that is.
                let is_broken = matches!(read, ValueRef::Text(bytes) if std::str::from_utf8(bytes).is_err());
                found.push(parameter.class.collation.fold(crate::storage::binding::value(read)).filter(|_| !is_broken));
            }
            Ok(found.into_iter().collect::<Option<Vec<_>>>())
        };
        match statement.query_row(params_from_iter(key.iter().map(Bound)), read).optional() {
            Ok(found) => Ok(found.flatten()),
            Err(error) if is_its_own(&error) => {
                tracing::warn!(%error, stream = self.name, "a stream's query failed on a row, which is in no bucket of it");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a lookup cannot tell a row from what it was.
fn is_same(relation: &Relation, before: Option<&Row>, after: Option<&Row>) -> bool {
    match (before, after, &relation.used) {
        (Some(before), Some(after), Some(used)) => used.iter().all(|column| before.get(column) == after.get(column)),
        _ => false,
    }
}

fn values_of_image(variant: &Variant, row: &Row) -> Option<Vec<Value>> {
    variant.parameters.iter().map(|parameter| parameter.class.collation.fold(row.get(&parameter.column)?.clone())).collect()
}
