//! The commands that PROTOCOL.md gives for a script: run as they stand there, but for the address.

use crate::running::{Setup, root};
use std::process::Command;

/// The shell blocks of the section "By hand".
fn commands() -> Vec<String> {
    let document = std::fs::read_to_string(root().join("src/protocol/PROTOCOL.md")).unwrap();
    let section = document.split_once("\n## 9. By hand").unwrap().1;
    section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_commands_of_the_document_write_and_read() {
    let mut setup = Setup::new();
    setup.dev = true;
    let server = setup.start();
    let commands = commands();
    assert_eq!(commands.len(), 4, "a token, everything, what is new, a write");
    // What one of them sets is there for the next; between two stands a line that no answer holds.
    let script = format!("set -eu\n{}", commands.join("\necho; echo -----\n")).replace("localhost:8787", &server.address);
    let output = Command::new("sh").args(["-c", &script]).env("NO_PROXY", "127.0.0.1").output().unwrap();
    let (printed, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{printed}\n{errors}");
    let answers: Vec<&str> = printed.split("-----").map(str::trim).collect();
    assert!(answers[1].contains(r#""subject":"alice""#) && answers[1].contains(r#""reset":true"#), "{printed}");
    assert!(answers[2].contains(r#""applied""#), "{printed}");
    assert!(answers[3].contains("Groceries") && answers[3].contains(r#""reset":false"#), "{printed}");
}
