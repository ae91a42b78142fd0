//! What must hold of a client: I1 to I3 of the model at every step, and convergence at the end.

use super::cell::difference;
use super::client::{End, ids};
use super::schema;
use super::view::{self, Pending};
use super::world::{Broken, World};
use rusqlite::OptionalExtension;
use seaworthy_protocol::{ClientFrame, Sequence, TransactionId};
use seaworthy_store::{Fate, PendingWrite, Store};
use std::collections::{BTreeSet, btree_map::Entry};

impl World {
    /// Holds a client to the model, wherever a reader could look.
    pub fn check_client(&mut self, client: usize) -> Result<(), Broken> {
        let node = &mut self.clients[client];
        let Some(process) = &mut node.process else { return Ok(()) };
        if process.replica.store().in_transaction() {
            return Ok(());
        }
        let wrong = |message: String| Broken(format!("client {client}: {message}"));
        // It changes with every commit of another connection, and with nothing else.
        let version = process.reader.query_row("PRAGMA data_version", [], |row| row.get(0)).map_err(|e| wrong(e.to_string()))?;
        if std::mem::replace(&mut process.checked, version) == version {
            return Ok(());
        }
        let store = process.replica.store();
        let entries = store.pending().map_err(|e| wrong(e.to_string()))?;
        for entry in &entries {
            if let Entry::Vacant(place) = node.known.entry(entry.id) {
                place.insert(learn(store, &entries, entry).map_err(wrong)?);
            }
            if node.known[&entry.id].changes != entry.changes {
                return Err(wrong(format!("what {} changed is not what it was at its commit", entry.id)));
            }
        }
        let blocked: BTreeSet<TransactionId> = entries.iter().filter(|entry| entry.blocked).map(|entry| entry.id).collect();
        self.report.blocked += blocked.len() as u64;
        let base = self.history.base(store.replica().cursor, node.user).map_err(wrong)?;
        let (expected, masked) = view::view(base, entries.iter().map(|entry| &node.known[&entry.id]));
        let shown = schema::read(&process.reader).map_err(|e| wrong(e.to_string()))?;
        if shown != expected {
            let difference = difference(("shown", &shown), ("expected", &expected));
            let pending: String = entries.iter().map(|entry| describe(entry, &node.known[&entry.id], masked.contains(&entry.id))).collect();
            return Err(wrong(format!("what is shown is not the checkpoint plus what is pending:\n{difference}\npending:{pending}")));
        }
        if masked != blocked {
            return Err(wrong(format!("blocked are [{}], masked must be [{}]", ids(&blocked), ids(&masked))));
        }
        let queued: BTreeSet<TransactionId> = entries.iter().map(|entry| entry.id).collect();
        if let Some(id) = twice(&process.reader).map_err(|e| wrong(e.to_string()))? {
            return Err(wrong(format!("write {id} has two ends")));
        }
        if queued.len() != entries.len() {
            return Err(wrong("a write is queued twice".into()));
        }
        if entries.is_empty() {
            self.plan.workload.holds(&shown).map_err(wrong)?;
        }
        self.check_ends(client, &queued, false)
    }

    /// Nothing is sent before it is on disk that it may have been.
    pub fn check_marked(&mut self, client: usize, frame: &ClientFrame) -> Result<(), Broken> {
        let (ClientFrame::Push(push), Some(process)) = (frame, &mut self.clients[client].process) else { return Ok(()) };
        let entries = process.replica.store().pending().map_err(|e| Broken(e.to_string()))?;
        let is_marked = |id| entries.iter().any(|entry| entry.id == id && entry.sent);
        match push.transactions.iter().find(|transaction| !is_marked(transaction.id)) {
            Some(transaction) => Err(Broken(format!("client {client}: {} is sent before it is marked", transaction.id))),
            None => Ok(()),
        }
    }

    /// Every acknowledged write is pending, confirmed or rejected, and an end is an end.
    /// `all`: also those that have ended long ago.
    fn check_ends(&mut self, client: usize, queued: &BTreeSet<TransactionId>, all: bool) -> Result<(), Broken> {
        let wrong = |id: TransactionId, message: String| Broken(format!("client {client}: write {id} {message}"));
        if let Some(id) = queued.iter().find(|id| !self.clients[client].application.attempted.contains(id)) {
            return Err(wrong(*id, "is pending, but nobody made it".into()));
        }
        let ends: Vec<_> = self.clients[client].ends.iter().map(|(id, end)| (*id, *end)).filter(|(_, end)| all || *end == End::Pending).collect();
        let at = self.clients[client].process.as_mut().and_then(|process| process.replica.store().replica().cursor).map(|cursor| cursor.position);
        for (id, former) in ends {
            let Some(fate) = self.fate(client, id)? else { return Ok(()) };
            let end = match fate {
                Fate::Pending => End::Pending,
                Fate::Confirmed => End::Confirmed,
                Fate::Rejected { .. } => End::Rejected,
                Fate::Unknown if matches!(former, End::Settled | End::Unsure) => continue,
                Fate::Unknown => return Err(wrong(id, format!("was {former:?} and is lost"))),
            };
            let lost = (former, end) == (End::Confirmed, End::Rejected) && self.history.is_lost(id);
            if former != End::Pending && former != end && (former, end) != (End::Unsure, End::Rejected) && !lost {
                return Err(wrong(id, format!("was {former:?} and is {end:?}")));
            }
            if (end == End::Pending) != queued.contains(&id) {
                return Err(wrong(id, format!("is {end:?}, which its place in the outbox contradicts")));
            }
            match (end, self.history.position_of(id)) {
                // The server was restored: what it had decided after its backup may be decided otherwise.
                _ if self.history.is_lost(id) => {}
                (End::Rejected, Some(_)) if self.history.restored => {}
                (End::Confirmed, None) => return Err(wrong(id, "is confirmed but not in the log".into())),
                (End::Confirmed, Some(position)) if at.is_none_or(|at| at < position) => return Err(wrong(id, "is confirmed before its checkpoint".into())),
                (End::Rejected, Some(position)) => return Err(wrong(id, format!("is rejected but in the log at {}", position.0))),
                _ => {}
            }
            self.clients[client].ends.insert(id, end);
        }
        Ok(())
    }

