//! Write rules: who may insert, update and delete which rows, as expressions of SQL over the row.
//!
//! The database evaluates them on its own tables. What is known of the user is bound as values and never
//! becomes SQL. A rule denies unless it is true: NULL denies, so does an error in it, a claim that the token
//! lacks, and a claim of another type than the rule asks for.

#[cfg(test)]
mod tests;

use super::{
    binding::{Bound, quoted},
    text::{self, Fault, Known, Text},
};
use rusqlite::{Connection, ErrorCode, ffi, params_from_iter};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Op, Value};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::fmt;

/// The rules of a table as they are configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum WriteConfig {
    /// One for everything.
    All(String),
    /// One for each kind of change. A kind that has none is nobody's.
    Each(EachWrite),
}

/// See [`WriteConfig::Each`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EachWrite {
    /// Judges a new row.
    pub insert: Option<String>,
    /// Judges a row before and after it was changed.
    pub update: Option<String>,
    /// Judges a row that goes.
    pub delete: Option<String>,
}

impl<'de> Deserialize<'de> for WriteConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WriteVisitor)
    }
}

struct WriteVisitor;

impl<'de> Visitor<'de> for WriteVisitor {
    type Value = WriteConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an SQL expression, or one each for `insert`, `update` and `delete`")
    }

    fn visit_str<E>(self, text: &str) -> Result<WriteConfig, E> {
        Ok(WriteConfig::All(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WriteConfig, A::Error> {
        EachWrite::deserialize(MapAccessDeserializer::new(map)).map(WriteConfig::Each)
    }
}

/// A rule that cannot be used, and which it is: `write`, `write.insert` and so on.
pub struct BadRule {
    /// Its name in the configuration.
    pub setting: &'static str,
    /// What is wrong, and where.
    pub fault: Fault,
}

/// The rules of a table.
#[derive(Debug)]
pub struct Rules {
    insert: Option<Rule>,
    update: Option<Rule>,
    delete: Option<Rule>,
}

impl Rules {
    /// Checks every rule against the database.
    pub fn compile(conn: &Connection, table: &str, key: &[String], config: &WriteConfig) -> Result<Self, BadRule> {
        let rule = |setting, text: &Option<String>| {
            let compile = |text: &String| Rule::compile(conn, table, key, text).map_err(|fault| BadRule { setting, fault });
            text.as_ref().map(compile).transpose()
        };
        Ok(match config {
            WriteConfig::All(text) => {
                let all = rule("write", &Some(text.clone()))?;
                Self { insert: all.clone(), update: all.clone(), delete: all }
            }
            WriteConfig::Each(EachWrite { insert, update, delete }) => {
                Self { insert: rule("write.insert", insert)?, update: rule("write.update", update)?, delete: rule("write.delete", delete)? }
            }
        })
    }

    /// Whether the row with this key, as it stands now, may be changed like this. One that is not there may not.
    pub fn permit(&self, conn: &Connection, principal: &Principal, op: Op, key: &[Value]) -> rusqlite::Result<bool> {
        let rule = match op {
            Op::Insert => &self.insert,
            Op::Update => &self.update,
            Op::Delete => &self.delete,
        };
        rule.as_ref().map_or(Ok(false), |rule| rule.permits(conn, principal, key))
    }
}

/// One rule as one statement, which gives a row if it permits.
#[derive(Clone, Debug)]
struct Rule {
    sql: String,
    /// The values of its first parameters; those of the key follow.
    known: Vec<Known>,
}

impl Rule {
    fn compile(conn: &Connection, table: &str, key: &[String], text: &str) -> Result<Self, Fault> {
        let Text { sql: condition, known } = Text::read(text)?;
        let key_condition = key.iter().zip(known.len() + 1..).map(|(column, at)| format!("{} = ?{at}", quoted(column))).collect::<Vec<_>>().join(" AND ");
        let head = format!("SELECT 1 FROM {} WHERE {key_condition} AND (", quoted(table));
        // The line feed ends a comment that the rule may end with.
        let rule = Self { sql: format!("{head}{condition}\n)"), known };
        text::examine(conn, text, &rule.sql, head.len()).map(|()| rule)
    }

    fn permits(&self, conn: &Connection, principal: &Principal, key: &[Value]) -> rusqlite::Result<bool> {
        let Some(known) = self.known.iter().map(|known| known.value(principal)).collect::<Option<Vec<_>>>() else { return Ok(false) };
        let mut statement = conn.prepare_cached(&self.sql)?;
        match statement.exists(params_from_iter(known.iter().chain(key).map(Bound))) {
            Err(error) if is_its_own(&error) => {
                tracing::warn!(%error, rule = self.sql, "a write rule failed on a row, and denies");
                Ok(false)
            }
            permitted => permitted,
        }
    }
}

/// Whether the expression failed on the values of a row, and not the database.
pub fn is_its_own(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => failure.code == ErrorCode::TooBig || failure.extended_code == ffi::SQLITE_ERROR,
        _ => false,
    }
}
