//! Capture of what a transaction changes, by SQLite's session extension.
//!
//! `rusqlite::session::Session` borrows the connection, and an interactive transaction outlives any
//! borrow, so this holds the session by its raw handle. The owner drops it before the connection.

use crate::StoreError;
use crate::table::Table;
use rusqlite::{Connection, ffi};
use std::ffi::CString;
use std::os::raw::{c_int, c_void};

/// A recording session over the given tables.
#[derive(Debug)]
pub(crate) struct Capture {
    session: *mut ffi::sqlite3_session,
}

impl Capture {
    /// Begins to record.
    pub fn begin<'a>(conn: &Connection, tables: impl Iterator<Item = &'a Table>) -> Result<Self, StoreError> {
        let mut session = std::ptr::null_mut();
        // SAFETY: the handle is open, the name is a C string, and `session` receives an owned object.
        check(unsafe { ffi::sqlite3session_create(conn.handle(), c"main".as_ptr(), &mut session) })?;
        let capture = Self { session };
        for table in tables {
            let name = CString::new(table.name.as_str()).map_err(|_| StoreError::BadSchema { reason: format!("{:?} contains NUL", table.name) })?;
            // SAFETY: the session is live and SQLite copies the name.
            check(unsafe { ffi::sqlite3session_attach(capture.session, name.as_ptr()) })?;
        }
        Ok(capture)
    }

    /// The net changes since `begin`, in SQLite's changeset format; empty if there are none.
    pub fn changeset(&self) -> Result<Vec<u8>, StoreError> {
        let (mut len, mut bytes): (c_int, *mut c_void) = (0, std::ptr::null_mut());
        // SAFETY: the session is live; on success `bytes` points to `len` bytes that we own.
        check(unsafe { ffi::sqlite3session_changeset(self.session, &mut len, &mut bytes) })?;
        if bytes.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: as above; the copy is made before the memory is given back.
        unsafe {
            let copy = std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(len).unwrap_or(0)).to_vec();
            ffi::sqlite3_free(bytes);
            Ok(copy)
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: created by sqlite3session_create, deleted once.
        unsafe { ffi::sqlite3session_delete(self.session) }
    }
}

// SAFETY: the raw session is used only together with its connection, by whoever owns both.
unsafe impl Send for Capture {}

fn check(code: c_int) -> Result<(), StoreError> {
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into())
}
