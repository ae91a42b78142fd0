//! Holds the version, the document and the wire together: none changes without the others.

use seaworthy_protocol::{ClientFrame, SUBPROTOCOL, ServerFrame, VERSION, limits};
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn document() -> String {
    read("PROTOCOL.md")
}

/// Types from the generated TypeScript, bytes from one golden vector per frame, and the limits.
/// Comments do not count, and neither do further vectors.
fn fingerprint() -> String {
    let types = read("../../js/generated/protocol.ts");
    let limits = read("limits.rs");
    let code = |text: &str| {
        text.lines().map(str::trim).filter(|line| !line.starts_with('/')).filter(|line| !line.contains("PROTOCOL_VERSION")).collect::<Vec<_>>().join("\n")
    };
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    hash.update(code(&types).as_bytes());
    hash.update(code(&limits).as_bytes());
    for name in ClientFrame::NAMES.iter().chain(ServerFrame::NAMES) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/frames/{name}.msgpack"));
        hash.update(&std::fs::read(path).unwrap());
    }
    format!("{:016x}", hash.digest())
}

/// The rows of the version history: version and fingerprint.
fn history() -> Vec<(u16, String)> {
    let text = document();
    let table = text.split("| version | fingerprint |").nth(1).unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].parse().unwrap(), cells[2].trim_matches('`').to_owned())
    })
    .collect()
}

#[test]
fn the_wire_changes_only_together_with_its_version_and_its_document() {
    let history = history();
    let versions: Vec<u16> = history.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>(), "PROTOCOL.md lists every version once, up to VERSION");
    let (_, last) = history.last().unwrap();
    assert_eq!(
        *last,
        fingerprint(),
        "a frame, a type or a limit has changed: raise VERSION, describe the change in PROTOCOL.md, and add a line with this fingerprint to its history"
    );
    assert!(document().contains(&format!("Version **{VERSION}**, fingerprint `{last}`.")), "the head of PROTOCOL.md names the version and its fingerprint");
}

#[test]
fn the_document_describes_every_frame_code_and_limit() {
    let text = document();
    for name in ClientFrame::NAMES.iter().chain(ServerFrame::NAMES) {
        assert!(text.contains(&format!("### `{name}`")), "{name}");
    }
    let types = read("../../js/generated/protocol.ts");
    for codes in ["RejectCode", "ErrorCode"] {
        let line = types.lines().find(|line| line.starts_with(&format!("export type {codes}"))).unwrap();
        for code in line.split('"').skip(1).step_by(2) {
            assert!(text.contains(&format!("| `{code}` |")), "{code}");
        }
    }
    assert!(text.contains(SUBPROTOCOL) && text.contains(seaworthy_protocol::BASE_PATH));
    for number in [limits::MAX_FRAME_ELEMENTS, limits::MAX_TRANSACTION_ROWS, limits::MAX_ANSWER_FRAMES, limits::MAX_TABLES, limits::MAX_COLUMNS] {
        assert!(text.contains(&grouped(number)), "{number}");
    }
    for number in [limits::MAX_PUSH_TRANSACTIONS, limits::MAX_AFTER, limits::MAX_FRAME_DEPTH, limits::MAX_NAME_BYTES, limits::MAX_DOUBTFUL] {
        assert!(text.contains(&grouped(number)), "{number}");
    }
}

/// With a comma between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    groups.join(",")
}
