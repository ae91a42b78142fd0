//! Whose the replica is and under which name the server knows it, as the engine finds out.
//!
//! Each change is one SQLite transaction, and memory follows it: a crash in between leaves the former state,
//! in which the engine finds out the same again.

use crate::identity::Identity;
use crate::pending::Unindexed;
use crate::{StoreError, kept, outbox, rejected, store::Store};
use seaworthy_engine::client::User;
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{Position, ReplicaId, Sequence};

impl Store {
    /// Persists that everything through this sequence may have reached the server.
    pub fn mark_sent(&mut self, through: Sequence) -> Result<(), StoreError> {
        if through <= self.identity.sent_through {
            return Ok(());
        }
        point(Point::StoreSentBeforeCommit);
        self.persist(|identity| identity.sent_through = through)?;
        point(Point::StoreSentAfterCommit);
        Ok(())
    }

    /// Persists whether what is written while there is no user is nobody's.
    pub fn mark_anonymous(&mut self, anonymous: bool) -> Result<(), StoreError> {
        self.persist(|identity| identity.anonymous = anonymous)
    }

    /// Binds the database to its user.
    pub fn bind_user(&mut self, user: &User) -> Result<(), StoreError> {
        self.persist(|identity| (identity.user, identity.anonymous) = (Some(user.clone()), false))
    }

    /// Lets go of confirmed writes that the server cannot forget any more.
    pub fn release(&mut self, through: Position) -> Result<(), StoreError> {
        self.refuse_open()?;
        let transaction = self.conn.unchecked_transaction()?;
        kept::release(&transaction, through)?;
        let doubtful = kept::doubtful(&transaction)?;
        transaction.commit()?;
        self.doubtful = doubtful;
        Ok(())
    }

    /// The server has no record of what it decided after a sequence: entries are undecided again, and what was
    /// confirmed is doubtful.
    pub fn forget_outcomes(&mut self, after: Sequence) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE seaworthy_outbox SET position = NULL, reject_code = NULL, reject_message = NULL, reject_data = NULL
            WHERE sequence > ?1 AND position IS NOT NULL";
        self.refuse_open()?;
        let identity = Identity { kept_through: self.identity.kept_through.min(after), ..self.identity.clone() };
        let transaction = self.conn.unchecked_transaction()?;
        transaction.prepare_cached(SQL)?.execute([after.0 as i64])?;
        kept::doubt(&transaction, after)?;
        identity.save(&transaction)?;
        let (outbox, doubtful) = (self.outbox.renewed(&transaction)?, kept::doubtful(&transaction)?);
        transaction.commit()?;
        point(Point::StoreForgetAfterCommit);
        (self.outbox, self.doubtful, self.identity) = (outbox, doubtful, identity);
        Ok(())
    }

    /// Gives the whole outbox to a new replica, undecided and numbered from 1. The transactions keep their ids, by
    /// which the server knows what it has decided already.
    pub fn new_identity(&mut self, fresh: ReplicaId) -> Result<(), StoreError> {
        self.refuse_open()?;
        let none = Sequence(0);
        let identity = Identity { replica: fresh, sent_through: none, left_through: none, kept_through: none, ..self.identity.clone() };
        let transaction = self.conn.unchecked_transaction()?;
        let last = outbox::renumber(&transaction)?;
        kept::renamed(&transaction)?;
        rejected::renamed(&transaction)?;
        identity.save(&transaction)?;
        let (outbox, unindexed, doubtful) = (self.outbox.renewed(&transaction)?, Unindexed::load(&transaction)?, kept::doubtful(&transaction)?);
        point(Point::StoreIdentityBeforeCommit);
        transaction.commit()?;
        point(Point::StoreIdentityAfterCommit);
        self.last_sequence = last;
        (self.outbox, self.unindexed, self.doubtful, self.identity) = (outbox, unindexed, doubtful, identity);
        Ok(())
    }

    fn persist(&mut self, change: impl FnOnce(&mut Identity)) -> Result<(), StoreError> {
        self.refuse_open()?;
        let mut identity = self.identity.clone();
        change(&mut identity);
        identity.save(&self.conn)?;
        self.identity = identity;
        Ok(())
    }
}
