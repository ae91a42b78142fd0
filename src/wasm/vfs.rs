//! SQLite's files: on two handles of the Origin Private File System, the database and its write-ahead log;
//! or the database in memory, in blocks that somebody else stores.
//!
//! Promises that on handles a commit is one write to the file, made before COMMIT answers; that a write which
//! the browser did not make whole is `SQLITE_FULL`; and that nothing is shared: one connection, in one worker.
//! The rollback journal lives in memory: on handles it serves only the one transaction that turns an empty
//! file into a database with a write-ahead log. So do temporary files.

mod ahead;
mod handle;
mod log;
mod main_file;
mod pages;

pub(crate) use handle::Handle;
pub(crate) use pages::{Changes, Pages};

use crate::failure::Failure;
use log::LogFile;
use main_file::MainFile;
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_rs::vfs::{
    AccessMode, DeviceCharacteristics, FileKind, LockLevel, MemChunksFile, OpenAccess, OpenOptions, OpenRequest, OpenedFile, SQLiteIoMethods, SQLiteVfs,
    SyncOptions, VfsError, VfsErrorCode, VfsFile, VfsRegistration, VfsResult, VfsStore, register_vfs,
};
use std::cell::RefCell;
use std::rc::Rc;

/// The database, as SQLite names it.
pub(crate) const DATABASE: &str = "db";
/// Its write-ahead log.
pub(crate) const LOG: &str = "db-wal";
const JOURNAL: &str = "db-journal";

/// What the files can be relied on: a write disturbs no bytes beside it, and nobody else has them.
const PROPERTIES: DeviceCharacteristics = DeviceCharacteristics::POWERSAFE_OVERWRITE.union(DeviceCharacteristics::UNDELETABLE_WHEN_OPEN);

/// A registered VFS over the handles of one database.
pub(crate) struct Vfs(VfsRegistration<Data>);

/// What holds the bytes.
pub(crate) enum Backing {
    Handles { database: Rc<Handle>, log: Rc<Handle> },
    Pages(Rc<Pages>),
}

impl Vfs {
    /// Registers it under a name of its own.
    pub(crate) fn register(name: &str, backing: Backing) -> Result<Self, Failure> {
        let data = Data { os: WasmOsCallback, backing, journal: RefCell::default(), error: RefCell::default() };
        // SAFETY: the worker is one thread, the name is unique in it, and all callbacks are the typed ones of the traits.
        let registration = unsafe { register_vfs::<Methods, Callbacks>(name, data, false) };
        registration.map(Self).map_err(|error| Failure::new("StorageUnavailable", format!("SQLite does not take the files: {error}")))
    }

    /// Takes it back. Every connection must be closed.
    pub(crate) fn unregister(self) -> Result<(), Failure> {
        // SAFETY: the only connection of this VFS was closed by the caller, and nothing else of this worker uses it.
        let done = unsafe { self.0.unregister() };
        done.map_err(|(_, error)| Failure::new("StorageUnavailable", format!("SQLite does not give the files back: {error}")))
    }
}

struct Data {
    os: WasmOsCallback,
    backing: Backing,
    journal: RefCell<Option<Memory>>,
    error: RefCell<Option<VfsError>>,
}

#[derive(Clone)]
struct Memory(Rc<RefCell<MemChunksFile>>);

enum File {
    Main(MainFile),
    Log(LogFile),
    Pages(Rc<Pages>),
    Memory(Memory),
}

struct Store;
struct Methods;
struct Callbacks;

impl SQLiteIoMethods for Methods {
    type Store = Store;
}

impl SQLiteVfs<Methods> for Callbacks {
    type Os = WasmOsCallback;

    fn os(data: &Data) -> &WasmOsCallback {
        &data.os
    }
}

impl VfsStore for Store {
    type File = File;
    type AppData = Data;

    fn record_error(data: &Data, error: VfsError) {
        data.error.replace(Some(error));
    }

    fn last_error(data: &Data) -> Option<VfsError> {
        data.error.borrow().clone()
    }