    /// Whether all have what the server has, and nothing is under way.
    pub fn has_converged(&mut self) -> Result<bool, Broken> {
        for client in 0..self.clients.len() {
            if !self.is_idle(client) {
                return Ok(false);
            }
        }
        let Some(core) = &self.server.core else { return Ok(false) };
        let truth = schema::read(core.connection()).map_err(|e| Broken(e.to_string()))?;
        for node in &self.clients {
            let Some(process) = &node.process else { return Ok(false) };
            if schema::read(&process.reader).map_err(|e| Broken(e.to_string()))? != schema::visible(&truth, node.user) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// After the end: what is on disk is sound, and every write has exactly one end.
    pub fn check_end(&mut self) -> Result<(), Broken> {
        for client in 0..self.clients.len() {
            self.check_ends(client, &BTreeSet::new(), true)?;
            for (id, end) in self.clients[client].ends.clone() {
                match end {
                    End::Pending => return Err(Broken(format!("client {client}: write {id} is still pending"))),
                    // Of a copied database the server cannot tell what this one knows.
                    End::Confirmed if self.history.position_of(id).is_none() && self.report.copies == 0 => {
                        return Err(Broken(format!("client {client}: write {id} was confirmed, is lost by a restored server, and is not listed")));
                    }
                    End::Confirmed => self.report.confirmed += 1,
                    End::Rejected | End::Settled | End::Unsure => self.report.rejected += 1,
                }
            }
            if let Some(process) = &self.clients[client].process {
                let queued: i64 = process.reader.query_row("SELECT count(*) FROM seaworthy_outbox", [], |row| row.get(0)).map_err(|e| Broken(e.to_string()))?;
                if queued > 0 {
                    return Err(Broken(format!("client {client}: {queued} writes are still queued")));
                }
                is_sound(&process.reader).map_err(|error| Broken(format!("client {client}: {error}")))?;
            }
        }
        self.check_register()?;
        match &self.server.core {
            Some(core) => is_sound(core.connection()).map_err(|error| Broken(format!("server: {error}"))),
            None => Ok(()),
        }
    }

    /// Why it has not converged, for people.
    pub fn standing(&mut self) -> String {
        let truth = self.server.core.as_ref().and_then(|core| schema::read(core.connection()).ok());
        let mut lines = vec![format!("server: {}, head {}", if truth.is_some() { "up" } else { "down" }, self.history.head().0)];
        for (client, node) in self.clients.iter_mut().enumerate() {
            let Some(process) = &mut node.process else {
                lines.push(format!("client {client} is down"));
                continue;
            };
            lines.push(format!("client {client} ({}): {:?} {:?}", node.user, process.status, process.replica.store().replica()));
            if let (Some(truth), Ok(shown)) = (&truth, schema::read(&process.reader)) {
                lines.push(difference(("shown", &shown), ("server", &schema::visible(truth, node.user))));
            }
        }
        lines.join("\n")
    }
}

/// What is known of a transaction that was not seen in the outbox before.
fn learn(store: &Store, entries: &[PendingWrite], entry: &PendingWrite) -> Result<Pending, String> {
    let sent = store.outbox(Sequence(entry.sequence.0 - 1), 1, usize::MAX).map_err(|e| e.to_string())?;
    let transaction = sent.into_iter().next().filter(|transaction| transaction.id == entry.id);
    let transaction = transaction.ok_or_else(|| format!("{} is pending but not in the outbox", entry.id))?;
    let after = entries.iter().filter(|other| transaction.after.contains(&other.sequence)).map(|other| other.id).collect();
    Ok(Pending { id: entry.id, changes: transaction.changes, after, policy: transaction.policy.unwrap_or_default() })
}

/// A write that has more than one of the three ends: pending, confirmed, rejected.
fn twice(conn: &rusqlite::Connection) -> rusqlite::Result<Option<TransactionId>> {
    const TWICE: &str = "
        SELECT id FROM seaworthy_outbox WHERE id IN (SELECT id FROM seaworthy_rejected) OR id IN (SELECT id FROM seaworthy_confirmed)
        UNION ALL SELECT id FROM seaworthy_rejected WHERE id IN (SELECT id FROM seaworthy_confirmed) LIMIT 1";
    conn.prepare_cached(TWICE)?.query_row([], |row| row.get(0).map(TransactionId)).optional()
}

fn describe(entry: &PendingWrite, known: &Pending, masked: bool) -> String {
    let changes = serde_json::to_string(&known.changes).unwrap_or_default();
    format!("\n  {} {} blocked {} must be {masked} after [{}]: {changes}", entry.sequence.0, entry.id, entry.blocked, ids(&known.after))
}

fn is_sound(conn: &rusqlite::Connection) -> Result<(), String> {
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|e| e.to_string())?;
    if check == "ok" { Ok(()) } else { Err(format!("the file is damaged: {check}")) }
}
