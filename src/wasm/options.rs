//! What `Database.open` is given, parsed once into types.

use crate::failure::{Failure, from_js};
use seaworthy_engine::client::User;
use seaworthy_store::Schema;
use serde::{Deserialize, Deserializer, Serialize};
use wasm_bindgen::JsValue;

/// How to open a database.
#[derive(Debug, Deserialize)]
pub(crate) struct Options {
    /// Its name in this origin.
    pub name: String,
    /// Where its data may be, in the order of preference.
    pub storage: Vec<Tier>,
    /// Where the page remembers that a database of this name is.
    #[serde(default)]
    pub marked: Option<Tier>,
    /// When a commit is on the disk.
    #[serde(default)]
    pub durability: Durability,
    /// The declared schema.
    pub schema: Schema,
    /// Where it synchronises; absent: nowhere.
    #[serde(default)]
    pub sync: Option<Sync>,
    /// Whose database it is to be; absent: the last user's.
    #[serde(default, deserialize_with = "user")]
    pub user: Option<User>,
    /// Writes that are pending in the database that was open before this one.
    #[serde(default)]
    pub left_pending: u64,
    /// Whether to connect at once.
    #[serde(default)]
    pub online: bool,
}

/// Where the data are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tier {
    /// Files of the origin.
    Opfs,
    /// In memory, and page by page in IndexedDB.
    IndexedDb,
    /// Gone when the worker ends.
    Memory,
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Opfs => "opfs",
            Self::IndexedDb => "indexeddb",
            Self::Memory => "memory",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Opfs, Self::IndexedDb, Self::Memory].into_iter().find(|tier| tier.name() == name)
    }
}

/// When a commit is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// It is in the file when it answers, and on the disk soon.
    #[default]
    Relaxed,
    /// It is on the disk when it answers.
    Strict,
}

/// The server.
#[derive(Debug, Deserialize)]
pub(crate) struct Sync {
    /// The absolute base of the endpoints, such as `https://example.org/sync/v1`.
    pub url: String,
}

impl Options {
    /// Reads a plain object.
    pub(crate) fn from_js(options: &JsValue) -> Result<Self, Failure> {
        from_js(options).map_err(|error| Failure::new("SchemaMismatch", format!("the options or the schema cannot be read: {error}")))
    }
}

fn user<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<User>, D::Error> {
    #[derive(Deserialize)]
    struct Name {
        issuer: String,
        subject: String,
    }
    Ok(Option::<Name>::deserialize(deserializer)?.map(|Name { issuer, subject }| User { issuer, subject }))
}
