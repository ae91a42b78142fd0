//! The files of the repository, as far as people wrote them, and what every one of them must satisfy.

use crate::assert_none;
use std::path::{Path, PathBuf};

/// Folders that hold what was built, fetched, measured or generated.
const NOT_OURS: [&str; 10] = ["target", "node_modules", "dist", ".git", "wasm", "generated", "data", "frames", "proptest-regressions", "test-results"];
const CODE: [&str; 7] = ["rs", "ts", "tsx", "mjs", "js", "css", "html"];
const MAX_LINES: usize = 400;

/// A file with its path from the root of the repository.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_code(&self) -> bool {
        CODE.iter().any(|extension| self.path.ends_with(&format!(".{extension}")))
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(&format!("{folder}/"))
    }

    /// Whether nothing of it is in the product.
    pub fn is_test(&self) -> bool {
        self.is_in("tests") || self.path.contains("/tests/") || self.path.ends_with("tests.rs") || self.path.contains(".test.")
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file. This folder is left out: it must name what it looks for.
pub fn all() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), &mut files);
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<File>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        let path = entry.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        let name = entry.file_name().unwrap().to_str().unwrap();
        // `src/wasm` is ours, `js/wasm` is built.
        let built = NOT_OURS.contains(&name) && path != "src/wasm";
        if entry.is_dir() && !built && path != "tests/tidy" {
            collect(&entry, files);
        } else if entry.is_file()
            && let Ok(text) = std::fs::read_to_string(&entry)
        {
            files.push(File { path, text });
        }
    }
}

#[test]
fn no_file_of_code_is_longer_than_four_hundred_lines() {
    let long = all().into_iter().filter(File::is_code).map(|file| (file.text.lines().count(), file.path)).filter(|(lines, _)| *lines > MAX_LINES);
    assert_none("something wants to move out", long.map(|(lines, path)| format!("{path}: {lines} lines")).collect());
}

#[test]
fn every_rust_module_says_why_it_exists() {
    let silent = all().into_iter().filter(|file| file.is_rust() && !file.text.starts_with("//! "));
    assert_none("a module opens with `//!`: why it exists, what it promises, what it never does", silent.map(|file| file.path).collect());
}

#[test]
fn files_are_named_after_what_they_hold() {
    const NOTHING: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "manager"];
    let stem = |path: &str| Path::new(path).file_stem().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
    let vague = all().into_iter().filter(|file| file.is_code() && NOTHING.contains(&stem(&file.path).as_str()));
    assert_none("a name that says nothing", vague.map(|file| file.path).collect());
}
