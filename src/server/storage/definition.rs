//! A stream as it is declared: a query over one table, that names for every row the buckets that hold it.
//!
//! A bucket is one alternative of the query with its values filled in. The definition says of each row which
//! buckets it is in, and of each user which buckets may be opened, and the two together are what the query
//! says. What is said of a user is bound as values and never becomes SQL; a claim that the token lacks, or that
//! has another type, opens nothing.

mod atom;
mod bucket;
mod compile;
mod condition;
mod error;
mod head;
mod open;
mod relation;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod usage;
mod warning;

pub use bucket::{Bucket, LookupKey};
pub use error::{OpeningError, StreamError};
pub use open::Opened;
pub use rows::Row;

use super::{
    binding::{quoted, quoted_list},
    table::{TableConfig, Tables},
    text::{self, Fault, Known, Query},
};
use compile::{Compiler, MAX_CONDITIONS, MAX_QUERY_BYTES};
use head::Head;
use relation::{Lookup, Relation};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sqlparser::tokenizer::Token;
use std::collections::BTreeMap;

/// The last priority.
pub const MAX_PRIORITY: u8 = 3;

/// What the configuration says of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// The query.
    pub query: String,
    /// Whether every user has it without asking.
    #[serde(default)]
    pub auto: bool,
    /// Whether its rows are for everybody: it asks nothing about the user.
    #[serde(default)]
    pub public: bool,
    /// Which comes first when a device begins, from 0 on.
    #[serde(default = "default_priority")]
    pub priority: u8,
}

fn default_priority() -> u8 {
    1
}

/// The streams of a configuration by name.
pub type StreamConfigs = BTreeMap<String, StreamConfig>;

/// A stream that passed every check.
#[derive(Debug)]
pub struct Definition {
    /// Names it in buckets. Whoever stores definitions sets it.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// The table of its rows.
    pub table: String,
    /// See [`StreamConfig::auto`].
    pub auto: bool,
    /// See [`StreamConfig::public`].
    pub public: bool,
    /// See [`StreamConfig::priority`].
    pub priority: u8,
    /// The names of the parameters that a subscription gives, all of them.
    pub params: Vec<String>,
    query: String,
    /// What the parameters of the text stand for.
    asked: Vec<Known>,
    key: Vec<String>,
    columns: Vec<String>,
    relation: Relation,
    lookups: Vec<Lookup>,
}

impl TableConfig {
    /// The stream that `owner` or `open` stands for.
    pub fn shorthand(&self, table: &str) -> Option<StreamConfig> {
        let all = format!("SELECT * FROM {}", quoted(table));
        let query = match &self.owner {
            Some(owner) => format!("{all} WHERE {} = auth.user_id()", quoted(owner)),
            None if self.open => all,
            None => return None,
        };
        Some(StreamConfig { query, auto: true, public: self.owner.is_none(), priority: default_priority() })
    }
}

/// Every stream of a configuration, those that `owner` and `open` stand for too, numbered in their order from 1 on.
pub fn definitions(conn: &Connection, tables: &Tables, streams: &StreamConfigs) -> Result<Vec<Definition>, StreamError> {
    let shorthands = tables.iter().filter_map(|(name, table)| table.shorthand(name).map(|stream| (name, stream)));
    if let Some((name, _)) = shorthands.clone().find(|(name, _)| streams.contains_key(*name)) {
        return Err(StreamError::SameName { stream: name.clone() });
    }
    let all = streams.iter().map(|(name, stream)| (name, stream.clone())).chain(shorthands);
    let mut definitions = all.map(|(name, stream)| Definition::compile(conn, name, &stream, tables)).collect::<Result<Vec<_>, _>>()?;
    for (definition, number) in definitions.iter_mut().zip(1..) {
        definition.number = number;
    }
    Ok(definitions)
}

