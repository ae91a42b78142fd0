//! A database whose pages are in memory, and follow in IndexedDB.
//!
//! Promises that IndexedDB holds one committed state after another, each whole; and that after a failure,
//! when memory is ahead of what is stored, nothing is stored any more: the database must be opened again.

use crate::failure::Failure;
use crate::idb::Idb;
use crate::options::Durability;
use crate::vfs::Pages;
use futures_util::lock::Mutex;
use std::cell::RefCell;
use std::rc::Rc;

/// Memory holds the whole database, and more than this is too much for a phone.
pub(crate) const MOST_BYTES: i64 = 64 * 1024 * 1024;

/// The pages of one open database.
pub(crate) struct PageStore {
    pages: Rc<Pages>,
    idb: Idb,
    name: String,
    place: String,
    durability: Durability,
    /// One transaction at a time.
    turn: Mutex<()>,
    failed: RefCell<Option<Failure>>,
}

impl PageStore {
    /// Pages that have no place yet.
    pub(crate) async fn empty(name: &str) -> Result<Self, Failure> {
        Ok(Self::new(Idb::open().await?, Rc::default(), name, "", Durability::Strict))
    }

    /// Stores everything in place of what is at `place`, which nobody may have open.
    pub(crate) async fn take_place(&self, place: &str) -> Result<(), Failure> {
        let saved = self.idb.save(&self.name, place, self.pages.take_changes(), self.durability).await;
        saved.map_err(|error| Failure::storage("storing the imported file in IndexedDB", &error))
    }

    /// Loads all pages.
    pub(crate) async fn open(name: &str, place: &str, durability: Durability) -> Result<Self, Failure> {
        let idb = Idb::open().await?;
        let pages = Rc::new(Pages::default());
        pages.load(idb.load(name, place).await.map_err(|error| Failure::storage("reading the database from IndexedDB", &error))?);
        Ok(Self::new(idb, pages, name, place, durability))
    }

    fn new(idb: Idb, pages: Rc<Pages>, name: &str, place: &str, durability: Durability) -> Self {
        let (name, place) = (name.to_owned(), place.to_owned());
        Self { pages, idb, name, place, durability, turn: Mutex::new(()), failed: RefCell::default() }
    }

    pub(crate) fn pages(&self) -> &Rc<Pages> {
        &self.pages
    }

    /// Whether everything that was committed is stored.
    pub(crate) fn is_settled(&self) -> bool {
        self.pages.is_clean() && self.failed.borrow().is_none() && self.turn.try_lock().is_some()
    }

    /// Nothing is stored from now on: another worker may open the database.
    pub(crate) fn close(&self) {
        self.failed.borrow_mut().get_or_insert_with(Failure::closed);
    }

    /// Stores what was committed until now. What is committed meanwhile needs another call.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let _turn = self.turn.lock().await;
        if let Some(failure) = &*self.failed.borrow() {
            return Err(failure.clone());
        }
        if self.pages.is_clean() {
            return Ok(());
        }
        let saved = self.idb.save(&self.name, &self.place, self.pages.take_changes(), self.durability).await;
        saved.map_err(|error| {
            let failure = Failure::storage("storing the database in IndexedDB", &error);
            self.failed.replace(Some(failure.clone()));
            failure
        })
    }
}

/// What SQLite calls a full disk is the bound of this tier: the disk's own shows when the pages are stored.
pub(crate) fn too_large() -> Failure {
    let megabytes = MOST_BYTES / (1024 * 1024);
    let what = format!(
        "the database would be larger than {megabytes} MB, which is the most that can be kept in IndexedDB: delete rows, or use a browser that has the Origin Private File System in workers"
    );
    let mut failure = Failure::new("QuotaExceeded", what);
    failure.details = serde_json::json!({ "limit_bytes": MOST_BYTES });
    failure
}