    fn open_file(data: &Data, request: OpenRequest<'_>) -> VfsResult<OpenedFile<File>> {
        let file = match (request.filename.map(|name| name.path()), request.options.kind(), &data.backing) {
            (Some(DATABASE), Some(FileKind::MainDb), Backing::Handles { database, .. }) => File::Main(MainFile::new(database.clone())),
            (Some(LOG), Some(FileKind::Wal), Backing::Handles { log, .. }) => File::Log(LogFile::new(log.clone())),
            (Some(DATABASE), Some(FileKind::MainDb), Backing::Pages(pages)) => File::Pages(pages.clone()),
            (Some(JOURNAL), Some(FileKind::MainJournal), _) => File::Memory(data.journal.borrow_mut().get_or_insert_with(Memory::new).clone()),
            (None, ..) => File::Memory(Memory::new()),
            (Some(other), ..) => return Err(VfsError::new(VfsErrorCode::CantOpen, format!("{other} is not a file of this database").into())),
        };
        Ok(OpenedFile { file, access: OpenAccess::ReadWrite })
    }

    /// What still waits for the log belongs to no transaction that was committed.
    fn close_file(_: &Data, _: Option<&str>, _: File, _: OpenOptions) -> VfsResult<()> {
        Ok(())
    }

    fn access(data: &Data, name: &str, _: AccessMode) -> VfsResult<bool> {
        match (name, &data.backing) {
            (DATABASE, Backing::Handles { database, .. }) => Ok(database.size()? > 0),
            (LOG, Backing::Handles { log, .. }) => Ok(log.size()? > 0),
            (DATABASE, Backing::Pages(pages)) => Ok(pages.size() > 0),
            (JOURNAL, _) => Ok(data.journal.borrow().is_some()),
            _ => Ok(false),
        }
    }

    fn full_pathname(_: &Data, name: &str) -> VfsResult<String> {
        Ok(name.to_owned())
    }

    fn delete_file(data: &Data, name: &str, _: bool) -> VfsResult<()> {
        match (name, &data.backing) {
            (DATABASE, Backing::Handles { database, .. }) => database.truncate(0),
            (LOG, Backing::Handles { log, .. }) => log.truncate(0),
            (DATABASE, Backing::Pages(pages)) => pages.truncate(0),
            (JOURNAL, _) => {
                data.journal.take();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Memory {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(MemChunksFile::default())))
    }
}

impl VfsFile for File {
    fn device_characteristics(&self) -> DeviceCharacteristics {
        match self {
            Self::Main(_) | Self::Log(_) | Self::Pages(_) => PROPERTIES,
            Self::Memory(_) => DeviceCharacteristics::NONE,
        }
    }

    fn read(&mut self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        match self {
            Self::Main(file) => file.read(buf, offset),
            Self::Log(file) => file.read(buf, offset),
            Self::Pages(file) => file.read(buf, offset),
            Self::Memory(Memory(file)) => file.borrow_mut().read(buf, offset),
        }
    }

    fn write(&mut self, buf: &[u8], offset: u64) -> VfsResult<()> {
        match self {
            Self::Main(file) => file.write(buf, offset),
            Self::Log(file) => file.write(buf, offset),
            Self::Pages(file) => file.write(buf, offset),
            Self::Memory(Memory(file)) => file.borrow_mut().write(buf, offset),
        }
    }

    fn truncate(&mut self, size: u64) -> VfsResult<()> {
        match self {
            Self::Main(file) => file.truncate(size),
            Self::Log(file) => file.truncate(size),
            Self::Pages(file) => file.truncate(size),
            Self::Memory(Memory(file)) => file.borrow_mut().truncate(size),
        }
    }

    fn sync(&mut self, options: SyncOptions) -> VfsResult<()> {
        match self {
            Self::Main(file) => file.sync(),
            Self::Log(file) => file.sync(),
            Self::Pages(_) => Ok(()),
            Self::Memory(Memory(file)) => file.borrow_mut().sync(options),
        }
    }

    fn size(&self) -> VfsResult<u64> {
        match self {
            Self::Main(file) => file.size(),
            Self::Log(file) => file.size(),
            Self::Pages(file) => Ok(file.size()),
            Self::Memory(Memory(file)) => file.borrow().size(),
        }
    }

    // Nobody else has the handles.
    fn lock(&mut self, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn unlock(&mut self, _: LockLevel) -> VfsResult<()> {
        Ok(())
    }

    fn check_reserved_lock(&self) -> VfsResult<bool> {
        Ok(false)
    }
}
