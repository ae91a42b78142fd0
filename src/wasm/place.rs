//! Which files of a name are opened: each user has a database alone, and the last one's is opened again.
//!
//! Promises that a database is never opened for a user to whom it does not belong, and that a step which
//! fails leaves the last user as it was.

use crate::clock::Clock;
use crate::failure::Failure;
use crate::opfs::Files;
use crate::options::{Options, StorageKind};
use rusqlite::Connection;
use seaworthy_store::{Store, StoreError, Users};

/// An open database and where it lies.
pub(crate) struct Opened {
    pub store: Store,
    /// `None`: in memory.
    pub files: Option<Files>,
    /// Whose of its name it is; empty for the first user's.
    pub place: String,
    /// Writes that are pending in the databases of other users of this name.
    pub pending_elsewhere: u64,
}

/// Opens the database of the user that the options name, else the last user's.
pub(crate) async fn open(options: &Options, clock: &Clock) -> Result<Opened, Failure> {
    let StorageKind::Opfs = options.storage else {
        let conn = Connection::open_in_memory().map_err(StoreError::from)?;
        return Ok(Opened { store: store_of(conn, options, clock)?, files: None, place: String::new(), pending_elsewhere: 0 });
    };
    let first = Files::open(&options.name, "").await?;
    match find(options, clock, &first).await {
        Ok((store, None, pending_elsewhere)) => Ok(Opened { store, files: Some(first), place: String::new(), pending_elsewhere }),
        Ok((store, Some((files, place)), pending_elsewhere)) => {
            first.release()?;
            Ok(Opened { store, files: Some(files), place, pending_elsewhere })
        }
        Err(failure) => {
            // What went wrong first is what the application must hear.
            let _ = first.release();
            Err(failure)
        }
    }
}

/// Opens the first user's database, or, with files of its own, another's. The first one is closed then.
async fn find(options: &Options, clock: &Clock, first: &Files) -> Result<(Store, Option<(Files, String)>, u64), Failure> {
    let conn = first.connect(options.durability).map_err(StoreError::from)?;
    let place = {
        let users = Users::open(&conn)?;
        options.user.as_ref().map_or_else(|| users.last(), |user| users.place_of(user))?
    };
    if place.is_empty() {
        let pending_elsewhere = enter(&conn, options, &place)?;
        return Ok((store_of(conn, options, clock)?, None, pending_elsewhere));
    }
    let files = Files::open(&options.name, &place).await?;
    let opened = files.connect(options.durability).map_err(|error| StoreError::from(error).into()).and_then(|other| store_of(other, options, clock));
    match opened.and_then(|store| Ok((store, enter(&conn, options, &place)?))) {
        Ok((store, pending_elsewhere)) => Ok((store, Some((files, place)), pending_elsewhere)),
        Err(failure) => {
            let _ = files.release();
            Err(failure)
        }
    }
}

/// Remembers whose database is open, and counts what waits in the others.
fn enter(first: &Connection, options: &Options, place: &str) -> Result<u64, Failure> {
    let users = Users::open(first)?;
    if users.last()? != place {
        users.move_to(place, options.left_pending)?;
    }
    Ok(users.pending_elsewhere()?)
}

fn store_of(conn: Connection, options: &Options, clock: &Clock) -> Result<Store, Failure> {
    let mut store = Store::open(conn, &options.schema, clock.replica_id())?;
    match (&options.user, store.replica().user) {
        (Some(user), None) => store.bind_user(user)?,
        (Some(user), Some(owner)) if owner != *user => {
            return Err(Failure::new("UserChanged", "the database that was found belongs to another user"));
        }
        _ => {}
    }
    Ok(store)
}
