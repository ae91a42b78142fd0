//! The arrows between the crates, and what some of them must never depend on.

use crate::assert_none;
use std::collections::BTreeSet;
use toml::{Table, Value};

const PREFIX: &str = "seaworthy-";
const KINDS: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// Per crate which crates of ours it may use. `tests` may use all.
const ARROWS: [(&str, &[&str]); 7] = [
    ("protocol", &[]),
    ("fault", &[]),
    ("engine", &["protocol"]),
    ("store", &["protocol", "fault", "engine"]),
    ("server", &["protocol", "fault", "engine", "store"]),
    ("wasm", &["protocol", "engine", "store"]),
    ("xtask", &[]),
];

/// What would give the state machine or the wire types a clock, a thread, a socket, a browser or a database.
const WORLD: [&str; 14] = [
    "tokio",
    "axum",
    "reqwest",
    "js-sys",
    "web-sys",
    "wasm-bindgen",
    "gloo-net",
    "gloo-timers",
    "rusqlite",
    "sqlite-wasm-rs",
    "rand",
    "getrandom",
    "chrono",
    "tracing",
];

fn manifest(path: &str) -> Table {
    std::fs::read_to_string(crate::files::root().join(path)).unwrap().parse().unwrap()
}

/// The names in the given kinds of dependency tables, those of a target too.
fn dependencies(manifest: &Table, kinds: &[&str]) -> BTreeSet<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let tables = std::iter::once(manifest).chain(targets);
    tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table())).flat_map(Table::keys).cloned().collect()
}

#[test]
fn no_arrow_between_crates_goes_back() {
    let mut wrong = Vec::new();
    for (name, allowed) in ARROWS {
        let used = dependencies(&manifest(&format!("src/{name}/Cargo.toml")), &KINDS);
        let ours = used.iter().filter_map(|dependency| dependency.strip_prefix(PREFIX));
        wrong.extend(ours.filter(|dependency| !allowed.contains(dependency)).map(|dependency| format!("{name} uses {dependency}")));
    }
    assert_none("the arrows are protocol <- engine <- store <- {server, wasm}", wrong);
}

#[test]
fn every_crate_is_a_listed_member_with_an_arrow() {
    let workspace = manifest("Cargo.toml");
    let members: BTreeSet<&str> = workspace["workspace"]["members"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let expected: BTreeSet<String> = ARROWS.iter().map(|(name, _)| format!("src/{name}")).chain(["tests".to_owned()]).collect();
    assert_eq!(members, expected.iter().map(String::as_str).collect());
}

#[test]
fn the_protocol_and_the_engine_know_no_world() {
    let mut wrong = Vec::new();
    for name in ["protocol", "engine"] {
        let used = dependencies(&manifest(&format!("src/{name}/Cargo.toml")), &["dependencies", "build-dependencies"]);
        wrong.extend(WORLD.iter().filter(|dependency| used.contains(**dependency)).map(|dependency| format!("{name} depends on {dependency}")));
    }
    assert_none("time, randomness and I/O are inputs and outputs", wrong);
}

#[test]
fn every_crate_takes_versions_and_lints_from_the_workspace() {
    let mut wrong = Vec::new();
    for (name, _) in ARROWS {
        let manifest = manifest(&format!("src/{name}/Cargo.toml"));
        if manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool) != Some(true) {
            wrong.push(format!("{name} does not say `lints.workspace = true`"));
        }
        if manifest["package"].get("version").and_then(Value::as_table).is_none() {
            wrong.push(format!("{name} has a version of its own"));
        }
    }
    assert_none("one version, one set of lints", wrong);
}

#[test]
fn programs_are_not_compiled_as_tests_and_hold_none() {
    let mut wrong = Vec::new();
    for folder in ["src/server", "tests"] {
        let manifest = manifest(&format!("{folder}/Cargo.toml"));
        for program in manifest["bin"].as_array().unwrap() {
            let path = program["path"].as_str().unwrap();
            if program.get("test").and_then(Value::as_bool) != Some(false) {
                wrong.push(format!("{folder}: {} does not say `test = false`", program["name"]));
            }
            if std::fs::read_to_string(crate::files::root().join(folder).join(path)).unwrap().contains("#[test]") {
                wrong.push(format!("{folder}/{path} holds a test"));
            }
        }
    }
    assert_none("linking a program once more takes long; its tests belong to its library", wrong);
}
