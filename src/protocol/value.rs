//! SQLite's five values.
//!
//! They arrive exactly as they were written, in either encoding: 1 and 1.0 differ, so do 0.0 and
//! -0.0, and integers beyond 2^53 stay whole. NaN, which SQLite never stores, is NULL on the wire.

use crate::limits::MAX_COUNTER;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};
use std::fmt;

/// One SQLite value. Equality is by type, and by bits for reals.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// A 64-bit signed integer.
    Integer(i64),
    /// An IEEE 754 double. SQLite never stores NaN.
    Real(f64),
    /// UTF-8 text, which may contain NUL.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Value {
    /// About how many bytes the value takes on the wire.
    pub fn wire_size(&self) -> usize {
        match self {
            Self::Null => 1,
            Self::Integer(_) | Self::Real(_) => 9,
            Self::Text(t) => t.len() + 5,
            Self::Blob(b) => b.len() + 5,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Integer(a), Self::Integer(b)) => a == b,
            (Self::Real(a), Self::Real(b)) => a.to_bits() == b.to_bits(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Blob(a), Self::Blob(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl std::hash::Hash for Value {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Integer(i) => i.hash(state),
            Self::Real(r) => r.to_bits().hash(state),
            Self::Text(t) => t.hash(state),
            Self::Blob(b) => b.hash(state),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

/// In a binary format values are the format's own nil, integer, float, string and bytes. In JSON a
/// blob is `{"blob": "<base64>"}`, an integer beyond 2^53 is `{"integer": "<decimal>"}`, and a real
/// that JSON would print like an integer, or cannot print, is `{"real": "<decimal>"}`.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let json = s.is_human_readable();
        match self {
            Self::Null => s.serialize_unit(),
            Self::Integer(i) if json && i.unsigned_abs() > MAX_COUNTER => tagged(s, "integer", &i.to_string()),
            Self::Integer(i) => s.serialize_i64(*i),
            Self::Real(r) if r.is_nan() => s.serialize_unit(),
            Self::Real(r) if json && (r.fract() == 0.0 || !r.is_finite()) => tagged(s, "real", &format!("{r:?}")),
            Self::Real(r) => s.serialize_f64(*r),
            Self::Text(t) => s.serialize_str(t),
            Self::Blob(b) if json => tagged(s, "blob", &STANDARD.encode(b)),
            Self::Blob(b) => s.serialize_bytes(b),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(ValueVisitor)
    }
}

fn tagged<S: Serializer>(s: S, tag: &'static str, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(1))?;
    map.serialize_entry(tag, text)?;
    map.end()
}

struct ValueVisitor;

impl<'de> de::Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a number, a text, bytes, or one of {blob}, {integer}, {real}")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Integer(v.into()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Integer(v))
    }

    fn visit_u64<E: de::Error>(self, v: u64) -> Result<Value, E> {
        i64::try_from(v).map(Value::Integer).map_err(|_| E::custom("an integer beyond 64 bits, signed"))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(if v.is_nan() { Value::Null } else { Value::Real(v) })
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::Text(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::Text(v))
    }

    fn visit_bytes<E>(self, v: &[u8]) -> Result<Value, E> {
        Ok(Value::Blob(v.to_vec()))
    }

    fn visit_byte_buf<E>(self, v: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Blob(v))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        use de::Error as _;
        let Some(tag) = map.next_key::<String>()? else {
            return Err(A::Error::custom("an empty object is not a value"));
        };
        let value = match tag.as_str() {
            "blob" => Value::Blob(STANDARD.decode(map.next_value::<String>()?).map_err(|_| A::Error::custom("blob is not base64"))?),
            "integer" => Value::Integer(map.next_value::<String>()?.parse().map_err(|_| A::Error::custom("integer is not a decimal of 64 bits"))?),
            "real" => match map.next_value::<String>()?.parse::<f64>() {
                Ok(r) if !r.is_nan() => Value::Real(r),
                _ => return Err(A::Error::custom("real is not a decimal number")),
            },
            _ => return Err(A::Error::unknown_field(&tag, &["blob", "integer", "real"])),
        };
        match map.next_key::<de::IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("a tagged value has exactly one field")),
        }
    }
}
