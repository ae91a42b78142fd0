//! A file that is to take a database's place: it comes piece by piece, is checked and made ready beside it, and then
//! takes its place in one step.
//!
//! Promises that the database that is there is whole until that step and gone after it, wherever a worker dies; and
//! that a piece that comes again, to another worker, goes on where the file was.

use crate::clock::Clock;
use crate::database::Database;
use crate::export::without_log;
use crate::failure::Failure;
use crate::files::Files;
use crate::opfs;
use crate::options::{Durability, Options, Tier};
use crate::page_store::{MOST_BYTES, PageStore, too_large};
use crate::place::{Home, Opened};
use crate::vfs::Handle;
use js_sys::Function;
use rusqlite::{Connection, MAIN_DB};
use seaworthy_store::{Seat, Store, StoreError};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The place, beside the users' of a name, where a file comes in. One at a time.
const PLACE: &str = "import";
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// An import that is under way.
#[wasm_bindgen]
pub struct Import {
    name: String,
    id: String,
    coming: RefCell<Option<Coming>>,
}

enum Coming {
    Files(Files, [Rc<Handle>; 2]),
    Pages(Files, Rc<PageStore>),
    Memory(Vec<u8>),
    /// Ready, for a user's place.
    ReadyFile(String),
    ReadyPages(Files, Rc<PageStore>, String),
    ReadyStore(Box<Store>),
}

#[wasm_bindgen]
impl Import {
    /// Begins an import, or goes on with the one of that id. What is left of another one is deleted. `storage` of the options
    /// is the tier in which the database is.
    pub async fn begin(options: JsValue, id: String, anew: bool) -> Result<Import, JsValue> {
        let Options { name, storage, .. } = Options::from_js(&options)?;
        let coming = match storage[..] {
            [Tier::Opfs] => {
                if anew {
                    opfs::remove_place(&name, PLACE).await?;
                }
                let folder = opfs::folder(&name, PLACE).await?;
                let handles = opfs::take_patiently(&folder, [&id, &log_of(&id)]).await?;
                Coming::Files(Files::on_handles(handles.clone(), Durability::Relaxed)?, handles)
            }
            [Tier::IndexedDb] => {
                let files = Files::in_memory(&name).await?;
                let store = files.pages().ok_or_else(lost)?;
                Coming::Pages(files, store)
            }
            _ => Coming::Memory(Vec::new()),
        };
        Ok(Self { name, id, coming: RefCell::new(Some(coming)) })
    }

    /// Takes a piece of the file.
    pub fn write(&self, piece: &[u8], at: f64) -> Result<(), JsValue> {
        let at = at as u64;
        let mut piece = piece.to_vec();
        if at == 0 {
            if piece.len() < HEADER || !piece.starts_with(MAGIC) {
                return Err(Failure::from(StoreError::BadFile { reason: "it is no database of SQLite".to_owned() }).into());
            }
            without_log(&mut piece);
        }
        match self.coming.borrow_mut().as_mut() {
            Some(Coming::Files(_, [database, _])) if at <= database.size().map_err(Failure::file)? => Ok(database.write(&piece, at).map_err(Failure::file)?),
            Some(Coming::Pages(_, store)) if at <= store.pages().size() => {
                if at + piece.len() as u64 > MOST_BYTES as u64 {
                    return Err(too_large().into());
                }
                Ok(store.pages().write(&piece, at).map_err(Failure::file)?)
            }
            Some(Coming::Memory(bytes)) if at <= bytes.len() as u64 => {
                bytes.truncate(at as usize);
                bytes.extend(piece);
                Ok(())
            }
            _ => Err(lost().into()),
        }
    }

    /// Checks the file and makes it ready to take the place of a database, which stays open.
    pub fn prepare(&self, database: &Database, options: JsValue) -> Result<(), JsValue> {
        let options = Options::from_js(&options)?;
        let coming = self.coming.borrow_mut().take().ok_or_else(lost)?;
        let ready = self.make_ready(coming, &database.seat()?, database.place(), &options)?;
        self.coming.replace(Some(ready));
        Ok(())
    }