impl Definition {
    /// Reads and checks a stream against the database.
    pub fn compile(conn: &Connection, name: &str, config: &StreamConfig, tables: &Tables) -> Result<Self, StreamError> {
        let stream = || name.to_owned();
        if config.priority > MAX_PRIORITY {
            return Err(StreamError::Priority { stream: stream(), most: MAX_PRIORITY });
        }
        let fault = |fault| StreamError::Query { stream: stream(), fault };
        let query = read(&config.query).map_err(fault)?;
        let asks = query.filled.known.iter().any(|known| !matches!(known, Known::Param(_)));
        match (asks, config.public) {
            (true, true) => return Err(StreamError::NotPublic { stream: stream() }),
            (false, false) => return Err(StreamError::Public { stream: stream() }),
            _ => {}
        }
        let definition = Self::read(conn, name, config, tables, &query).map_err(fault)?;
        if let Some(param) = definition.params.first().filter(|_| config.auto) {
            return Err(StreamError::AutoParam { stream: stream(), param: param.clone() });
        }
        definition.check_usage(&config.query, &query).map_err(fault)?;
        text::examine(conn, &config.query, &query.filled.sql, 0).map_err(fault)?;
        Ok(definition)
    }

    fn read(conn: &Connection, name: &str, config: &StreamConfig, tables: &Tables, query: &Query) -> Result<Self, Fault> {
        let text = &config.query;
        let head = Head::read(text, &query.words)?;
        let mut compiler = Compiler::new(conn, text, query);
        let table = compiler.table(&head)?;
        let Some(configured) = tables.get(&table.name) else {
            let problem = format!("{} is not synchronised. Add a section [tables.{}]", table.name, table.name);
            return Err(Fault::at_byte(text, head.table.start, problem));
        };
        if !matches!(head.unqualified(), [all] if all.word.token == Token::Mul) {
            let place = head.selected.first().map_or(0, |first| first.start);
            let problem = format!("which columns replicate belongs to the table, not to the query. Write SELECT *, and `columns` in [tables.{}]", table.name);
            return Err(Fault::at_byte(text, place, problem));
        }
        let relation = compiler.relation(&table, &head, false)?;
        let lookups = compiler.lookups;
        let listed = |name: &String| configured.columns.as_ref().is_none_or(|listed| listed.contains(name));
        let columns = table.columns.iter().filter(|column| !column.is_generated && listed(&column.name)).map(|column| column.name.clone()).collect();
        let key = table.columns.iter().filter(|column| column.is_key).map(|column| column.name.clone()).collect();
        Ok(Self {
            number: 0,
            name: name.to_owned(),
            table: table.name.clone(),
            auto: config.auto,
            public: config.public,
            priority: config.priority,
            params: compile::params(&query.filled.known),
            query: text.clone(),
            asked: query.filled.known.clone(),
            key,
            columns,
            relation,
            lookups,
        })
    }

    /// Text that changes exactly when replicas must fetch the rows anew.
    pub fn fingerprint(&self) -> String {
        let relations = std::iter::once(&self.relation).chain(self.lookups.iter().map(|lookup| &lookup.relation));
        let classes = relations.flat_map(|relation| &relation.variants).flat_map(|variant| &variant.parameters);
        let classes: Vec<String> = classes.map(|parameter| format!("{} {:?}", quoted(&parameter.column), parameter.class)).collect();
        format!("{}; key {}; columns {}; {}", self.query, quoted_list(&self.key), quoted_list(&self.columns), classes.join(", "))
    }

    /// The tables whose changes must be recorded besides those that replicate: those of lookups.
    pub fn lookup_tables(&self) -> impl Iterator<Item = &str> {
        self.lookups.iter().map(|lookup| lookup.relation.table.as_str())
    }
}

/// Bounds before anything is parsed.
fn read(text: &str) -> Result<Query, Fault> {
    if text.len() > MAX_QUERY_BYTES {
        return Err(Fault::at_byte(text, 0, format!("the query is longer than {MAX_QUERY_BYTES} bytes. Make several streams of it")));
    }
    let words = text.split(|c: char| !c.is_alphanumeric());
    if words.filter(|word| word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("or")).count() > MAX_CONDITIONS {
        return Err(Fault::at_byte(text, 0, format!("the query has more than {MAX_CONDITIONS} ANDs and ORs. Make several streams of it")));
    }
    Query::read(text)
}
