//! A database file that comes in place of another one: an export of this device or another, or any file of SQLite.
//!
//! It is made ready in a place of its own, and the database that it replaces is not touched meanwhile. Promises
//! that it goes on under a replica id of its own at once, so that it never passes for the device that it comes from;
//! that what is pending in it is pushed; and that no user gets what belongs to another.

use crate::identity::Identity;
use crate::request::{self, Receipt};
use crate::{Schema, StoreError, store::Store, table};
use rusqlite::{Connection, params};
use seaworthy_engine::client::User;
use seaworthy_protocol::ReplicaId;

/// What stays as it is when a database is replaced.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    user: Option<User>,
    anonymous: bool,
    /// The rows of `seaworthy_users`.
    users: Vec<(String, i64, bool)>,
}

impl Store {
    /// What stays when this database is replaced.
    pub fn seat(&self) -> Result<Seat, StoreError> {
        let mut statement = self.conn.prepare("SELECT place, pending, last FROM seaworthy_users")?;
        let users = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
        Ok(Seat { user: self.identity.user.clone(), anonymous: self.identity.anonymous, users })
    }

    /// Whether the import with this request id has taken place.
    pub fn was_imported(&self, request: &str) -> Result<bool, StoreError> {
        Ok(request::find(&self.conn, request)?.is_some())
    }

    /// Checks a file and makes it ready for a seat, under the id `fresh`. `request` is remembered in it as done.
    pub fn import(conn: Connection, schema: &Schema, fresh: ReplicaId, seat: &Seat, request: &str) -> Result<Self, StoreError> {
        const IS_REPLICA: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'seaworthy_replica')";
        check(&conn)?;
        let is_replica: bool = conn.query_row(IS_REPLICA, [], |row| row.get(0))?;
        if !is_replica {
            // The number is another application's.
            conn.execute_batch("PRAGMA user_version = 0")?;
        }
        let mut store = Self::open(conn, schema, fresh).map_err(StoreError::of_file)?;
        if !is_replica {
            store.refuse_unknown_rows()?;
        }
        let user = match (&seat.user, &store.identity.user) {
            (Some(here), Some(there)) if here != there => {
                return Err(StoreError::BadFile { reason: format!("it belongs to another user, {:?}: sign in as that user first", there.subject) });
            }
            (here, there) => there.clone().or_else(|| here.clone()),
        };
        store.new_identity(fresh)?;
        store.sit_down(seat, user, request)?;
        Ok(store)
    }

    /// Rows of synced tables that no replica has written would never reach the server, and end with the first checkpoint.
    fn refuse_unknown_rows(&self) -> Result<(), StoreError> {
        for name in self.tables.keys() {
            let has_rows: bool = self.conn.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {})", table::quote(name)), [], |row| row.get(0))?;
            if has_rows {
                let reason = format!("it has rows in {name:?}, which is synchronised, and is no export of Seaworthy: insert them with insertMany");
                return Err(StoreError::BadFile { reason });
            }
        }
        Ok(())
    }

    fn sit_down(&mut self, seat: &Seat, user: Option<User>, request: &str) -> Result<(), StoreError> {
        const SEAT: &str = "INSERT INTO seaworthy_users (place, pending, last) VALUES (?1, ?2, ?3)";
        let anonymous = user.is_none() && (seat.anonymous || self.identity.anonymous);
        let identity = Identity { user, anonymous, ..self.identity.clone() };
        let transaction = self.conn.unchecked_transaction()?;
        identity.save(&transaction)?;
        transaction.execute_batch("DELETE FROM seaworthy_users; DELETE FROM seaworthy_requests")?;
        for (place, pending, last) in &seat.users {
            transaction.execute(SEAT, params![place, pending, last])?;
        }
        request::keep(&transaction, request, &Receipt { id: None, sequence: None, changes: 0 }, &[])?;
        transaction.commit()?;
        self.identity = identity;
        Ok(())
    }
}

/// Whether a file is a whole database.
fn check(conn: &Connection) -> Result<(), StoreError> {
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(|error| StoreError::from(error).of_file())?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::BadFile { reason: format!("it is damaged ({})", found.trim()) })
}
