//! A query in its normal form: the rows of one table, as alternatives that each name them by values.

use super::schema::Class;
use crate::storage::{binding::quoted, text::Known};

/// The rows of one table that a query selects.
#[derive(Debug)]
pub struct Relation {
    /// The table.
    pub table: String,
    /// What the query calls it.
    pub alias: String,
    /// A row is selected if one of these selects it.
    pub variants: Vec<Variant>,
    /// The columns on which it depends whether a row is selected; nothing if that cannot be said.
    pub used: Option<Vec<String>>,
}

/// Conditions that must all be true.
#[derive(Debug, Default)]
pub struct Variant {
    /// The columns whose values name a bucket.
    pub parameters: Vec<Parameter>,
    /// What is asked of the row alone, in SQL.
    pub rows: Vec<String>,
    /// What is asked of who asks.
    pub requests: Vec<Request>,
}

/// A column, and what its value must be, all of it.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub column: String,
    /// How it compares.
    pub class: Class,
    /// Where its value comes from.
    pub sources: Vec<Source>,
}

/// Where the value of a parameter comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// From the token or the subscription.
    Asked(Known),
    /// From the lookup with this number.
    Lookup(usize),
}

/// A condition on who asks.
#[derive(Clone, Debug)]
pub enum Request {
    /// In SQL, with the parameters of the whole text.
    Sql { sql: String, known: Vec<Known> },
    /// Whether a lookup has the value.
    Among { known: Known, lookup: usize, negated: bool },
}

/// A query inside of another.
#[derive(Debug)]
pub struct Lookup {
    /// The rows that it selects.
    pub relation: Relation,
    /// The column that it gives.
    pub out: String,
    /// How that column compares.
    pub class: Class,
    /// Whether it is compared as numbers though it holds none.
    pub is_number: bool,
    /// How what its values are compared with compares.
    pub outer: Class,
}

impl Relation {
    /// For FROM.
    pub fn from(&self) -> String {
        format!("{} AS {}", quoted(&self.table), quoted(&self.alias))
    }

    /// A column of it.
    pub fn column(&self, name: &str) -> String {
        format!("{}.{}", quoted(&self.alias), quoted(name))
    }

    /// Columns of it, in a list.
    pub fn columns<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> String {
        names.into_iter().map(|name| self.column(name)).collect::<Vec<_>>().join(", ")
    }

    /// A condition that is true of the rows of a bucket. A column whose value is free only must not be NULL.
    pub fn condition<'a>(&self, parts: impl IntoIterator<Item = (&'a str, bool)>, variant: &Variant) -> String {
        let mut at = 0;
        let parts = parts.into_iter().map(|(column, is_free)| {
            at += usize::from(!is_free);
            let column = self.column(column);
            if is_free { format!("{column} IS NOT NULL") } else { format!("{column} = ?{at}") }
        });
        // A line feed ends a comment in the text of a condition.
        let all: Vec<String> = parts.chain(variant.rows.iter().map(|sql| format!("({sql}\n)"))).collect();
        if all.is_empty() { "true".to_owned() } else { all.join(" AND ") }
    }
}

impl Variant {
    /// The names of the columns that name a bucket.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.column.as_str())
    }
}
