//! The database as one file that stays as it is: for an export, while writes go on.
//!
//! In WAL mode only a checkpoint writes to the database file. So the log is moved into it once, and left alone until
//! the export has ended: what is written meanwhile stands in the log. Nothing is copied and nobody waits.

use crate::{StoreError, store::Store};
use rusqlite::{Connection, MAIN_DB};

/// SQLite's own default: after so many pages in the log a commit moves them into the database file.
const CHECKPOINT_PAGES: u32 = 1000;

impl Store {
    /// From here on the database file is whole, and as it is now, until [`Self::end_snapshot`].
    pub fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        self.refuse_open()?;
        checkpoint_after(&self.conn, 0)?;
        checkpoint(&self.conn).inspect_err(|_| self.end_snapshot())
    }

    /// The database file follows the log again.
    pub fn end_snapshot(&self) {
        // It sets a number in memory. Should it fail, the log is moved when the database is closed.
        let _ = checkpoint_after(&self.conn, CHECKPOINT_PAGES);
    }

    /// A database that has no file, as the bytes of one.
    pub fn image(&mut self) -> Result<Vec<u8>, StoreError> {
        self.refuse_open()?;
        Ok(self.conn.serialize(MAIN_DB)?.to_vec())
    }
}

fn checkpoint_after(conn: &Connection, pages: u32) -> Result<(), StoreError> {
    Ok(conn.pragma_update_and_check(None, "wal_autocheckpoint", pages, |_| Ok(()))?)
}

/// Moves the whole log into the database file and empties it.
fn checkpoint(conn: &Connection) -> Result<(), StoreError> {
    let busy: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy {
        return Err(StoreError::TransactionState { what: "a statement is still running: try again" });
    }
    Ok(())
}
