//! Writes that come at once share one SQLite transaction, so that they share one write to the log and one flush.
//!
//! Promises that each of them ends as if it had run alone, in their order, under a capture of its own. Most groups have
//! none that fails, and a savepoint makes SQLite copy every page that is written in it: so they run without. Where one
//! fails nothing of the group was committed, and all run again, each in a savepoint, so that it is taken back alone.
//! Where that cannot be had (the COMMIT fails, or a statement took the whole transaction back) each is run alone.

use crate::call::Call;
use crate::outbox::Outbox;
use crate::transaction::{Kept, Stamp, Written};
use crate::{StoreError, request, store::Store};
use rusqlite::{Connection, ffi};
use seaworthy_fault::{Point, point};
use seaworthy_protocol::Sequence;
use std::collections::BTreeSet;
use std::os::raw::c_int;

/// One write of several.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The request's id, chosen by the page.
    pub request: &'a str,
    /// What it brings from outside.
    pub stamp: Stamp,
    /// The statements.
    pub call: &'a Call,
}

/// What memory knew before a group.
struct Before {
    outbox: Outbox,
    last_sequence: Sequence,
}

/// What a group wrote before its COMMIT.
#[derive(Default)]
struct Group {
    /// Each write is in a savepoint.
    has_savepoints: bool,
    results: Vec<Result<Written, StoreError>>,
    /// The tables that changed.
    writes: BTreeSet<String>,
    is_change: bool,
    /// The last write, if memory must learn of it after the COMMIT only.
    last: Option<Kept>,
}

/// The transaction of a group is of no use any more; nothing of it was committed.
enum Broken {
    /// A write failed that was in no savepoint.
    ByOne,
    Whole,
}

impl Store {
    /// Runs writes in order, each as [`Self::write`] does, in as few SQLite transactions as may be.
    pub fn write_group(&mut self, writes: &[Write<'_>]) -> Vec<Result<Written, StoreError>> {
        let mut results = Vec::with_capacity(writes.len());
        while let [one, others @ ..] = &writes[results.len()..] {
            if others.is_empty() {
                results.push(self.write(one.request, one.stamp, one.call));
                continue;
            }
            let rest = &writes[results.len()..];
            let together = match self.together(rest, false) {
                Err(Broken::ByOne) => self.together(rest, true),
                together => together,
            };
            match together {
                Ok(done) => results.extend(done),
                Err(_) => results.extend(rest.iter().map(|write| self.write(write.request, write.stamp, write.call)).collect::<Vec<_>>()),
            }
        }
        results
    }

    /// Runs the first of these writes, or more, in one transaction. Without savepoints none may fail.
    fn together(&mut self, writes: &[Write<'_>], has_savepoints: bool) -> Result<Vec<Result<Written, StoreError>>, Broken> {
        self.refuse_open().map_err(|_| Broken::Whole)?;
        let before = Before { outbox: self.outbox.clone(), last_sequence: self.last_sequence };
        match self.try_together(writes, has_savepoints) {
            Ok(group) => Ok(self.committed(group)),
            Err(broken) => {
                self.abort();
                self.unindexed.forget_after(before.outbox.last_ordinal);
                (self.outbox, self.last_sequence) = (before.outbox, before.last_sequence);
                Err(broken)
            }
        }
    }

    fn try_together(&mut self, writes: &[Write<'_>], has_savepoints: bool) -> Result<Group, Broken> {
        let mut group = Group { has_savepoints, ..Group::default() };
        execute(&self.conn, "BEGIN IMMEDIATE").map_err(|_| Broken::Whole)?;
        for write in writes {
            let result = self.member(write, &mut group)?;
            group.results.push(result);
            if group.last.is_some() {
                break;
            }
        }
        if group.is_change {
            request::forget(&self.conn, &self.acknowledged).map_err(|_| Broken::Whole)?;
        }
        point(Point::StoreWriteBeforeCommit);
        execute(&self.conn, "COMMIT").map_err(|_| Broken::Whole)?;
        point(Point::StoreWriteAfterCommit);
        Ok(group)
    }

    /// Runs one write. In a savepoint an error is its own, as long as the transaction stands.
    fn member(&mut self, write: &Write<'_>, group: &mut Group) -> Result<Result<Written, StoreError>, Broken> {
        if let Some((receipt, buffer)) = request::find(&self.conn, write.request).map_err(|_| Broken::Whole)? {
            return Ok(Ok(Written { receipt, buffer, repeated: true }));
        }
        let savepoint = |sql: &str, conn: &Connection| if group.has_savepoints { execute(conn, sql).map_err(|_| Broken::Whole) } else { Ok(()) };
        savepoint("SAVEPOINT seaworthy", &self.conn)?;
        let result = self.attempt(write);
        if result.is_err() {
            self.open = None;
            if !group.has_savepoints {
                return Err(Broken::ByOne);
            }
            savepoint("ROLLBACK TO seaworthy", &self.conn)?;
        }
        savepoint("RELEASE seaworthy", &self.conn)?;
        if self.conn.is_autocommit() || has_deferred(&self.conn) {
            return Err(Broken::Whole);
        }
        Ok(result.map(|(mut kept, buffer)| {
            let written = Written { receipt: kept.receipt.clone(), buffer, repeated: false };
            group.is_change |= kept.is_change;
            group.writes.append(&mut kept.writes);
            if kept.schema || kept.entry.as_ref().is_some_and(|entry| entry.stored) {
                group.last = Some(kept);
            } else if let Some(entry) = kept.entry {
                // The next one may build on it.
                self.note(entry);
            }
            written
        }))
    }

    fn attempt(&mut self, write: &Write<'_>) -> Result<(Kept, Vec<u8>), StoreError> {
        self.begin_capture();
        let buffer = self.run(write.call)?;
        let kept = self.keep(write.request, write.stamp, &buffer)?;
        Ok((kept, buffer))
    }

    /// Committed: from here on nothing may fail but what finds the schema anew.
    fn committed(&mut self, mut group: Group) -> Vec<Result<Written, StoreError>> {
        if group.is_change {
            self.acknowledged.clear();
            self.changed.append(&mut group.writes);
        }
        let Some(last) = group.last else { return group.results };
        if let Some(entry) = last.entry {
            self.note(entry);
        }
        if last.schema
            && let Err(error) = self.schema_changed()
            && let Some(result) = group.results.last_mut()
        {
            *result = Err(error);
        }
        group.results
    }
}

fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.raw_execute().map(drop)
}

/// Whether a foreign key that is checked at COMMIT is broken. Another write must not mend it, nor fail for it.
fn has_deferred(conn: &Connection) -> bool {
    let (mut deferred, mut highest): (c_int, c_int) = (0, 0);
    // SAFETY: the handle is open, and both places receive a number.
    let code = unsafe { ffi::sqlite3_db_status(conn.handle(), ffi::SQLITE_DBSTATUS_DEFERRED_FKS, &mut deferred, &mut highest, 0) };
    code != ffi::SQLITE_OK || deferred != 0
}
