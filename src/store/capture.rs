//! Capture of what a transaction changes, by SQLite's pre-update hook.
//!
//! Promises what the session extension would give over the same statements, as a set of records: the net change of
//! each row. The hook tells the row before and after, so that nothing is read again at the end, except where
//! something was taken back meanwhile (ROLLBACK TO, a statement that failed), of which the hook hears nothing: whoever
//! runs the statements then says [`Capture::doubt`], and the rows that were noted are read as they stand.

mod net;
mod shape;
#[cfg(test)]
mod tests;

pub(crate) use shape::Shape;

use crate::StoreError;
use net::Net;
use rusqlite::{Connection, ffi};
use seaworthy_protocol::record::Cell;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::sync::Arc;

/// Listens on a connection, which must outlive it. One listens at a time.
#[derive(Debug)]
pub(crate) struct Capture {
    db: *mut ffi::sqlite3,
    /// From a box. The hook uses it while statements run, and `self` while none does.
    noted: *mut Noted,
}

/// What the hook has noted.
#[derive(Debug)]
struct Noted {
    net: Net,
    /// See [`Capture::doubt`].
    doubted: bool,
    /// The first failure of the hook, after which it notes nothing more.
    failure: Option<c_int>,
}

impl Capture {
    /// Begins to listen to changes of these tables.
    pub fn begin(conn: &Connection, shapes: &Arc<[Shape]>) -> Self {
        let noted = Box::into_raw(Box::new(Noted { net: Net::new(shapes.clone()), doubted: false, failure: None }));
        // SAFETY: the handle is open, and `noted` lives until `drop` takes the hook away.
        let (db, former) = unsafe {
            let db = conn.handle();
            (db, ffi::sqlite3_preupdate_hook(db, Some(note), noted.cast()))
        };
        debug_assert!(former.is_null(), "one capture listens at a time");
        Self { db, noted }
    }

    /// Something was taken back, or may have been.
    pub fn doubt(&mut self) {
        self.noted().doubted = true;
    }

    /// The net changes since `begin`, in SQLite's changeset format; empty if there are none.
    pub fn changeset(&mut self, conn: &Connection) -> Result<Vec<u8>, StoreError> {
        let noted = self.noted();
        if let Some(code) = noted.failure {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None).into());
        }
        if noted.doubted {
            noted.net.read_again(conn)?;
        }
        Ok(noted.net.changeset())
    }

    fn noted(&mut self) -> &mut Noted {
        // SAFETY: no statement runs that could change anything, so the hook does not use it.
        unsafe { &mut *self.noted }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // SAFETY: the connection is open still; once the hook is gone nobody else knows of the box.
        unsafe {
            ffi::sqlite3_preupdate_hook(self.db, None, std::ptr::null_mut());
            drop(Box::from_raw(self.noted));
        }
    }
}

// SAFETY: used only together with its connection, by whoever owns both.
unsafe impl Send for Capture {}

/// SQLite calls this before it changes a row of an ordinary table.
unsafe extern "C" fn note(noted: *mut c_void, db: *mut ffi::sqlite3, op: c_int, schema: *const c_char, table: *const c_char, _old: i64, _new: i64) {
    // SAFETY: it is what `begin` gave, and no other reference to it exists while a statement runs. The names are C strings.
    let (noted, schema, table) = unsafe { (&mut *noted.cast::<Noted>(), CStr::from_ptr(schema), CStr::from_ptr(table)) };
    if noted.failure.is_none() && schema == c"main" {
        noted.failure = noted.note(Row(db), op, table.to_bytes()).err();
    }
}

impl Noted {
    fn note(&mut self, row: Row, op: c_int, table: &[u8]) -> Result<(), c_int> {
        let Some(noting) = self.net.table(table) else { return Ok(()) };
        let indirect = row.depth() > 0;
        match op {
            ffi::SQLITE_INSERT => noting.inserted(indirect, |at| row.after(at)),
            ffi::SQLITE_UPDATE => noting.updated(indirect, |at| row.before(at), |at| row.after(at)),
            _ => {
                // A blob that is written in place comes as a DELETE, and nothing tells the row after it.
                self.doubted |= row.is_blob_write();
                noting.deleted(indirect, |at| row.before(at))
            }
        }
    }
}

/// The row that is about to be changed. It exists only inside of the hook.
#[derive(Clone, Copy)]
struct Row(*mut ffi::sqlite3);

type Read = unsafe extern "C" fn(*mut ffi::sqlite3, c_int, *mut *mut ffi::sqlite3_value) -> c_int;

impl Row {
    fn depth(self) -> c_int {
        // SAFETY: called inside of the hook, on its connection.
        unsafe { ffi::sqlite3_preupdate_depth(self.0) }
    }

    fn is_blob_write(self) -> bool {
        // SAFETY: as above.
        unsafe { ffi::sqlite3_preupdate_blobwrite(self.0) >= 0 }
    }

    /// A cell before the change, by its column's place in the table. It stands until the hook returns.
    fn before<'a>(self, at: c_int) -> Result<Cell<'a>, c_int> {
        self.cell(ffi::sqlite3_preupdate_old, at)
    }

    /// A cell after the change.
    fn after<'a>(self, at: c_int) -> Result<Cell<'a>, c_int> {
        self.cell(ffi::sqlite3_preupdate_new, at)
    }

    fn cell<'a>(self, read: Read, at: c_int) -> Result<Cell<'a>, c_int> {
        let mut value = std::ptr::null_mut();
        // SAFETY: called inside of the hook, on its connection; `value` is set where the answer is OK, and its bytes stand
        // until it is converted, which nobody does, or until the hook returns.
        unsafe {
            match read(self.0, at, &mut value) {
                ffi::SQLITE_OK => {}
                code => return Err(code),
            }
            let bytes = |from: *const u8| match usize::try_from(ffi::sqlite3_value_bytes(value)) {
                Ok(len) if len > 0 && !from.is_null() => Ok(std::slice::from_raw_parts(from, len)),
                Ok(0) => Ok(&[][..]),
                _ => Err(ffi::SQLITE_NOMEM),
            };
            Ok(match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => Cell::Integer(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => Cell::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => Cell::Text(bytes(ffi::sqlite3_value_text(value))?),
                ffi::SQLITE_BLOB => Cell::Blob(bytes(ffi::sqlite3_value_blob(value).cast())?),
                _ => Cell::Null,
            })
        }
    }
}
