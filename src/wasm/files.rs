//! The files of one open database, in whichever tier they are, as SQLite opens them.

use crate::failure::Failure;
use crate::opfs;
use crate::options::{Durability, Tier};
use crate::page_store::{MOST_BYTES, PageStore};
use crate::vfs::{Backing, DATABASE, Handle, Vfs};
use rusqlite::{Connection, OpenFlags};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

static OPENED: AtomicU32 = AtomicU32::new(0);

/// They belong to this worker until they are released.
pub(crate) struct Files {
    vfs: Vfs,
    vfs_name: String,
    held: Held,
    durability: Durability,
    is_new: bool,
}

enum Held {
    Handles([Rc<Handle>; 2]),
    Pages(Rc<PageStore>),
}

impl Files {
    /// Takes the files of `name`, or of a further user at `place`, making them if need be.
    pub(crate) async fn open(tier: Tier, name: &str, place: &str, durability: Durability) -> Result<Self, Failure> {
        let (held, backing, is_new) = if tier == Tier::IndexedDb {
            let store = PageStore::open(name, place, durability).await?;
            let pages = store.pages().clone();
            let is_new = pages.size() == 0;
            (Held::Pages(Rc::new(store)), Backing::Pages(pages), is_new)
        } else {
            return Self::on_handles(opfs::open(name, place).await?, durability);
        };
        Self::register(held, backing, durability, is_new)
    }

    /// Uses a database and its log that were taken already.
    pub(crate) fn on_handles([database, log]: [Rc<Handle>; 2], durability: Durability) -> Result<Self, Failure> {
        let size = database.size().and_then(|size| Ok(size + log.size()?));
        let is_new = size.map_err(Failure::file)? == 0;
        Self::register(Held::Handles([database.clone(), log.clone()]), Backing::Handles { database, log }, durability, is_new)
    }

    /// Uses pages in memory, of which nothing is stored before they take a place.
    pub(crate) async fn in_memory(name: &str) -> Result<Self, Failure> {
        let store = PageStore::empty(name).await?;
        let pages = store.pages().clone();
        Self::register(Held::Pages(Rc::new(store)), Backing::Pages(pages), Durability::Strict, true)
    }

    fn register(held: Held, backing: Backing, durability: Durability, is_new: bool) -> Result<Self, Failure> {
        let vfs_name = format!("seaworthy-{}", OPENED.fetch_add(1, Ordering::Relaxed));
        Ok(Self { vfs: Vfs::register(&vfs_name, backing)?, vfs_name, held, durability, is_new })
    }

    /// The database and its log, where those are files of the browser.
    pub(crate) fn handles(&self) -> Option<&[Rc<Handle>; 2]> {
        match &self.held {
            Held::Handles(handles) => Some(handles),
            Held::Pages(_) => None,
        }
    }

    /// Whether there was nothing in them when they were opened.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The store behind the pages, if that is where they go.
    pub(crate) fn pages(&self) -> Option<Rc<PageStore>> {
        match &self.held {
            Held::Handles(_) => None,
            Held::Pages(store) => Some(store.clone()),
        }
    }

    /// Opens SQLite on them.
    pub(crate) fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let conn = Connection::open_with_flags_and_vfs(DATABASE, flags, self.vfs_name.as_str())?;
        conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        match &self.held {
            Held::Handles(_) => {
                // A write-ahead log without shared memory, which needs the exclusive lock first.
                conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
                let synchronous = match self.durability {
                    Durability::Relaxed => "NORMAL",
                    Durability::Strict => "FULL",
                };
                conn.pragma_update(None, "synchronous", synchronous)?;
            }
            Held::Pages(_) => {
                // What is stored together is what was committed: no page may be written before COMMIT.
                conn.pragma_update(None, "cache_spill", "OFF")?;
                conn.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
                conn.pragma_update(None, "synchronous", "OFF")?;
                let page_size: i64 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
                conn.pragma_update_and_check(None, "max_page_count", MOST_BYTES / page_size, |_| Ok(()))?;
            }
        }
        Ok(conn)
    }

    /// Waits until what was committed is where it survives the worker.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        match &self.held {
            Held::Handles(_) => Ok(()),
            Held::Pages(store) => store.settle().await,
        }
    }

    /// Lets go of the files. Every connection must be closed.
    pub(crate) fn release(self) -> Result<(), Failure> {
        let released = self.vfs.unregister();
        match self.held {
            Held::Handles(handles) => handles.iter().for_each(|handle| handle.close()),
            Held::Pages(store) => store.close(),
        }
        released
    }
}
