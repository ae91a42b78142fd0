//! seaworthy-wasm
