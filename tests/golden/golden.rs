//! The golden vectors: every frame and some changesets, as bytes that must never change by accident.
//!
//! `vectors.json` and `changesets.json` are read by this test and by the one in TypeScript, and
//! `frames/` holds each frame as files that `curl --data-binary` can send. All are written from the
//! samples beside this file by `BLESS=1 cargo test -p seaworthy-tests --test golden`; without it the
//! test fails when they are stale.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

mod changesets;
mod frames;

use frames::Frame;
use seaworthy_protocol::{Changes, Format};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Compares a file with what it should hold, or writes it when asked to.
fn check(file: &str, expected: &[u8]) {
    let path = folder().join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is stale: run `BLESS=1 cargo test -p seaworthy-tests --test golden` and raise the protocol's version if the change is one of the wire"
    );
}

fn pretty(json: &Json) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(json).unwrap();
    text.push(b'\n');
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn read(file: &str) -> Vec<Json> {
    serde_json::from_slice(&std::fs::read(folder().join(file)).unwrap()).unwrap()
}

#[test]
fn every_frame_has_a_current_vector_that_decodes_to_it_in_both_encodings() {
    write_or_compare_frames();
    let samples = frames::samples();
    let vectors = read("vectors.json");
    assert_eq!(vectors.len(), samples.len());
    for (vector, (name, sample)) in vectors.iter().zip(&samples) {
        assert_eq!(vector["name"], *name);
        let msgpack = unhex(vector["msgpack"].as_str().unwrap());
        assert_eq!(sample.decode_same(&msgpack, Format::MessagePack).unwrap(), *sample, "{name}");
        let json = serde_json::to_vec(&vector["json"]).unwrap();
        let decoded = sample.decode_same(&json, Format::Json).unwrap();
        assert_eq!(serde_json::from_slice::<Json>(&decoded.encode(Format::Json)).unwrap(), vector["json"], "{name}");
    }
}

fn write_or_compare_frames() {
    let mut vectors = Vec::new();
    for (name, frame) in frames::samples() {
        let msgpack = frame.encode(Format::MessagePack);
        let json: Json = serde_json::from_slice(&frame.encode(Format::Json)).unwrap();
        check(&format!("frames/{name}.msgpack"), &msgpack);
        check(&format!("frames/{name}.json"), &pretty(&json));
        vectors.push(json!({ "name": name, "direction": frame.direction(), "msgpack": hex(&msgpack), "json": json }));
    }
    check("vectors.json", &pretty(&Json::Array(vectors)));
}

#[test]
fn the_samples_hold_every_frame_that_there_is() {
    let mut found: Vec<String> = frames::samples().iter().map(|(_, frame)| frame.kind()).collect();
    found.sort();
    found.dedup();
    let mut expected: Vec<&str> = seaworthy_protocol::ClientFrame::NAMES.iter().chain(seaworthy_protocol::ServerFrame::NAMES).copied().collect();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn every_changeset_of_sqlite_is_current_and_decodes_to_its_rows_and_back_to_its_bytes() {
    write_or_compare_changesets();
    let vectors = read("changesets.json");
    assert!(!vectors.is_empty());
    for vector in vectors {
        let bytes = unhex(vector["bytes"].as_str().unwrap());
        let named = |table: &str| serde_json::from_value(vector["columns"][table].clone()).ok();
        let changes = Changes::from_changeset(&bytes, named).unwrap();
        assert_eq!(changes.to_changeset(), bytes, "{}", vector["name"]);
        assert_eq!(serde_json::to_value(&changes).unwrap(), vector["rows"], "{}", vector["name"]);
        let from_rows: Changes = serde_json::from_value(vector["rows"].clone()).unwrap();
        assert_eq!(from_rows.hash(), changes.hash(), "{}", vector["name"]);
    }
}

fn write_or_compare_changesets() {
    let vectors = changesets::samples().into_iter().map(|sample| {
        let columns = sample.columns.clone();
        let changes = Changes::from_changeset(&sample.bytes, |table| columns.get(table).cloned()).unwrap();
        json!({ "name": sample.name, "bytes": hex(&sample.bytes), "columns": sample.columns, "rows": changes })
    });
    check("changesets.json", &pretty(&Json::Array(vectors.collect())));
}

impl Frame {
    fn direction(&self) -> &'static str {
        match self {
            Frame::Client(_) => "client",
            Frame::Server(_) => "server",
        }
    }

    /// The frame's name on the wire.
    fn kind(&self) -> String {
        let json: serde_json::Map<String, Json> = serde_json::from_slice(&self.encode(Format::Json)).unwrap();
        json.keys().next().unwrap().clone()
    }
}
