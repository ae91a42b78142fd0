//! `[auth]`: whose tokens are good, and with which keys they are checked.

use super::{ConfigError, endpoint::web_address};
use figment::value::magic::RelativePathBuf;
use reqwest::Url;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use std::{collections::HashSet, fmt, path::PathBuf};

/// Whose tokens are good.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// The `iss` that a token must have.
    #[serde(default = "default_name")]
    pub issuer: String,
    /// The `aud` of which a token must have one.
    #[serde(default)]
    pub audience: Audience,
    /// A key of HS256.
    pub secret: Option<Secret>,
    /// More keys.
    #[serde(default)]
    pub keys: Vec<KeyConfig>,
    /// Keys that somebody else publishes.
    pub jwks: Option<JwksConfig>,
}

/// One key: public for RS256, ES256 and EdDSA, secret for HS256. As a PEM or a JWK, here or in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// Its name, if tokens give one. That of a JWK may stand in it.
    pub kid: Option<String>,
    /// The key itself.
    pub key: Option<Secret>,
    /// A file with the key.
    pub file: Option<RelativePathBuf>,
}

/// Where a set of keys is, and when it is fetched.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    /// Its address.
    pub url: Option<Secret>,
    /// Its file.
    pub file: Option<RelativePathBuf>,
    /// The shortest time between two fetches, in milliseconds, whatever tokens come.
    #[serde(default = "default_refetch_after_ms")]
    pub refetch_after_ms: u64,
    /// After which time it is fetched again, in milliseconds. A key that was taken out is good for as long.
    #[serde(default = "default_max_age_ms")]
    pub max_age_ms: u64,
    /// How long a fetch may take, in milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
}

/// Where a set of keys is. Printed without what may be secret in an address.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum JwksPlace {
    File(PathBuf),
    Url(Url),
}

impl fmt::Display for JwksPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => write!(f, "{}{}", url.origin().ascii_serialization(), url.path()),
        }
    }
}

/// A text that is never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// One text or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(pub Vec<String>);

impl Default for Audience {
    fn default() -> Self {
        Self(vec![default_name()])
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AudienceVisitor)
    }
}

struct AudienceVisitor;

impl<'de> Visitor<'de> for AudienceVisitor {
    type Value = Audience;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Audience, E> {
        Ok(Audience(vec![text.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Audience, A::Error> {
        let mut audience = Vec::new();
        while let Some(text) = texts.next_element()? {
            audience.push(text);
        }
        Ok(Audience(audience))
    }
}

impl AuthConfig {
    pub(super) fn check(&self, dev: bool) -> Result<(), ConfigError> {
        match &self.secret {
            None if !dev && self.keys.is_empty() && self.jwks.is_none() => return Err(ConfigError::NoSecret),
            Some(Secret(secret)) if secret.len() < crate::auth::MIN_SECRET_BYTES => {
                return Err(ConfigError::ShortSecret { least: crate::auth::MIN_SECRET_BYTES });
            }
            _ => {}
        }
        if self.audience.0.is_empty() || self.audience.0.iter().any(String::is_empty) {
            return Err(ConfigError::NoAudience);
        }
        let mut kids = HashSet::new();
        for (nth, key) in self.keys.iter().enumerate() {
            if key.key.is_some() == key.file.is_some() {
                return Err(ConfigError::KeySource { nth });
            }
            if let Some(kid) = key.kid.as_ref().filter(|kid| !kids.insert(*kid)) {
                return Err(ConfigError::SameKid { kid: kid.clone() });
            }
        }
        self.jwks.as_ref().map_or(Ok(()), JwksConfig::check)
    }
}

impl JwksConfig {
    /// Where it is.
    pub fn place(&self) -> Result<JwksPlace, ConfigError> {
        let text = match (&self.url, &self.file) {
            (None, Some(file)) => return Ok(JwksPlace::File(file.relative())),
            (Some(Secret(text)), None) => text,
            _ => return Err(ConfigError::JwksSource),
        };
        let url = web_address(text).ok_or(ConfigError::JwksUrl)?;
        Ok(JwksPlace::Url(url))
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.place()?;
        let bounds = [
            ("refetch_after_ms", self.refetch_after_ms, 100, 3_600_000),
            ("max_age_ms", self.max_age_ms, 100, 7 * 24 * 3_600_000),
            ("timeout_ms", self.timeout_ms, 100, 60_000),
        ];
        match bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, _, least, most)) => Err(ConfigError::JwksBound { name, least, most }),
            None => Ok(()),
        }
    }
}

pub(super) fn default_auth() -> AuthConfig {
    AuthConfig { issuer: default_name(), audience: Audience::default(), secret: None, keys: Vec::new(), jwks: None }
}

fn default_name() -> String {
    "seaworthy".to_owned()
}

fn default_refetch_after_ms() -> u64 {
    30_000
}

fn default_max_age_ms() -> u64 {
    600_000
}

fn default_timeout_ms() -> u64 {
    5_000
}
