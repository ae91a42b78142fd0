//! Where a database's files are: one directory of the Origin Private File System for each name, and for each
//! further user of it one beside that, whose name ends in `@` and a place.
//!
//! Promises that opening waits, for a bounded time, until a worker that died has let go of its
//! handles, and never takes them from a living one. The caller holds the Web Lock of the name.

use crate::clock::scope;
use crate::failure::{Failure, describe, is_in_use};
use crate::vfs::{DATABASE, Handle, LOG};
use futures_util::future::join;
use gloo_timers::future::TimeoutFuture;
use js_sys::{IteratorNext, Promise};
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions, FileSystemRemoveOptions};

/// The directory that holds one directory for each database.
const ROOT: &str = "seaworthy";
/// Handles of a terminated worker free themselves within tens of milliseconds.
const PATIENCE_MS: f64 = 5000.0;
const RETRY_EVERY_MS: u32 = 5;

/// Stands in no encoded name.
const BESIDE: char = '@';

/// Whether this browser lets a worker have files here and now.
pub(crate) async fn usable() -> Result<(), Failure> {
    if !scope()?.is_secure_context() {
        return Err(Failure::insecure());
    }
    if !has_handles() {
        return Err(Failure::new("StorageUnavailable", "this browser has no OPFS access handles in a worker: use a newer one, or open with storage: 'memory'"));
    }
    top().await.map(drop).map_err(|error| Failure::storage("opening the origin's file system", &error))
}

/// Takes the files of `name`, or of a further user at `place`, making them if need be: the database, and its log.
pub(crate) async fn open(name: &str, place: &str) -> Result<[Rc<Handle>; 2], Failure> {
    take_patiently(&folder(name, place).await?, [DATABASE, LOG]).await
}

/// Takes a database and its log in a folder, making them if need be.
pub(crate) async fn take_patiently(folder: &FileSystemDirectoryHandle, names: [&str; 2]) -> Result<[Rc<Handle>; 2], Failure> {
    let patience = Patience::new();
    loop {
        match take(folder, names).await {
            Ok(handles) => return Ok(handles),
            Err(error) if is_in_use(&describe(&error).0) && !patience.is_over() => TimeoutFuture::new(RETRY_EVERY_MS).await,
            Err(error) => return Err(unopened(error)),
        }
    }
}

fn has_handles() -> bool {
    let class = js_sys::Reflect::get(&js_sys::global(), &"FileSystemFileHandle".into());
    let prototype = class.and_then(|class| js_sys::Reflect::get(&class, &"prototype".into()));
    prototype.and_then(|prototype| js_sys::Reflect::has(&prototype, &"createSyncAccessHandle".into())).unwrap_or(false)
}

/// The folder of `name`, or of a further user at `place`, made if need be.
pub(crate) async fn folder(name: &str, place: &str) -> Result<FileSystemDirectoryHandle, Failure> {
    make_directory(&beside(name, place)?).await.map_err(unopened)
}

fn unopened(error: JsValue) -> Failure {
    Failure::storage("opening the database's files", &error)
}

/// Both handles, or neither.
async fn take(folder: &FileSystemDirectoryHandle, [database, log]: [&str; 2]) -> Result<[Rc<Handle>; 2], JsValue> {
    match join(open_file(folder, database), open_file(folder, log)).await {
        (Ok(database), Ok(log)) => Ok([Rc::new(database), Rc::new(log)]),
        (Err(error), other) | (other, Err(error)) => {
            if let Ok(handle) = other {
                handle.close();
            }
            Err(error)
        }
    }
}

async fn open_file(folder: &FileSystemDirectoryHandle, name: &str) -> Result<Handle, JsValue> {
    let file = file(folder, name).await?;
    Ok(Handle::new(JsFuture::from(file.create_sync_access_handle()).await?.unchecked_into()))
}

async fn file(folder: &FileSystemDirectoryHandle, name: &str) -> Result<FileSystemFileHandle, JsValue> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(true);
    Ok(JsFuture::from(folder.get_file_handle_with_options(name, &options)).await?.unchecked_into())
}

#[wasm_bindgen]
extern "C" {
    /// What every browser's handle of a file can, and the bindings leave out.
    #[wasm_bindgen(extends = FileSystemFileHandle)]
    type Movable;

    #[wasm_bindgen(method, catch, js_name = "move")]
    fn move_to(this: &Movable, folder: &FileSystemDirectoryHandle, name: &str) -> Result<Promise, JsValue>;
}

