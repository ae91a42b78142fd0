//! The ids of buckets and of lookups: a number, and the values that fill the parameters in.
//!
//! Equal values have one text. An id that comes from outside is taken only if it is that text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use seaworthy_protocol::Value;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json};
use std::fmt;

/// A stream with its parameters filled in: `<number>.<variant>[<values>]`, for example `3.0["alice"]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bucket(pub String);

/// What an answer depends on: the rows of a lookup with these values, `<number>.<lookup>.<variant>[<values>]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LookupKey(pub String);

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Bucket {
    pub(super) fn new(number: i64, variant: usize, values: &[Value]) -> Self {
        Self(format!("{number}.{variant}{}", encode(values)))
    }

    /// The number of its definition, that of its variant, and the values.
    pub(super) fn parse(&self) -> Option<(i64, usize, Vec<Value>)> {
        let (numbers, list) = self.0.split_at(self.0.find('[')?);
        let (number, variant) = numbers.split_once('.')?;
        let parsed = (number.parse().ok()?, variant.parse().ok()?, decode(list)?);
        let canonical = Self::new(parsed.0, parsed.1, &parsed.2);
        (canonical == *self).then_some(parsed)
    }

    /// The number of the definition that it is of, if it may be the id of a bucket.
    pub fn number(&self) -> Option<i64> {
        self.parse().map(|(number, ..)| number)
    }
}

impl LookupKey {
    pub(super) fn new(number: i64, lookup: usize, variant: usize, values: &[Value]) -> Self {
        Self(format!("{number}.{lookup}.{variant}{}", encode(values)))
    }
}

fn encode(values: &[Value]) -> String {
    Json::Array(values.iter().map(to_json).collect()).to_string()
}

/// What JSON does not have stands in an object.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(integer) => Json::from(*integer),
        Value::Real(real) => Number::from_f64(*real).map_or_else(|| serde_json::json!({ "real": real.to_string() }), Json::Number),
        Value::Text(text) => Json::from(text.as_str()),
        Value::Blob(bytes) => serde_json::json!({ "blob": STANDARD.encode(bytes) }),
    }
}

fn decode(list: &str) -> Option<Vec<Value>> {
    let values: Vec<Json> = serde_json::from_str(list).ok()?;
    values.into_iter().map(from_json).collect()
}

fn from_json(json: Json) -> Option<Value> {
    match json {
        Json::String(text) => Some(Value::Text(text)),
        Json::Number(number) => number.as_i64().map(Value::Integer).or_else(|| number.as_f64().map(Value::Real)),
        Json::Object(object) => match (object.get("blob"), object.get("real")) {
            (Some(Json::String(text)), None) => STANDARD.decode(text).ok().map(Value::Blob),
            (None, Some(Json::String(text))) => text.parse().ok().map(Value::Real),
            _ => None,
        },
        _ => None,
    }
}
