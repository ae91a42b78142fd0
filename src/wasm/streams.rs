//! Streams as JavaScript subscribes to them. Parameters cross as plain objects, values as JSON has them.

use crate::database::Database;
use crate::failure::{Failure, from_js, to_js};
use seaworthy_protocol::Subscription;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl Database {
    /// Subscribes to a stream until it is ended.
    pub fn subscribe(&self, stream: String, params: &JsValue) -> Result<(), JsValue> {
        let subscription = subscription(stream, params)?;
        self.driver().with_store(|store| store.subscribe(&subscription))?;
        self.driver().subscribed();
        Ok(())
    }

    /// Ends a subscription, or keeps it until a moment, in milliseconds since 1970.
    pub fn unsubscribe(&self, stream: String, params: &JsValue, keep_until_ms: Option<f64>) -> Result<(), JsValue> {
        let subscription = subscription(stream, params)?;
        self.driver().with_store(|store| store.unsubscribe(&subscription, keep_until_ms.map(|until| until as i64)))?;
        self.driver().subscribed();
        Ok(())
    }

    /// Nobody uses the subscriptions any more, as after a start: they are kept until then.
    pub fn abandon_subscriptions(&self, keep_until_ms: f64) -> Result<(), JsValue> {
        Ok(self.driver().with_store(|store| store.abandon_subscriptions(keep_until_ms as i64))?)
    }

    /// Ends the subscriptions that were kept long enough.
    pub fn expire_subscriptions(&self, now_ms: f64) -> Result<(), JsValue> {
        if self.driver().with_store(|store| store.expire_subscriptions(now_ms as i64))? {
            self.driver().subscribed();
        }
        Ok(())
    }

    /// The streams, and how far they are here.
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn streams(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.driver().with_store(|store| store.streams())?))
    }
}

fn subscription(stream: String, params: &JsValue) -> Result<Subscription, Failure> {
    let params = from_js(params).map_err(|error| Failure::new("BadValue", format!("the parameters of {stream:?} cannot be read: {error}")))?;
    Ok(Subscription { stream, params })
}
