//! Words that must not stand in certain folders, or anywhere.

use crate::assert_none;
use crate::files::{File, all};

/// Every line of `files` in which one of `words` stands, comments aside.
fn lines_with<'a>(files: impl Iterator<Item = &'a File>, words: &[&str]) -> Vec<String> {
    let is_comment = |line: &str| line.trim_start().starts_with("//") || line.trim_start().starts_with('*');
    let in_file = |file: &'a File| {
        let lines = file.text.lines().enumerate().filter(|(_, line)| !is_comment(line) && words.iter().any(|word| line.contains(word)));
        lines.map(|(nth, line)| format!("{}:{}: {}", file.path, nth + 1, line.trim())).collect::<Vec<_>>()
    };
    files.flat_map(in_file).collect()
}

fn product<'a>(files: &'a [File], folder: &'a str) -> impl Iterator<Item = &'a File> {
    files.iter().filter(move |file| file.is_rust() && file.is_in(folder) && !file.is_test())
}

#[test]
fn the_engine_reads_no_clock_draws_no_random_number_and_starts_nothing() {
    let words =
        ["std::time", "SystemTime", "Instant", "std::thread", "thread::spawn", "rand::", "getrandom", "std::net", "std::fs", "std::env", "tokio", "async fn"];
    assert_none("time, randomness and I/O are inputs and outputs", lines_with(product(&all(), "src/engine"), &words));
}

#[test]
fn the_store_is_told_the_time_and_opens_no_socket() {
    let words = ["SystemTime", "Instant", "std::thread", "std::net", "getrandom", "tokio"];
    assert_none("the clock and randomness are inputs of the store", lines_with(product(&all(), "src/store"), &words));
}

#[test]
fn the_protocol_and_the_engine_are_the_same_on_every_platform() {
    let files = all();
    let both = product(&files, "src/protocol").chain(product(&files, "src/engine"));
    assert_none("no platform switch", lines_with(both, &["target_arch", "target_os", "target_family", "cfg(windows)", "cfg(unix)"]));
}

#[test]
fn the_store_switches_platforms_at_most_once() {
    let found = lines_with(product(&all(), "src/store"), &["target_arch", "target_os", "target_family"]);
    assert!(found.len() <= 1, "only the line that chooses a VFS may:\n  {}", found.join("\n  "));
}

#[test]
fn only_the_wasm_crate_knows_javascript() {
    let files = all();
    let others = files.iter().filter(|file| file.is_rust() && file.is_in("src") && !file.is_in("src/wasm") && !file.is_in("src/xtask"));
    assert_none("the boundary to JavaScript is src/wasm", lines_with(others, &["wasm_bindgen", "JsValue", "js_sys", "web_sys", "gloo_"]));
}

#[test]
fn nothing_is_left_undone_or_switched_off() {
    let files = all();
    let rust = lines_with(files.iter().filter(|file| file.is_rust()), &["todo!(", "unimplemented!(", "#[ignore", "dbg!("]);
    let script = |file: &&File| file.is_code() && !file.is_rust();
    let switched_off = [
        "test.skip",
        "it.skip",
        "describe.skip",
        "test.only",
        "it.only",
        "describe.only",
        "test.todo",
        "it.todo",
        "{ skip: true",
        ", skip: true",
        "{ only: true",
        ", only: true",
    ];
    let ignored = ["@ts-ignore", "@ts-nocheck", "biome-ignore-all"];
    let scripts = lines_with(files.iter().filter(script), &[switched_off.as_slice(), ignored.as_slice()].concat());
    assert_none("nothing is left undone, no test is switched off", [rust, scripts].concat());
}

#[test]
fn no_comment_promises_work_without_an_issue() {
    const PROMISES: [&str; 4] = ["TODO", "FIXME", "XXX", "HACK"];
    let promises = |line: &str| comment(line).split(|c: char| !c.is_alphanumeric()).any(|word| PROMISES.contains(&word));
    let in_file = |file: File| {
        let lines = file.text.lines().enumerate().filter(|(_, line)| promises(line));
        lines.map(|(nth, line)| format!("{}:{}: {}", file.path, nth + 1, line.trim())).collect::<Vec<_>>()
    };
    assert_none("do it, or file it", all().into_iter().filter(File::is_code).flat_map(in_file).collect());
}

/// What stands behind the sign of a comment, if there is one.
fn comment(line: &str) -> &str {
    let line = line.trim_start();
    let sign = if line.starts_with(['*', '#']) { Some(0) } else { ["//", "/*", "<!--"].iter().filter_map(|sign| line.find(sign)).min() };
    sign.map_or("", |at| &line[at..])
}

#[test]
fn nothing_names_a_machine_or_what_lies_outside_the_repository() {
    let paths = ["/work/", "/root/", "/home/", "/Users/", "C:\\", "../shared", "shared/design"];
    let wrong = all().into_iter().flat_map(|file| {
        let lines = file.text.lines().enumerate().filter(|(_, line)| paths.iter().any(|path| line.contains(path)));
        lines.map(|(nth, _)| format!("{}:{}", file.path, nth + 1)).collect::<Vec<_>>()
    });
    assert_none("the repository stands on its own", wrong.collect());
}

#[test]
fn the_lock_files_name_no_registry_but_the_public_ones() {
    let locks = all().into_iter().filter(|file| file.path.ends_with("package-lock.json") || file.path == "Cargo.lock");
    let wrong = locks.flat_map(|file| {
        let sources = file.text.lines().enumerate().filter(|(_, line)| line.contains("\"resolved\"") || line.starts_with("source ="));
        let public = |line: &str| line.contains("https://registry.npmjs.org/") || line.contains("github.com/rust-lang/crates.io-index");
        sources.filter(|(_, line)| !public(line)).map(|(nth, line)| format!("{}:{}: {}", file.path, nth + 1, line.trim())).collect::<Vec<_>>()
    });
    assert_none("a lock file works on every machine", wrong.collect());
}
