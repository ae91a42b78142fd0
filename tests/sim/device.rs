//! A disk that survives crashes, and that refuses commits when the schedule says so.
//!
//! A commit hook stands for the disk: a refused commit is one that SQLite rolls back. A crash between two
//! commits of one step is made by refusing every commit from one on, and dropping the process afterwards.

use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// Where commits pass.
#[derive(Debug)]
pub struct Gate {
    /// Commits that still pass before every further one is refused; negative: all pass.
    left: AtomicI64,
    /// The next commit alone is refused.
    refuse_one: AtomicBool,
    refused: AtomicBool,
}

#[derive(Clone, Debug)]
pub struct Device {
    pub path: PathBuf,
    pub gate: Arc<Gate>,
}

impl Device {
    pub fn new(folder: &Path, name: &str) -> Self {
        let gate = Gate { left: AtomicI64::new(-1), refuse_one: AtomicBool::new(false), refused: AtomicBool::new(false) };
        Self { path: folder.join(name), gate: Arc::new(gate) }
    }

    /// A connection for the process that owns the database.
    pub fn open(&self) -> rusqlite::Result<Connection> {
        let mut conn = Connection::open(&self.path)?;
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")?;
        self.gate.watch(&mut conn)?;
        Ok(conn)
    }

    /// A connection that looks at what is committed.
    pub fn reader(&self) -> rusqlite::Result<Connection> {
        let conn = Connection::open(&self.path)?;
        conn.execute_batch("PRAGMA query_only = ON")?;
        Ok(conn)
    }

    /// A copy of the file, as a backup or a cloned profile makes it. No process may have it open.
    pub fn copy(&self, folder: &Path, name: &str) -> std::io::Result<Self> {
        let copy = Self::new(folder, name);
        std::fs::copy(&self.path, &copy.path)?;
        Ok(copy)
    }

    /// Puts another file in the place of this one. No process may have it open.
    pub fn replace_with(&self, other: &Self) -> std::io::Result<()> {
        for companion in ["-wal", "-shm"] {
            let mut name = self.path.clone().into_os_string();
            name.push(companion);
            if std::fs::exists(&name)? {
                std::fs::remove_file(&name)?;
            }
        }
        std::fs::copy(&other.path, &self.path).map(drop)
    }
}

impl Gate {
    /// Has every commit of a connection pass here.
    pub fn watch(self: &Arc<Self>, conn: &mut Connection) -> rusqlite::Result<()> {
        let gate = self.clone();
        conn.commit_hook(Some(move || gate.refuses()))
    }

    fn refuses(&self) -> bool {
        let refuses = match self.left.load(Relaxed) {
            0 => true,
            left if left > 0 => {
                self.left.store(left - 1, Relaxed);
                false
            }
            _ => self.refuse_one.swap(false, Relaxed),
        };
        if refuses {
            self.refused.store(true, Relaxed);
        }
        refuses
    }

    /// The process will crash after so many commits.
    pub fn crash_after(&self, commits: i64) {
        self.left.store(commits, Relaxed);
    }

    pub fn refuse_one(&self) {
        self.refuse_one.store(true, Relaxed);
    }

    /// Whether the process must crash now.
    pub fn has_crashed(&self) -> bool {
        self.left.load(Relaxed) == 0 && self.refused.load(Relaxed)
    }

    /// Whether a commit was refused since this was last asked.
    pub fn take_refused(&self) -> bool {
        self.refused.swap(false, Relaxed)
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.left.store(-1, Relaxed);
        self.refuse_one.store(false, Relaxed);
        self.refused.store(false, Relaxed);
    }
}
