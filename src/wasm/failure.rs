//! What crosses to JavaScript when something fails: `{ code, message, retryable, details }`.
//!
//! Codes are stable; messages are for people and say what to do. No panic and no bare string crosses.

use seaworthy_store::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use sqlite_wasm_rs::vfs::{VfsError, VfsErrorCode};
use wasm_bindgen::{JsCast, JsValue};

/// A failure, ready to be thrown.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Stable, one of the classes of the TypeScript API.
    pub code: &'static str,
    /// What to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Facts for programs.
    pub details: serde_json::Value,
}

impl Failure {
    /// A failure that stays until somebody changes something.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: false, details: serde_json::Value::Null }
    }

    /// Plain HTTP.
    pub(crate) fn insecure() -> Self {
        Self::new("InsecureContext", "the browser offers no storage to plain HTTP: use https or localhost, or open with storage: 'memory'")
    }

    /// The database was closed.
    pub(crate) fn closed() -> Self {
        Self::new("Closed", "the database is closed: call open() again")
    }

    /// Storage did not do what it was asked; `error` is what the browser threw.
    pub(crate) fn storage(doing: &str, error: &JsValue) -> Self {
        let (name, message) = describe(error);
        let mut failure = match name.as_str() {
            "QuotaExceededError" => Self::new("QuotaExceeded", format!("{doing}: the origin's storage is full; free some, or ask for persistent storage")),
            "SecurityError" | "NotAllowedError" => {
                Self::new("StorageUnavailable", format!("{doing}: the browser blocks storage here; allow site data, or open with storage: 'memory'"))
            }
            _ => Self::new("StorageUnavailable", format!("{doing}: {name}: {message}")),
        };
        failure.retryable = is_in_use(&name);
        failure.details = serde_json::json!({ "name": name });
        failure
    }

    /// A file could not be read or written outside SQLite.
    pub(crate) fn file(error: VfsError) -> Self {
        match error.code() {
            VfsErrorCode::Full => StoreError::QuotaExceeded.into(),
            _ => Self::new("StorageUnavailable", format!("the file cannot be used: {error}")),
        }
    }

    /// The object that is thrown or delivered.
    pub(crate) fn to_js(&self) -> JsValue {
        to_js(self)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { code: error.code(), message: error.to_string(), retryable: error.retryable(), details: error.details() }
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        failure.to_js()
    }
}

/// Plain objects, numbers and arrays: what JSON would give.
pub(crate) fn to_js<T: Serialize>(value: &T) -> JsValue {
    value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).unwrap_or_else(|error| JsValue::from_str(&error.to_string()))
}

/// Reads a plain object of JavaScript.
pub(crate) fn from_js<T: DeserializeOwned>(value: &JsValue) -> Result<T, serde_json::Error> {
    let text = js_sys::JSON::stringify(value).ok().and_then(|text| text.as_string()).unwrap_or_default();
    serde_json::from_str(&text)
}

/// The name of an error that says another worker still has the file.
pub(crate) fn is_in_use(name: &str) -> bool {
    matches!(name, "NoModificationAllowedError" | "InvalidStateError")
}

/// The name and message of anything that was thrown.
pub(crate) fn describe(error: &JsValue) -> (String, String) {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => (error.name().into(), error.message().into()),
        None => ("Error".to_owned(), error.as_string().unwrap_or_else(|| format!("{error:?}"))),
    }
}
