//! `check`: everything that could stop a start, and what was found.

use super::{counted, list};
use crate::{
    auth::Tokens,
    config::Config,
    handler::Handlers,
    run::{RunError, with_configured},
    storage::{Definition, Inspection, OpenError, Served, TableConfig, load_migrations},
};
use serde::Serialize;
use std::{collections::BTreeSet, fmt, path::PathBuf};

/// What a good configuration says.
#[derive(Debug, Serialize)]
pub struct Findings {
    /// The database.
    pub database: FoundDatabase,
    /// The synchronised tables.
    pub tables: Vec<FoundTable>,
    /// The streams, also those that `owner` and `open` stand for.
    pub streams: Vec<FoundStream>,
}

/// The database.
#[derive(Debug, Serialize)]
pub struct FoundDatabase {
    /// Its file.
    pub path: PathBuf,
    /// Whether it is there.
    pub exists: bool,
    /// Migrations that the next start runs.
    pub pending: Vec<String>,
}

/// A synchronised table.
#[derive(Debug, Serialize)]
pub struct FoundTable {
    /// Its name.
    pub name: String,
    /// The columns that replicate.
    pub columns: Vec<String>,
    /// The columns of its key.
    pub key: Vec<String>,
    /// The streams of its rows.
    pub streams: Vec<String>,
    /// Who writes it.
    pub writers: Writers,
    /// The write handler that is asked.
    pub handler: Option<String>,
}

/// Who writes a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Writers {
    /// Whoever its rule permits.
    Rule,
    /// The user in the owner column.
    Owner,
    /// Every user.
    Everybody,
    /// No user.
    Nobody,
}

/// A stream.
#[derive(Debug, Serialize)]
pub struct FoundStream {
    /// Its name.
    pub name: String,
    /// The table of its rows.
    pub table: String,
    /// The parameters that a subscription gives.
    pub params: Vec<String>,
    /// When it comes, from 0 on.
    pub priority: u8,
    /// Whether every user has it without asking.
    pub auto: bool,
    /// Whether its rows are for everybody.
    pub public: bool,
    /// The tables that it looks things up in.
    pub lookups: Vec<String>,
    /// What is slow about it.
    pub warnings: Vec<String>,
}

/// Checks all that a start would check, but for the address to listen on.
pub async fn check(config: &Config) -> Result<Findings, RunError> {
    let tokens = Tokens::new(&config.auth)?;
    tokens.start().await?;
    with_configured(Handlers::default(), config)?;
    let migrations = load_migrations(&config.migrations)?;
    let inspection = Inspection::open(&config.database, Served { tables: &config.tables, streams: &config.streams }, &migrations)?;
    let streams = inspection.definitions().iter().map(|definition| Ok(stream(definition, inspection.warnings(definition)?)));
    let streams = streams.collect::<rusqlite::Result<_>>().map_err(OpenError::from)?;
    let tables = inspection.tables().map(|table| {
        let streams = table.definitions.iter().map(|definition| definition.name.clone()).collect();
        let configured = config.tables.get(&table.name);
        FoundTable {
            name: table.name.clone(),
            columns: table.columns.clone(),
            key: table.key.clone(),
            streams,
            writers: configured.map_or(Writers::Nobody, writers),
            handler: configured.and_then(|table| table.handler.clone()),
        }
    });
    let tables = tables.collect();
    let database = FoundDatabase { path: config.database.clone(), exists: inspection.exists, pending: inspection.pending };
    Ok(Findings { database, tables, streams })
}

fn writers(table: &TableConfig) -> Writers {
    match (&table.write, &table.owner, table.open) {
        (Some(_), ..) => Writers::Rule,
        (None, Some(_), _) => Writers::Owner,
        (None, None, true) => Writers::Everybody,
        (None, None, false) => Writers::Nobody,
    }
}

fn stream(definition: &Definition, warnings: Vec<String>) -> FoundStream {
    let lookups: BTreeSet<&str> = definition.lookup_tables().collect();
    FoundStream {
        name: definition.name.clone(),
        table: definition.table.clone(),
        params: definition.params.clone(),
        priority: definition.priority,
        auto: definition.auto,
        public: definition.public,
        lookups: lookups.into_iter().map(str::to_owned).collect(),
        warnings,
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, tables, streams } = self;
        writeln!(f, "database {}: {database}", database.path.display())?;
        for table in tables {
            writeln!(f, "{table}")?;
        }
        for stream in streams {
            writeln!(f, "{stream}")?;
            for warning in &stream.warnings {
                writeln!(f, "  warning: {warning}")?;
            }
        }
        let warnings = streams.iter().map(|stream| stream.warnings.len() as u64).sum();
        write!(
            f,
            "The configuration is good: {}, {}, {}.",
            counted(tables.len() as u64, "table"),
            counted(streams.len() as u64, "stream"),
            counted(warnings, "warning")
        )
    }
}

impl fmt::Display for FoundDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.exists, self.pending.as_slice()) {
            (false, _) => f.write_str("not there yet. The first start creates it"),
            (true, []) => f.write_str("every migration was run"),
            (true, pending) => write!(f, "the next start runs {}, which were tried without its rows", pending.join(", ")),
        }
    }
}

impl fmt::Display for FoundTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writers = match self.writers {
            Writers::Rule => "whoever the rule permits",
            Writers::Owner => "the owner",
            Writers::Everybody => "everybody",
            Writers::Nobody => "nobody",
        };
        let Self { name, columns, key, streams, handler, .. } = self;
        write!(f, "table {name}: columns {}; key {}; streams {}; written by {writers}", list(columns), list(key), list(streams))?;
        handler.as_ref().map_or(Ok(()), |handler| write!(f, "; handler {handler}"))
    }
}

impl fmt::Display for FoundStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, table, params, priority, .. } = self;
        let (whose, how) = (if self.public { "public" } else { "private" }, if self.auto { "automatic" } else { "on subscription" });
        write!(f, "stream {name}: rows of {table}; parameters {}; priority {priority}; {whose}, {how}", list(params))?;
        if self.lookups.is_empty() { Ok(()) } else { write!(f, "; looks up {}", list(&self.lookups)) }
    }
}
