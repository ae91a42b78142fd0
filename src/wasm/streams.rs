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

    /// Ends a subscription, now or after so many milliseconds.
    pub fn unsubscribe(&self, stream: String, params: &JsValue, keep_ms: f64) -> Result<(), JsValue> {
        let subscription = subscription(stream, params)?;
        let keep_until_ms = (keep_ms > 0.0).then(|| self.driver().clock().wall_ms() + keep_ms as i64);
        self.driver().with_store(|store| store.unsubscribe(&subscription, keep_until_ms))?;
        self.driver().subscribed();
        Ok(())
    }

    /// The streams, and how much of them is here.
    #[wasm_bindgen(unchecked_return_type = "unknown[]")]
    pub fn streams(&self) -> Result<JsValue, JsValue> {
        Ok(to_js(&self.driver().with_store(|store| store.streams())?))
    }
}

fn subscription(stream: String, params: &JsValue) -> Result<Subscription, Failure> {
    let params = from_js(params).map_err(|error| Failure::new("BadValue", format!("the parameters of {stream:?} cannot be read: {error}")))?;
    Ok(Subscription { stream, params })
}
