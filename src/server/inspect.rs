//! What the server would make of its configuration, for its operator. Nothing is changed anywhere.
//!
//! [`check`] says what is there, and fails where a start would. [`explain`] says what a user would get.

mod check;
mod explain;

pub use check::{Findings, FoundDatabase, FoundStream, FoundTable, Writers, check};
pub use explain::{CountedBucket, ExplainError, Explained, Explanation, explain};

use serde::Serialize;
use std::fmt::Display;

/// What is found, for people and for programs.
pub trait Answer: Display + Serialize {
    /// For programs.
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

impl Answer for Findings {}
impl Answer for Explanation {}

/// A list for people.
fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// With the right ending.
fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
