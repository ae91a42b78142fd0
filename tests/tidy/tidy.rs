//! The rules of absence of ARCHITECTURE.md, and those of CONTRIBUTING.md that a tool can keep.
//!
//! It reads the sources as text and the manifests as data. It knows nothing of what the code does, so
//! it stays right when the code changes. Every failure lists all places, each with file and line.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod crates;
mod documents;
mod files;
mod words;

/// Fails with all that was found.
#[track_caller]
fn assert_none(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}
