//! What is wrong with a configuration, where, and what to do.

use figment::error::Kind;
use std::path::PathBuf;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("there is no configuration file {}. Create it, or name another with --config", path.display())]
    NoFile { path: PathBuf },
    #[error("{place}: {problem}")]
    Source { place: String, problem: String },
    #[error("listen: {found:?} is not an address with a port. Write it like 127.0.0.1:8787 or [::]:8787")]
    Listen { found: String },
    #[error(
        "there is no key to check tokens with. Set auth.secret to at least 32 random bytes, best in the variable SEAWORTHY_AUTH__SECRET, \
         or name the keys of your sign-in in [[auth.keys]] or [auth.jwks], or start with --dev to try things out"
    )]
    NoSecret,
    #[error("auth.secret is too short. HS256 needs at least {least} bytes")]
    ShortSecret { least: usize },
    #[error("auth.audience is empty. Write the `aud` of your tokens, or a list of those that are good")]
    NoAudience,
    #[error("auth.keys: entry {nth} (counted from 0) needs either `key`, a text with a PEM or a JWK, or `file`, a file with one")]
    KeySource { nth: usize },
    #[error("auth.keys: two keys have the kid {kid:?}. Give each its own")]
    SameKid { kid: String },
    #[error("auth.jwks needs either `url` or `file`")]
    JwksSource,
    #[error("auth.jwks.url is not an address that can be fetched. Write it like https://id.example.com/.well-known/jwks.json, without a user or a password")]
    JwksUrl,
    #[error("auth.jwks.{name} must lie between {least} and {most}")]
    JwksBound { name: &'static str, least: u64, most: u64 },
    #[error("no table is synchronised. Add a section like [tables.todos] with owner = \"<column>\" or open = true")]
    NoTables,
    #[error("www: there is no folder {}. Build the web page first, or correct the path", path.display())]
    NoWww { path: PathBuf },
    #[error("allowed_origins: {found:?} is not an origin. Write it like https://app.example.com, with no path, or \"*\" for all")]
    Origin { found: String },
    #[error("{section}.url is not an address that can be posted to. Write it like https://backend.example.com/writes, without a user or a password")]
    EndpointUrl { section: String },
    #[error("{section} needs either `secret` or `secret_file`, or its secret in the variable SEAWORTHY_{}__SECRET", section.replace('.', "__").to_ascii_uppercase())]
    EndpointSecret { section: String },
    #[error("{section}.secret_file: {} cannot be read: {source}. Correct the path or its permissions", path.display())]
    EndpointFile { section: String, path: PathBuf, source: std::io::Error },
    #[error(
        "{section}.secret is too short or broken. Write whsec_ and the base64 of at least {least} random bytes, as `echo whsec_$(openssl rand -base64 32)` does"
    )]
    EndpointKey { section: String, least: usize },
    #[error("{section}.{name} must lie between {least} and {most}")]
    EndpointBound { section: String, name: &'static str, least: u64, most: u64 },
    #[error("tables.{table}.handler: there is no section [handlers.{handler}]. Add it, or correct the name")]
    NoHandler { table: String, handler: String },
    #[error("handlers.{handler}: no table names it. Write handler = {handler:?} in the sections of its tables, or remove it")]
    IdleHandler { handler: String },
    #[error("webhooks.{webhook}.tables: {table} is not synchronised. Correct the name (case matters), or add a section [tables.{table}]")]
    WebhookTable { webhook: String, table: String },
    #[error("limits.{name} must lie between {least} and {most}")]
    Limit { name: &'static str, least: u64, most: u64 },
}

impl From<figment::Error> for ConfigError {
    fn from(error: figment::Error) -> Self {
        let source = error.metadata.as_ref().map(|metadata| match &metadata.source {
            Some(source) => source.to_string(),
            None => metadata.name.to_string(),
        });
        let path = error.path.join(".");
        let place = [source, Some(path).filter(|path| !path.is_empty())].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let place = if place.is_empty() { "configuration".to_owned() } else { place };
        let problem = match &error.kind {
            Kind::UnknownField(field, known) => format!("there is no setting {field:?} here. Remove it, or write one of {}", known.join(", ")),
            // The value is not repeated: it may be a secret.
            Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("the value has the wrong type. Write {expected}"),
            kind => kind.to_string(),
        };
        Self::Source { place, problem }
    }
}
