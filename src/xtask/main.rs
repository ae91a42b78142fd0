//! Build steps that need Rust: the wasm module, and its tests in a headless browser.
//!
//! It exists so that `wasm-bindgen` and the command-line tools that must have the very same version
//! stand in one `Cargo.lock`. It promises to leave nothing half-built behind: outputs are replaced
//! only when every step has succeeded. It never installs anything: `scripts/setup.mjs` does.

mod headless;
mod module;

use std::process::ExitCode;

/// Any failure; the message is for a person at a terminal.
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "\
usage:
  xtask wasm [--dev]         build src/wasm into js/wasm (--dev: quickly, large)
  xtask test-wasm [FILTER]   run the tests of src/wasm in headless Chromium";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["wasm"] => module::build(module::Profile::Release),
        ["wasm", "--dev"] => module::build(module::Profile::Dev),
        ["test-wasm", filter @ ..] => headless::test(filter),
        [headless::RUNNER, rest @ ..] => headless::run(rest),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
