//! What the database says unasked, in the shapes that the worker passes on to the page.

use crate::failure::{Failure, describe, to_js};
use crate::options::Tier;
use crate::place::Home;
use js_sys::{Function, Object, Reflect, Uint8Array};
use seaworthy_engine::client::{Connection, Status as EngineStatus};
use seaworthy_protocol::TransactionId;
use seaworthy_store::{Counts, RejectedWrite, StreamInfo};
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;

/// An event for the page.
pub(crate) enum Event {
    Status(Status),
    NeedToken {
        renew: bool,
    },
    Live {
        id: u32,
        result: Result<Vec<u8>, Failure>,
    },
    Confirmed(Vec<TransactionId>),
    Rejected(Vec<RejectedWrite>),
    /// The streams, or what is here of them, have changed.
    Streams(Vec<StreamInfo>),
    Error(Failure),
    /// What was committed could not be stored: the database must be opened again.
    Unsaved(Failure),
}

/// Everything that a badge can show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Status {
    pub connection: &'static str,
    pub over_fetch: bool,
    pub pending: u64,
    pub blocked: u64,
    pub rejected: u64,
    pub last_synced_at_ms: Option<i64>,
    pub user: Option<UserName>,
    pub error: Option<StatusError>,
    /// Where the data are.
    pub storage: Tier,
    /// There was a database before this one, and it vanished.
    pub storage_lost: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct UserName {
    pub issuer: String,
    pub subject: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StatusError {
    pub code: String,
    pub message: String,
}

impl Status {
    pub(crate) fn new(engine: &EngineStatus, counts: &Counts, user: Option<UserName>, last_synced_at_ms: Option<i64>, home: &Home) -> Self {
        Self {
            connection: connection_name(engine.connection),
            over_fetch: engine.over_fetch,
            pending: counts.pending,
            blocked: counts.blocked,
            rejected: counts.rejected,
            last_synced_at_ms,
            user,
            error: engine.error.as_ref().map(|error| StatusError { code: error.code.clone(), message: error.message.clone() }),
            storage: home.tier,
            storage_lost: home.lost,
        }
    }
}

fn connection_name(connection: Connection) -> &'static str {
    match connection {
        Connection::Offline => "offline",
        Connection::Connecting => "connecting",
        Connection::Online => "online",
        Connection::NeedsAuth => "needs-auth",
        Connection::UpgradeRequired => "upgrade-required",
        Connection::UserChanged => "user-changed",
        Connection::NeedsAdopt => "needs-adopt",
    }
}

/// The worker's callback.
#[derive(Clone)]
pub(crate) struct Emitter(pub Function);

impl Emitter {
    /// Delivers an event. What the callback throws is written to the console: it must not end what called it.
    pub(crate) fn emit(&self, event: Event) {
        if let Err(error) = self.0.call1(&JsValue::NULL, &event.into_js()) {
            let (name, message) = describe(&error);
            web_sys::console::error_1(&JsValue::from_str(&format!("a listener threw {name}: {message}")));
        }
    }
}

impl Event {
    fn into_js(self) -> JsValue {
        match self {
            Self::Status(status) => object(&[("type", "status".into()), ("status", to_js(&status))]),
            Self::NeedToken { renew } => object(&[("type", "need-token".into()), ("renew", JsValue::from_bool(renew))]),
            Self::Live { id, result: Ok(buffer) } => {
                object(&[("type", "live".into()), ("id", id.into()), ("buffer", Uint8Array::from(buffer.as_slice()).into())])
            }
            Self::Live { id, result: Err(failure) } => object(&[("type", "live".into()), ("id", id.into()), ("error", failure.to_js())]),
            Self::Confirmed(ids) => object(&[("type", "confirmed".into()), ("ids", to_js(&ids))]),
            Self::Rejected(writes) => object(&[("type", "rejected".into()), ("writes", to_js(&writes))]),
            Self::Streams(streams) => object(&[("type", "streams".into()), ("streams", to_js(&streams))]),
            Self::Error(failure) => object(&[("type", "error".into()), ("error", failure.to_js())]),
            Self::Unsaved(failure) => object(&[("type", "unsaved".into()), ("error", failure.to_js())]),
        }
    }
}

/// A plain object of these properties.
pub(crate) fn object(fields: &[(&'static str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (field, value) in fields {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&object, &name(field), value);
    }
    object.into()
}

/// The name of a property, which is made once: to make a string anew costs more than what it names.
pub(crate) fn name(name: &'static str) -> JsValue {
    thread_local! {
        static NAMES: RefCell<BTreeMap<&'static str, JsValue>> = const { RefCell::new(BTreeMap::new()) };
    }
    NAMES.with_borrow_mut(|names| names.entry(name).or_insert_with(|| JsValue::from_str(name)).clone())
}
