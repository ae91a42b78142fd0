//! Identifiers and places.
//!
//! All are newtypes, so that a position is never taken for a sequence. What is decoded fits the
//! integers of SQLite and of every JSON reader. None is ever drawn here: randomness is the caller's.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        pub struct $name(pub u64);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                u64::deserialize(d).and_then(check_counter).map(Self)
            }
        }
    };
}

counter!(
    /// A place in the server's total order of accepted transactions. 0 is before the first.
    Position
);
counter!(
    /// The number of a transaction within its replica. The first is 1.
    Sequence
);

impl Sequence {
    /// The sequence after this one.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Beyond it a JSON reader that uses doubles would see another number.
fn check_counter<E: de::Error>(number: u64) -> Result<u64, E> {
    if number > limits::MAX_COUNTER {
        return Err(E::custom(format_args!("{number} is beyond 2^53 - 1, the largest position or sequence")));
    }
    Ok(number)
}

/// A text that is not 32 hexadecimal digits (hyphens are allowed and ignored).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 hexadecimal digits")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[cfg_attr(test, derive(ts_rs::TS))]
        pub struct $name(#[cfg_attr(test, ts(type = "string"))] pub [u8; 16]);

        impl $name {
            /// Parses 32 hexadecimal digits, with or without hyphens.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).simple().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                if s.is_human_readable() { s.collect_str(self) } else { s.serialize_bytes(&self.0) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_any(IdVisitor).map(Self)
            }
        }
    };
}

id!(
    /// The identity of one client database: a UUIDv7, bound by the server to one user.
    ReplicaId
);
id!(
    /// The identity of one transaction for ever: 128 random bits.
    TransactionId
);
id!(
    /// Names one history of the server. A server that was created anew has another epoch.
    Epoch
);
id!(
    /// One run of the server. A cursor whose incarnation the server does not know belongs to another history.
    Incarnation
);

/// A position together with the incarnation of the server that announced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Cursor {
    /// Everything at or below this position has been seen.
    pub position: Position,
    /// The run of the server that announced it.
    pub incarnation: Incarnation,
}

struct IdVisitor;

impl de::Visitor<'_> for IdVisitor {
    type Value = [u8; 16];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("16 bytes, or 32 hexadecimal digits")
    }

    fn visit_bytes<E: de::Error>(self, v: &[u8]) -> Result<Self::Value, E> {
        v.try_into().map_err(|_| E::invalid_length(v.len(), &self))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
        parse_hex(v).map_err(E::custom)
    }
}

fn parse_hex(text: &str) -> Result<[u8; 16], IdError> {
    uuid::Uuid::try_parse(text).map(uuid::Uuid::into_bytes).map_err(|_| IdError)
}
