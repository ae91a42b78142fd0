//! The tests of `src/wasm` in headless Chromium, driven by chromedriver.
//!
//! Promises that a run in which no test ran is a failure: the runner of wasm-bindgen-test calls
//! "running 0 tests" a success.

use crate::Failure;
use crate::module::{cargo, root};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// The hidden command that cargo calls with a compiled test as its argument.
pub(crate) const RUNNER: &str = "wasm-test-runner";

const TARGET: &str = "wasm32-unknown-unknown";

/// Compiles the tests and runs those whose name contains the filter.
pub(crate) fn test(filter: &[&str]) -> Result<(), Failure> {
    let mut command = cargo();
    command.current_dir(root()?).args(["test", "-p", "seaworthy-wasm", "--target", TARGET, "--test", "browser", "--"]).args(filter);
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", format!("{} {RUNNER}", std::env::current_exe()?.display()));
    command.env("WASM_BINDGEN_TEST_ONLY_WEB", "1").env("WASM_BINDGEN_TEST_TIMEOUT", "120");
    if std::env::var_os("CHROMEDRIVER").is_none() {
        command.env("CHROMEDRIVER", chromedriver()?);
    }
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut passed = 0;
    for line in BufReader::new(child.stdout.take().ok_or("cargo has no output")?).lines() {
        let line = line?;
        passed += count(&line);
        println!("{line}");
    }
    match (child.wait()?.success(), passed) {
        (false, _) => Err("the tests in the browser failed".into()),
        (true, 0) => Err("no test ran in the browser".into()),
        (true, _) => Ok(()),
    }
}

/// Runs one compiled test file.
pub(crate) fn run(args: &[&str]) -> Result<(), Failure> {
    let args = ["wasm-bindgen-test-runner"].into_iter().chain(args.iter().copied());
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(args)?;
    Ok(())
}

/// The number in `test result: ok. 12 passed; …`; 0 for any other line.
fn count(line: &str) -> usize {
    let Some((_, rest)) = line.split_once("test result: ok. ") else { return 0 };
    rest.split_once(" passed").and_then(|(n, _)| n.trim().parse().ok()).unwrap_or(0)
}

fn chromedriver() -> Result<std::path::PathBuf, Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("chromedriver")).find(|file| file.is_file());
    found.ok_or_else(|| "chromedriver is not on the PATH: install the package chromium-driver, or set CHROMEDRIVER".into())
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_summary_line_tells_how_many_passed() {
        assert_eq!(count("test result: ok. 12 passed; 0 failed; 0 ignored"), 12);
        assert_eq!(count("test result: FAILED. 12 passed; 1 failed"), 0);
        assert_eq!(count("running 3 tests"), 0);
    }
}
