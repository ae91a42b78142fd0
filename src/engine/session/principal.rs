//! Who asks, as the token says that was found good.
//!
//! Rules are about all of it; a replica belongs to the user alone, whose claims come and go with every token.

use crate::client::User;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The bearer of a token that was found good. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whose replicas these are.
    pub user: User,
    /// Every claim of the token, as it came.
    pub claims: Arc<Map<String, Value>>,
}
