//! The TypeScript counterparts of the wire types in their JSON form, generated from the Rust ones.
//!
//! They exist so that nobody writes a wire type twice. `BLESS=1 cargo test -p seaworthy-protocol --lib`
//! writes `js/generated/protocol.ts`; without it the test fails when the file is stale.

#![allow(clippy::unwrap_used, reason = "a test")]

use crate::wire::JsonRow;
use crate::*;
use std::path::Path;
use ts_rs::{Config, TS};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../js/generated/protocol.ts");

const HEAD: &str = "\
// Generated from the Rust crate in src/protocol. Do not edit.
// To write it again: BLESS=1 cargo test -p seaworthy-protocol --lib

";

macro_rules! alias {
    ($type:ty, $name:literal, $docs:literal, $definition:literal) => {
        impl TS for $type {
            type WithoutGenerics = Self;
            type OptionInnerType = Self;

            fn docs() -> Option<String> {
                Some(concat!("/**\n * ", $docs, "\n */\n").to_owned())
            }

            fn name(_: &Config) -> String {
                $name.to_owned()
            }

            fn inline(_: &Config) -> String {
                $definition.to_owned()
            }

            fn decl(_: &Config) -> String {
                format!("type {} = {};", $name, $definition)
            }
        }
    };
}

alias!(
    Value,
    "Value",
    "One of SQLite's values. A blob is base64; integers beyond 2^53 and reals that JSON would print like integers are tagged decimals.",
    "null | number | string | { blob: string } | { integer: string } | { real: string }"
);
alias!(Changes, "Changes", "The changed rows of one transaction.", "Array<ChangedRow>");

fn declaration<T: TS>(config: &Config) -> String {
    tidy(&format!("{}export {}\n", T::docs().unwrap_or_default(), T::decl(config)))
}

/// One-line comments on one line, indented by their depth, without the brackets of Rust's links.
fn tidy(text: &str) -> String {
    let joined =
        text.replace("/**\n * ", "/** ").replace("\n */", " */").replace("[`crate::", "`").replace("[`", "`").replace("`]", "`").replace(", }", ",\n}");
    let mut depth = 0_usize;
    let mut tidied = String::new();
    for line in joined.lines().map(str::trim) {
        let closing_first = line.chars().take_while(|c| matches!(c, '}' | ' ')).filter(|c| *c == '}').count();
        tidied += &format!("{}{line}\n", "  ".repeat(depth.saturating_sub(closing_first)));
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
    }
    tidied
}

macro_rules! declarations {
    ($config:expr; $($type:ty),* $(,)?) => {
        [$(declaration::<$type>($config)),*]
    };
}

fn generate() -> String {
    let config = Config::new().with_large_int("number");
    let declarations = declarations![&config;
        ClientFrame, ServerFrame, Hello, Welcome, TokenRenewal, Ping, Pong, Push, Transaction, Changes, JsonRow, Op, Results, TransactionResult, Outcome, RowKey, RewrittenRow,
        RejectCode, RejectData, Conflict, ConflictKind, Policy, Pull, Rows, Checkpoint, BucketId, BucketUpdate, Subscription, Subscribe, StreamState, StreamError, StreamErrorCode, ErrorFrame, ErrorCode, Cursor, Position, Sequence, ReplicaId, TransactionId, Epoch, Incarnation, Value,
    ];
    let head = format!("{HEAD}/** The protocol version that these types belong to. */\nexport const PROTOCOL_VERSION = {VERSION};\n\n");
    head + &declarations.join("\n")
}

#[test]
fn the_typescript_types_are_current() {
    let (file, expected) = (Path::new(FILE), generate());
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, &expected).unwrap();
    }
    let found = std::fs::read_to_string(file).unwrap_or_default();
    assert!(found == expected, "js/generated/protocol.ts is stale: run `BLESS=1 cargo test -p seaworthy-protocol --lib`");
}
