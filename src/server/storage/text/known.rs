//! What may stand in a text for something that is known only when somebody asks.

use seaworthy_engine::session::Principal;
use seaworthy_protocol::Value;

/// Something that is known of who asks, or is said by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The subject of the token.
    UserId,
    /// A claim of the token, if it has this type.
    Claim { name: String, kind: Kind },
    /// A parameter of a subscription, which the token knows nothing of.
    Param(String),
}

/// The type that a claim must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Boolean,
}

impl Known {
    /// Its value, if the token has it in the type that is asked for.
    pub fn value(&self, principal: &Principal) -> Option<Value> {
        let (name, kind) = match self {
            Self::UserId => return Some(Value::Text(principal.user.subject.clone())),
            Self::Param(_) => return None,
            Self::Claim { name, kind } => (name, kind),
        };
        match (kind, principal.claims.get(name)?) {
            (Kind::Text, serde_json::Value::String(text)) => Some(Value::Text(text.clone())),
            (Kind::Boolean, serde_json::Value::Bool(boolean)) => Some(Value::Integer(i64::from(*boolean))),
            // A whole number that SQLite cannot hold would become another one.
            (Kind::Number, serde_json::Value::Number(number)) => match number.as_i64() {
                Some(integer) => Some(Value::Integer(integer)),
                None => number.as_f64().filter(|_| number.is_f64()).map(Value::Real),
            },
            _ => None,
        }
    }
}
