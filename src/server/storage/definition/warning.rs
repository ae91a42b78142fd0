//! What is allowed and slow.

use super::{Definition, relation::Relation};
use rusqlite::Connection;

impl Definition {
    /// What makes the stream slow, and what would help.
    pub fn warnings(&self, conn: &Connection) -> rusqlite::Result<Vec<String>> {
        let mut warnings = Vec::new();
        let relations = std::iter::once(&self.relation).chain(self.lookups.iter().map(|lookup| &lookup.relation));
        for relation in relations {
            slow(conn, relation, &mut warnings)?;
        }
        for lookup in self.lookups.iter().filter(|lookup| lookup.relation.variants.iter().any(|variant| variant.parameters.is_empty())) {
            let table = &lookup.relation.table;
            warnings.push(format!("a query on {table} compares no column with who asks: every change in {table} is looked at for every user"));
        }
        Ok(warnings)
    }
}

fn slow(conn: &Connection, relation: &Relation, warnings: &mut Vec<String>) -> rusqlite::Result<()> {
    for variant in relation.variants.iter().filter(|variant| !variant.parameters.is_empty()) {
        let condition = relation.condition(variant.columns().map(|column| (column, false)), variant);
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN SELECT 1 FROM {} WHERE {condition}", relation.from()))?;
        let mut rows = statement.raw_query();
        let plan: String = rows.next()?.map_or(Ok(String::new()), |row| row.get("detail"))?;
        if plan.starts_with("SCAN") {
            let columns: Vec<&str> = variant.columns().collect();
            let (table, columns) = (&relation.table, columns.join(", "));
            warnings.push(format!("all of {table} is read for each value of {columns}. An index would help: CREATE INDEX … ON {table} ({columns})"));
        }
    }
    Ok(())
}
