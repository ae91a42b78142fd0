//! The configuration: a TOML file, then environment variables `SEAWORTHY_*`, then flags, each overriding the one before.
//!
//! Paths in the file are relative to the file. In variables two underscores stand for the dot:
//! `SEAWORTHY_AUTH__SECRET` sets `secret` of `[auth]`. Whatever is wrong is named with its place.

mod auth;
mod command;
mod endpoint;
mod error;
mod flags;
mod limits;
#[cfg(test)]
mod tests;

pub use auth::{Audience, AuthConfig, JwksConfig, JwksPlace, KeyConfig, Secret};
pub use command::{Command, ExplainFlags};
pub use endpoint::{EndpointConfig, HandlerConfig, SigningKey, WebhookConfig};
pub use error::ConfigError;
pub use flags::Flags;
pub use limits::Limits;

use crate::storage::{DEFAULT_RESTORE_WINDOW_MS, StreamConfigs, Tables};
use figment::{
    Figment,
    providers::{Env, Format as _, Toml},
    value::magic::RelativePathBuf,
};
use serde::Deserialize;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

/// Everything that the server is told.
#[derive(Debug)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The database file.
    pub database: PathBuf,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// A folder of static files to serve.
    pub www: Option<PathBuf>,
    /// Origins of other web pages that may use the server; `*` for all.
    pub allowed_origins: Vec<String>,
    /// Whose tokens are good.
    pub auth: AuthConfig,
    /// The synchronised tables.
    pub tables: Tables,
    /// The streams besides those that `owner` and `open` of a table stand for.
    pub streams: StreamConfigs,
    /// Write handlers of the backend, by name. Tables name the one that is asked about them.
    pub handlers: BTreeMap<String, HandlerConfig>,
    /// Addresses that are told of every accepted transaction, by name.
    pub webhooks: BTreeMap<String, WebhookConfig>,
    /// How old a copy may be from which the server is restored, in hours. Clients keep what was confirmed for so long.
    pub restore_window_hours: u32,
    /// See [`Limits`].
    pub limits: Limits,
    /// See [`LogFormat`].
    pub log: LogFormat,
    /// Whether anybody may have a token for the asking.
    pub dev: bool,
}

/// How the server's log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Keys whose values are texts even where they look like numbers.
const TEXT_KEYS: &[&str] = &["auth.issuer", "auth.audience", "auth.secret"];

const HOUR_MS: i64 = 60 * 60 * 1000;

/// The parts of the file that variables may override.
const SECTIONS: &[&str] = &[
    "listen",
    "database",
    "migrations",
    "www",
    "allowed_origins",
    "log",
    "restore_window_hours",
    "auth",
    "tables",
    "streams",
    "handlers",
    "webhooks",
    "limits",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sources {
    #[serde(default = "default_listen")]
    listen: String,
    #[serde(default = "default_database")]
    database: RelativePathBuf,
    #[serde(default = "default_migrations")]
    migrations: RelativePathBuf,
    www: Option<RelativePathBuf>,
    #[serde(default)]
    allowed_origins: Vec<String>,
    #[serde(default)]
    log: LogFormat,
    #[serde(default = "default_restore_window_hours")]
    restore_window_hours: u32,
    #[serde(default = "auth::default_auth")]
    auth: AuthConfig,
    #[serde(default)]
    tables: Tables,
    #[serde(default)]
    streams: StreamConfigs,
    #[serde(default)]
    handlers: BTreeMap<String, HandlerConfig>,
    #[serde(default)]
    webhooks: BTreeMap<String, WebhookConfig>,
    #[serde(default)]
    limits: Limits,
}

impl Config {
    /// Reads the file that the flags name, the environment, and the flags.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        if !flags.config.is_file() {
            return Err(ConfigError::NoFile { path: flags.config.clone() });
        }
        let sources: Sources = figment(flags).extract().map_err(ConfigError::from)?;
        let listen = flags.listen.clone().unwrap_or(sources.listen);
        let config = Self {
            listen: listen.parse().map_err(|_| ConfigError::Listen { found: listen })?,
            database: flags.database.clone().unwrap_or_else(|| sources.database.relative()),
            migrations: flags.migrations.clone().unwrap_or_else(|| sources.migrations.relative()),
            www: flags.www.clone().or_else(|| sources.www.map(|path| path.relative())),
            allowed_origins: sources.allowed_origins,
            auth: sources.auth,
            tables: sources.tables,
            streams: sources.streams,
            handlers: sources.handlers,
            webhooks: sources.webhooks,
            restore_window_hours: sources.restore_window_hours,
            limits: sources.limits,
            log: sources.log,
            dev: flags.dev,
        };
        config.check()?;
        Ok(config)
    }

    /// `restore_window_hours` in milliseconds.
    pub fn restore_window_ms(&self) -> i64 {
        i64::from(self.restore_window_hours) * HOUR_MS
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.auth.check(self.dev)?;
        if self.tables.is_empty() {
            return Err(ConfigError::NoTables);
        }
        self.check_endpoints()?;
        if let Some(path) = self.www.as_ref().filter(|path| !path.is_dir()) {
            return Err(ConfigError::NoWww { path: path.clone() });
        }
        if let Some(origin) = self.allowed_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(ConfigError::Origin { found: origin.clone() });
        }
        self.limits.check()
    }

    fn check_endpoints(&self) -> Result<(), ConfigError> {
        let named = |handler: &String| self.tables.values().any(|table| table.handler.as_ref() == Some(handler));
        for (name, handler) in &self.handlers {
            handler.endpoint(name)?;
            if !named(name) {
                return Err(ConfigError::IdleHandler { handler: name.clone() });
            }
        }
        for (table, config) in &self.tables {
            if let Some(handler) = config.handler.as_ref().filter(|handler| !self.handlers.contains_key(*handler)) {
                return Err(ConfigError::NoHandler { table: table.clone(), handler: handler.clone() });
            }
        }
        for (name, webhook) in &self.webhooks {
            webhook.endpoint(name)?;
            if let Some(table) = webhook.tables.iter().flatten().find(|table| !self.tables.contains_key(*table)) {
                return Err(ConfigError::WebhookTable { webhook: name.clone(), table: table.clone() });
            }
        }
        Ok(())
    }
}

fn figment(flags: &Flags) -> Figment {
    let known = |key: &figment::value::UncasedStr| {
        let section = key.as_str().split("__").next().unwrap_or_default().to_ascii_lowercase();
        SECTIONS.contains(&section.as_str())
    };
    let mut figment = Figment::from(Toml::file_exact(&flags.config)).merge(Env::prefixed("SEAWORTHY_").filter(known).split("__"));
    for key in TEXT_KEYS {
        let variable = format!("SEAWORTHY_{}", key.replace('.', "__").to_ascii_uppercase());
        if let Ok(text) = std::env::var(variable) {
            figment = figment.merge((*key, text));
        }
    }
    figment
}

/// A scheme and a host, perhaps a port, and nothing behind them: what browsers send.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains('/') && axum::http::HeaderValue::from_str(host).is_ok())
}

fn default_listen() -> String {
    "127.0.0.1:8787".to_owned()
}

fn default_restore_window_hours() -> u32 {
    (DEFAULT_RESTORE_WINDOW_MS / HOUR_MS) as u32
}

fn default_database() -> RelativePathBuf {
    "data/seaworthy.db".into()
}

fn default_migrations() -> RelativePathBuf {
    "migrations".into()
}