/// Puts a file in the place of another database's, in one step. Nobody may have either open.
pub(crate) async fn replace_database(from: &FileSystemDirectoryHandle, name: &str, to: &FileSystemDirectoryHandle) -> Result<(), Failure> {
    let failed = |error: JsValue| Failure::storage("putting the imported file in place", &error);
    let file: Movable = file(from, name).await.map_err(failed)?.unchecked_into();
    let patience = Patience::new();
    loop {
        let moved = match file.move_to(to, DATABASE) {
            Ok(moving) => JsFuture::from(moving).await,
            Err(error) => Err(error),
        };
        match moved {
            Ok(_) => return Ok(()),
            Err(error) if is_in_use(&describe(&error).0) && !patience.is_over() => TimeoutFuture::new(RETRY_EVERY_MS).await,
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Deletes the folder of a further place of `name`. One that does not exist is fine.
pub(crate) async fn remove_place(name: &str, place: &str) -> Result<(), Failure> {
    if usable().await.is_err() {
        return Ok(());
    }
    let failed = |error: JsValue| Failure::storage("deleting what is left of an import", &error);
    let Some(root) = root().await.map_err(failed)? else { return Ok(()) };
    remove_directory(&root, &beside(name, place)?).await.map_err(failed)
}

async fn make_directory(encoded: &str) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(true);
    let mut folder = top().await?;
    for name in [ROOT, encoded] {
        folder = JsFuture::from(folder.get_directory_handle_with_options(name, &options)).await?.unchecked_into();
    }
    Ok(folder)
}

/// Deletes the directories of `name` with everything in them, the first user's last. A database that does not exist is fine.
pub(crate) async fn remove(name: &str) -> Result<(), Failure> {
    let first = directory(name)?;
    if usable().await.is_err() {
        return Ok(());
    }
    let failed = |error: JsValue| Failure::storage("deleting the database", &error);
    let Some(root) = root().await.map_err(failed)? else { return Ok(()) };
    let beside = format!("{first}{BESIDE}");
    let mut found = names(&root).await.map_err(failed)?;
    found.retain(|name| name.starts_with(&beside));
    for directory in found.iter().chain([&first]) {
        remove_directory(&root, directory).await.map_err(failed)?;
    }
    Ok(())
}

async fn names(root: &FileSystemDirectoryHandle) -> Result<Vec<String>, JsValue> {
    let (keys, mut names) = (root.keys(), Vec::new());
    loop {
        let next: IteratorNext = JsFuture::from(keys.next()?).await?.unchecked_into();
        if next.done() {
            return Ok(names);
        }
        names.extend(next.value().as_string());
    }
}

async fn remove_directory(root: &FileSystemDirectoryHandle, directory: &str) -> Result<(), JsValue> {
    let options = FileSystemRemoveOptions::new();
    options.set_recursive(true);
    let patience = Patience::new();
    loop {
        match JsFuture::from(root.remove_entry_with_options(directory, &options)).await {
            Ok(_) => return Ok(()),
            Err(error) => match describe(&error).0.as_str() {
                "NotFoundError" => return Ok(()),
                name if is_in_use(name) && !patience.is_over() => TimeoutFuture::new(RETRY_EVERY_MS).await,
                _ => return Err(error),
            },
        }
    }
}

async fn top() -> Result<FileSystemDirectoryHandle, JsValue> {
    let storage = scope().map_err(|failure| failure.to_js())?.navigator().storage();
    Ok(JsFuture::from(storage.get_directory()).await?.unchecked_into())
}

async fn root() -> Result<Option<FileSystemDirectoryHandle>, JsValue> {
    match JsFuture::from(top().await?.get_directory_handle_with_options(ROOT, &FileSystemGetDirectoryOptions::new())).await {
        Ok(root) => Ok(Some(root.unchecked_into())),
        Err(error) if describe(&error).0 == "NotFoundError" => Ok(None),
        Err(error) => Err(error),
    }
}

/// The name of the directory of a database, or of a further place of its name.
fn beside(name: &str, place: &str) -> Result<String, Failure> {
    let first = directory(name)?;
    Ok(if place.is_empty() { first } else { format!("{first}{BESIDE}{place}") })
}

/// The name of a database as a name of a directory: percent-encoded, with the dot encoded too.
fn directory(name: &str) -> Result<String, Failure> {
    let encoded = String::from(js_sys::encode_uri_component(name)).replace('.', "%2E").replace('*', "%2A");
    if encoded.is_empty() || encoded.len() > 200 {
        return Err(Failure::new("BadName", "the name of a database has 1 to 200 characters"));
    }
    Ok(encoded)
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
