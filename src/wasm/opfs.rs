//! Where a database's files are: one directory of the Origin Private File System for each name.
//!
//! Promises that opening waits, for a bounded time, until a worker that died has let go of its
//! handles, and never takes them from a living one. The caller holds the Web Lock of the name.

use crate::clock::scope;
use crate::failure::{Failure, describe, is_in_use};
use gloo_timers::future::TimeoutFuture;
use rusqlite::{Connection, OpenFlags};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHError, OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};
use std::sync::atomic::{AtomicU32, Ordering};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemDirectoryHandle, FileSystemGetDirectoryOptions, FileSystemRemoveOptions};

/// The directory that holds one directory for each database.
const ROOT: &str = "seaworthy";
/// The database inside its own directory.
const FILE: &str = "db";
/// Database, write-ahead log, and the journal that exists until the log does.
const CAPACITY: usize = 3;
/// Handles of a terminated worker free themselves within tens of milliseconds.
const PATIENCE_MS: f64 = 5000.0;
const RETRY_EVERY_MS: u32 = 5;

static OPENED: AtomicU32 = AtomicU32::new(0);

/// The files of one open database.
pub(crate) struct Files {
    pool: OpfsSAHPoolUtil,
    vfs: String,
}

impl Files {
    /// Takes the directory of `name`, making it if need be.
    pub(crate) async fn open(name: &str) -> Result<Self, Failure> {
        if !scope()?.is_secure_context() {
            return Err(Failure::new("InsecureContext", "the browser offers no storage to plain HTTP: use https or localhost, or open with storage: 'memory'"));
        }
        let directory = directory(name)?;
        // A name of its own each time: a second open in this worker then waits, instead of sharing the pool.
        let vfs = format!("opfs-{}-{directory}", OPENED.fetch_add(1, Ordering::Relaxed));
        let config = OpfsSAHPoolCfgBuilder::new().vfs_name(&vfs).directory(&format!("{ROOT}/{directory}")).initial_capacity(CAPACITY).build();
        let patience = Patience::new();
        loop {
            match install::<WasmOsCallback>(&config, false).await {
                Ok(pool) => return Ok(Self { pool, vfs }),
                Err(error) if is_pool_in_use(&error) && !patience.is_over() => TimeoutFuture::new(RETRY_EVERY_MS).await,
                Err(error) => return Err(Failure::pool("opening the database's files", &error)),
            }
        }
    }

    /// Opens SQLite on them: write-ahead log without shared memory, which needs the exclusive lock first.
    pub(crate) fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let conn = Connection::open_with_flags_and_vfs(FILE, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, self.vfs.as_str())?;
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(conn)
    }

    /// Lets go of the files. Every connection must be closed.
    pub(crate) fn release(self) -> Result<(), Failure> {
        // SAFETY: the only connection of this VFS was closed by the caller, and nothing else of this worker uses it.
        unsafe { self.pool.uninstall() }.map_err(|error| Failure::pool("closing the database's files", &error))
    }
}

/// Deletes the directory of `name` with everything in it. A database that does not exist is fine.
pub(crate) async fn remove(name: &str) -> Result<(), Failure> {
    let directory = directory(name)?;
    let failed = |error: JsValue| Failure::storage("deleting the database", &error);
    let patience = Patience::new();
    let Some(root) = root().await.map_err(failed)? else { return Ok(()) };
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    loop {
        match JsFuture::from(root.remove_entry_with_options(&directory, &options)).await {
            Ok(_) => return Ok(()),
            Err(error) => match describe(&error).0.as_str() {
                "NotFoundError" => return Ok(()),
                name if is_in_use(name) && !patience.is_over() => TimeoutFuture::new(RETRY_EVERY_MS).await,
                _ => return Err(failed(error)),
            },
        }
    }
}

async fn root() -> Result<Option<FileSystemDirectoryHandle>, JsValue> {
    let storage = scope().map_err(|failure| failure.to_js())?.navigator().storage();
    let top: FileSystemDirectoryHandle = JsFuture::from(storage.get_directory()).await?.unchecked_into();
    match JsFuture::from(top.get_directory_handle_with_options(ROOT, &FileSystemGetDirectoryOptions::new())).await {
        Ok(root) => Ok(Some(root.unchecked_into())),
        Err(error) if describe(&error).0 == "NotFoundError" => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of a database as a name of a directory: percent-encoded, with the dot encoded too.
fn directory(name: &str) -> Result<String, Failure> {
    let encoded = String::from(js_sys::encode_uri_component(name)).replace('.', "%2E").replace('*', "%2A");
    if encoded.is_empty() || encoded.len() > 200 {
        return Err(Failure::new("BadName", "the name of a database has 1 to 200 characters"));
    }
    Ok(encoded)
}

fn is_pool_in_use(error: &OpfsSAHError) -> bool {
    match error {
        OpfsSAHError::Opfs { value, .. } => is_in_use(&describe(value).0),
        OpfsSAHError::DirectoryInUse(_) | OpfsSAHError::Busy => true,
        _ => false,
    }
}

struct Patience(f64);

impl Patience {
    fn new() -> Self {
        Self(js_sys::Date::now() + PATIENCE_MS)
    }

    fn is_over(&self) -> bool {
        js_sys::Date::now() > self.0
    }
}
