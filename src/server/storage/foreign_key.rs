//! Foreign keys inside a savepoint. SQLite checks deferred ones at COMMIT only, which is too late when
//! one database transaction decides the transactions of many replicas.

use rusqlite::{Connection, ffi};

/// Whether some foreign key is violated that will have to hold at COMMIT.
pub fn is_unresolved(conn: &Connection) -> rusqlite::Result<bool> {
    let (mut current, mut highest) = (0, 0);
    // SAFETY: the handle is open for as long as the borrow of `conn`, this thread is its only user, and
    // both pointers are to live integers. The call reads a counter and keeps nothing.
    let code = unsafe { ffi::sqlite3_db_status(conn.handle(), ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &mut current, &mut highest, 0) };
    if code != ffi::SQLITE_OK {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    }
    Ok(current != 0)
}

/// How many rows of the whole database lack their parent. Slow: it reads every child.
pub fn count_violations(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
}
