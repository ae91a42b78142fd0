//! The users of one name on one device: each has a database alone, and one of them was open last.
//!
//! The first user's database lies at the name itself and lists the others, by the place beside it where theirs
//! lie. It promises that a user is always led to the same place, and that nobody is led to another's.

use crate::{StoreError, format};
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_engine::client::User;
use xxhash_rust::xxh3::xxh3_128;

/// Where the first user's database lies.
const FIRST: &str = "";

/// The list of users, in the first user's database. It may hold nothing else yet.
pub struct Users<'c>(&'c Connection);

impl<'c> Users<'c> {
    /// Reads the list on a connection to the first user's database, which is brought to this build's format.
    pub fn open(conn: &'c Connection) -> Result<Self, StoreError> {
        let transaction = conn.unchecked_transaction()?;
        format::migrate(&transaction)?;
        transaction.commit()?;
        Ok(Self(conn))
    }

    /// The place of the database that was open last; empty for the first one.
    pub fn last(&self) -> Result<String, StoreError> {
        let last = self.0.query_row("SELECT place FROM seaworthy_users WHERE last", [], |row| row.get(0)).optional()?;
        Ok(last.unwrap_or_else(|| FIRST.to_owned()))
    }

    /// The place of a user's database. As long as the first one belongs to nobody, it is that.
    pub fn place_of(&self, user: &User) -> Result<String, StoreError> {
        const OWNER: &str = "SELECT issuer, subject FROM seaworthy_replica WHERE issuer IS NOT NULL";
        let owner = self.0.query_row(OWNER, [], |row| Ok(User { issuer: row.get(0)?, subject: row.get(1)? })).optional()?;
        if owner.is_none_or(|owner| owner == *user) {
            return Ok(FIRST.to_owned());
        }
        Ok(format!("{:032x}", xxh3_128(format!("{}\0{}", user.issuer, user.subject).as_bytes())))
    }

    /// From now on the database at `place` is the last one. The one before it keeps `left_pending` writes to itself.
    pub fn move_to(&self, place: &str, left_pending: u64) -> Result<(), StoreError> {
        const LEAVE: &str = "INSERT INTO seaworthy_users (place, pending, last) VALUES (?1, ?2, 0)
            ON CONFLICT DO UPDATE SET pending = excluded.pending, last = 0";
        const ENTER: &str = "INSERT INTO seaworthy_users (place, pending, last) VALUES (?1, 0, 1)
            ON CONFLICT DO UPDATE SET pending = 0, last = 1";
        let left = self.last()?;
        let transaction = self.0.unchecked_transaction()?;
        transaction.execute(LEAVE, params![left, left_pending as i64])?;
        transaction.execute(ENTER, [place])?;
        Ok(transaction.commit()?)
    }

    /// Writes that are pending in the databases that are not open.
    pub fn pending_elsewhere(&self) -> Result<u64, StoreError> {
        let pending: i64 = self.0.query_row("SELECT coalesce(sum(pending), 0) FROM seaworthy_users WHERE NOT last", [], |row| row.get(0))?;
        Ok(pending as u64)
    }
}
