//! The wasm module with its JavaScript glue: cargo, then wasm-bindgen, then wasm-opt.
//!
//! Promises that `js/wasm` holds a set of files that belong together, and does nothing when what
//! cargo produced is what was processed last time.

use crate::Failure;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
const OUT_DIR: &str = "js/wasm";
const STAMP: &str = "js/wasm/.stamp";
const MODULE: &str = "seaworthy.wasm";
const WASM_OPT: &str = "node_modules/binaryen/bin/wasm-opt";
/// Two passes are left out: they make the file smaller, and what a browser downloads of it, compressed, larger.
/// The features are what the browsers of the support table have, and rustc assumes.
const WASM_OPT_FLAGS: [&str; 12] = [
    "-Oz",
    "--skip-pass=inlining-optimizing",
    "--skip-pass=local-cse",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-nontrapping-float-to-int",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// How much time to spend for how small a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Small: what users download.
    Release,
    /// Soon: for working on it.
    Dev,
}

impl Profile {
    /// The cargo profile, and the folder that cargo puts its output into.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Release => ("wasm", "wasm"),
            Self::Dev => ("dev", "debug"),
        }
    }
}

/// Brings `js/wasm` up to date.
pub(crate) fn build(profile: Profile) -> Result<(), Failure> {
    let root = root()?;
    let (cargo_profile, folder) = profile.names();
    run(cargo().current_dir(&root).args(["build", "-p", "seaworthy-wasm", "--lib", "--target", TARGET, "--profile", cargo_profile]))?;
    let compiled = target_dir(&root).join(TARGET).join(folder).join("seaworthy_wasm.wasm");

    let stamp = stamp(&fs::read(&compiled)?, profile);
    let out = root.join(OUT_DIR);
    if out.join(MODULE).exists() && fs::read_to_string(root.join(STAMP)).is_ok_and(|old| old == stamp) {
        println!("{OUT_DIR} is up to date");
        return Ok(());
    }
    let staging = target_dir(&root).join("wasm-staging");
    remove_dir(&staging)?;
    bind(&compiled, &staging, profile)?;
    if profile == Profile::Release {
        optimise(&root, &staging)?;
    }
    fs::write(staging.join(".stamp"), stamp)?;
    remove_dir(&out)?;
    copy_dir(&staging, &out)?;
    println!("{OUT_DIR} is new: {MODULE} has {} KB", fs::metadata(out.join(MODULE))?.len() / 1000);
    Ok(())
}

/// `cargo`, the one that runs this.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The folder of the workspace that `cargo run` was called in.
pub(crate) fn root() -> Result<PathBuf, Failure> {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("call xtask through `cargo run -p seaworthy-xtask`")?;
    Path::new(&manifest_dir).ancestors().nth(2).map(Path::to_owned).ok_or_else(|| "xtask is not inside its workspace".into())
}

/// Runs a command to its end; an exit code other than 0 is a failure that names the command.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed ({status})").into()) }
}

fn bind(compiled: &Path, staging: &Path, profile: Profile) -> Result<(), Failure> {
    let mut args = vec!["wasm-bindgen".into(), compiled.as_os_str().to_owned(), "--out-dir".into(), staging.as_os_str().to_owned()];
    args.extend(["--target", "web", "--out-name", "seaworthy", "--omit-default-module-path", "--remove-producers-section"].map(Into::into));
    if profile == Profile::Dev {
        args.push("--keep-debug".into());
    }
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(args)?;
    fs::rename(staging.join("seaworthy_bg.wasm"), staging.join(MODULE))?;
    fs::remove_file(staging.join("seaworthy_bg.wasm.d.ts"))?;
    Ok(())
}

fn optimise(root: &Path, staging: &Path) -> Result<(), Failure> {
    let wasm_opt = root.join(WASM_OPT);
    if !wasm_opt.exists() {
        return Err(format!("{WASM_OPT} is missing: run `npm ci`").into());
    }
    let module = staging.join(MODULE);
    run(Command::new("node").arg(wasm_opt).args(WASM_OPT_FLAGS).arg(&module).arg("-o").arg(&module))
}

/// Names what the outputs were made of.
fn stamp(compiled: &[u8], profile: Profile) -> String {
    let module = xxhash_rust::xxh3::xxh3_128(compiled);
    let tool = xxhash_rust::xxh3::xxh3_64(include_bytes!("module.rs"));
    format!("{profile:?} {module:032x} {tool:016x}\n")
}

fn target_dir(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

fn remove_dir(dir: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", dir.display()).into()),
        _ => Ok(()),
    }
}

fn copy_dir(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() { copy_dir(&entry.path(), &target)? } else { fs::copy(entry.path(), target).map(drop)? }
    }
    Ok(())
}
