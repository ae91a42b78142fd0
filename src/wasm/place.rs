//! Which files of a name are opened: each user has a database alone, and the last one's is opened again.
//!
//! Promises that a database is never opened for a user to whom it does not belong, and that a step which
//! fails leaves the last user as it was.

use crate::clock::Clock;
use crate::failure::Failure;
use crate::files::Files;
use crate::options::{Options, Tier};
use crate::page_store::PageStore;
use crate::tier::{self, Choice};
use rusqlite::Connection;
use seaworthy_store::{Store, StoreError, Users};
use std::rc::Rc;

/// Where an open database is.
pub(crate) struct Home {
    pub tier: Tier,
    /// There was a database, and it is gone: this one is empty.
    pub lost: bool,
    /// The store that its commits must reach before anything of them is told.
    pub pages: Option<Rc<PageStore>>,
}

/// An open database.
pub(crate) struct Opened {
    pub store: Store,
    pub home: Home,
    /// `None`: in memory.
    pub files: Option<Files>,
    /// Whose of its name it is; empty for the first user's.
    pub place: String,
    /// Writes that are pending in the databases of other users of this name.
    pub pending_elsewhere: u64,
}

/// What was found behind the first user's files.
struct Found {
    store: Store,
    /// The files of another user than the first, and their place.
    other: Option<(Files, String)>,
    /// They should not have been empty.
    lost: bool,
    pending_elsewhere: u64,
}

/// Opens the database of the user that the options name, else the last user's.
pub(crate) async fn open(options: &Options, clock: &Clock) -> Result<Opened, Failure> {
    let Choice { tier, known } = tier::choose(options).await?;
    if tier == Tier::Memory {
        let conn = Connection::open_in_memory().map_err(StoreError::from)?;
        let home = Home { tier, lost: false, pages: None };
        return Ok(Opened { store: store_of(conn, options, clock)?, home, files: None, place: String::new(), pending_elsewhere: 0 });
    }
    let first = Files::open(tier, &options.name, "", options.durability).await?;
    let lost = known.is_some() && first.is_new();
    let found = match find(options, clock, tier, &first).await {
        Ok(found) => found,
        Err(failure) => {
            // What went wrong first is what the application must hear.
            let _ = first.release();
            return Err(failure);
        }
    };
    if known != Some(tier) {
        tier::mark(&options.name, tier).await;
    }
    let (files, place) = match found.other {
        None => (first, String::new()),
        Some(other) => {
            first.release()?;
            other
        }
    };
    let home = Home { tier, lost: lost || found.lost, pages: files.pages() };
    Ok(Opened { store: found.store, home, files: Some(files), place, pending_elsewhere: found.pending_elsewhere })
}

/// Opens the first user's database, or, with files of its own, another's. The first one is closed then.
async fn find(options: &Options, clock: &Clock, tier: Tier, first: &Files) -> Result<Found, Failure> {
    let conn = first.connect().map_err(StoreError::from)?;
    let (last, place) = {
        let users = Users::open(&conn)?;
        let last = users.last()?;
        let place = options.user.as_ref().map_or_else(|| Ok(last.clone()), |user| users.place_of(user))?;
        (last, place)
    };
    if place.is_empty() {
        let pending_elsewhere = enter(&conn, options, &place)?;
        let store = store_of(conn, options, clock)?;
        first.settle().await?;
        return Ok(Found { store, other: None, lost: false, pending_elsewhere });
    }
    let files = Files::open(tier, &options.name, &place, options.durability).await?;
    match other(options, clock, first, &conn, &files, &place).await {
        Ok((store, pending_elsewhere)) => {
            let lost = files.is_new() && place == last;
            Ok(Found { store, other: Some((files, place)), lost, pending_elsewhere })
        }
        Err(failure) => {
            let _ = files.release();
            Err(failure)
        }
    }
}

/// Opens the database of another user than the first, and remembers it as the last one when it is there.
async fn other(options: &Options, clock: &Clock, first: &Files, conn: &Connection, files: &Files, place: &str) -> Result<(Store, u64), Failure> {
    let store = store_of(files.connect().map_err(StoreError::from)?, options, clock)?;
    files.settle().await?;
    let pending_elsewhere = enter(conn, options, place)?;
    first.settle().await?;
    Ok((store, pending_elsewhere))
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