    /// Puts the file, which is ready, in the place of the database, which is closed, and opens it.
    pub async fn open(self, options: JsValue, emit: Function) -> Result<Database, JsValue> {
        match self.coming.take() {
            Some(Coming::ReadyFile(place)) => {
                self.take_place(&place).await?;
                Database::open(options, emit).await
            }
            Some(Coming::ReadyPages(files, store, place)) => {
                let took_place = store.take_place(&place).await;
                files.release()?;
                took_place?;
                Database::open(options, emit).await
            }
            Some(Coming::ReadyStore(store)) => {
                let home = Home { tier: Tier::Memory, lost: false, pages: None };
                let opened = Opened { store: *store, home, files: None, place: String::new(), pending_elsewhere: 0 };
                Ok(Database::start(opened, Options::from_js(&options)?, Clock::new()?, emit).map_err(Failure::from)?)
            }
            _ => Err(lost().into()),
        }
    }

    /// Gives the import up.
    pub async fn discard(self) -> Result<(), JsValue> {
        self.release()?;
        Ok(opfs::remove_place(&self.name, PLACE).await?)
    }

    /// Lets go of the file, which stays.
    pub fn release(&self) -> Result<(), JsValue> {
        match self.coming.take() {
            Some(Coming::Files(files, _) | Coming::Pages(files, _) | Coming::ReadyPages(files, ..)) => Ok(files.release()?),
            _ => Ok(()),
        }
    }

    /// Deletes what an import has left that was never finished.
    pub async fn tidy(name: String) -> Result<(), JsValue> {
        Ok(opfs::remove_place(&name, PLACE).await?)
    }
}

impl Import {
    fn make_ready(&self, coming: Coming, seat: &Seat, place: &str, options: &Options) -> Result<Coming, Failure> {
        let fresh = Clock::new()?.replica_id();
        match coming {
            Coming::Files(files, handles) => {
                let made = settle(&files, &handles, |conn| Store::import(conn, &options.schema, fresh, seat, &self.id));
                let released = files.release();
                made.and(released)?;
                Ok(Coming::ReadyFile(place.to_owned()))
            }
            Coming::Pages(files, store) => {
                let made =
                    if store.pages().size() == 0 { Err(empty()) } else { make(&files, |conn| Store::import(conn, &options.schema, fresh, seat, &self.id)) };
                if let Err(failure) = made {
                    files.release()?;
                    return Err(failure);
                }
                Ok(Coming::ReadyPages(files, store, place.to_owned()))
            }
            Coming::Memory(bytes) => {
                let mut conn = Connection::open_in_memory().map_err(StoreError::from)?;
                conn.deserialize_read_exact(MAIN_DB, bytes.as_slice(), bytes.len(), false).map_err(|error| StoreError::from(error).of_file())?;
                Ok(Coming::ReadyStore(Box::new(Store::import(conn, &options.schema, fresh, seat, &self.id)?)))
            }
            ready => Ok(ready),
        }
    }

    async fn take_place(&self, place: &str) -> Result<(), Failure> {
        let [from, to] = [opfs::folder(&self.name, PLACE).await?, opfs::folder(&self.name, place).await?];
        let former = opfs::take_patiently(&to, [crate::vfs::DATABASE, crate::vfs::LOG]).await?;
        let waiting = former[1].size().map_err(Failure::file);
        former.iter().for_each(|handle| handle.close());
        if waiting? > 0 {
            // It would be taken for the log of the new file.
            return Err(Failure::new("StorageUnavailable", "the log of the database could not be emptied: free some space and try again"));
        }
        opfs::replace_database(&from, &self.id, &to).await?;
        // It took place. What is left is an empty log.
        let _ = opfs::remove_place(&self.name, PLACE).await;
        Ok(())
    }
}

/// Makes a file ready, and leaves all of it in the file and on the disk.
fn settle(files: &Files, [database, log]: &[Rc<Handle>; 2], import: impl FnOnce(Connection) -> Result<Store, StoreError>) -> Result<(), Failure> {
    if database.size().map_err(Failure::file)? == 0 {
        return Err(empty());
    }
    make(files, import)?;
    if log.size().map_err(Failure::file)? > 0 {
        return Err(StoreError::QuotaExceeded.into());
    }
    database.flush().map_err(Failure::file)
}

fn make(files: &Files, import: impl FnOnce(Connection) -> Result<Store, StoreError>) -> Result<(), Failure> {
    let conn = files.connect().map_err(|error| StoreError::from(error).of_file())?;
    Ok(import(conn)?.close()?)
}

/// An empty file is an empty database to SQLite. Here it is one of which nothing has come.
fn empty() -> Failure {
    StoreError::BadFile { reason: "it is empty".to_owned() }.into()
}

fn log_of(id: &str) -> String {
    format!("{id}-wal")
}

fn lost() -> Failure {
    let mut failure = Failure::new("LeaderLost", "the import was interrupted, and nothing was changed: start it again");
    failure.retryable = true;
    failure
}
