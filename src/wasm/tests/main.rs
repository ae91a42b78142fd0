//! Tests that need a browser: they run in a dedicated worker of headless Chromium, with OPFS and IndexedDB.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod errors;
mod events;
mod exchange;
mod files;
mod log;
mod page;
mod pages;
mod sqlite;
mod tiers;
mod values;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
