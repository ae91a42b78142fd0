//! Rebase: what is pending, put on top of a new base.
//!
//! The definition is: undo newest first, apply the checkpoint, replay oldest first. A transaction that
//! cannot stand any more is masked whole, with those that build on it: it stays pending and is pushed,
//! and the server decides. Replay never rejects.
//!
//! Only the transactions that are *connected* with the checkpoint are undone and replayed, and the result is the same.
//! The objects (see [`crate::touch`]) of a transaction are its rows, and the UNIQUE values that it gave to them or
//! took from them in its last replay, or wants for them while it is masked. Those of the checkpoint are its rows and
//! their values before and after. `S` is the least set that holds the transactions that end, and every one that touches
//! an object of the checkpoint or of a member of `S`.
//!
//! - Replaying a transaction reads and writes its own rows, and asks of other rows only whether they hold the values
//!   that it gives; foreign keys and checks are off. So whether it stands, and what it leaves, depends on its objects
//!   alone, and on whether a transaction that it names in `after` is masked.
//! - One outside of `S` shares no object with `S` or the checkpoint. In the whole definition it would find its objects
//!   as it found them the last time, stand or not as before, and leave and take back the same; and none of `S` finds
//!   them. So undoing and replaying it around `S` changes nothing, and neither does the order between both.
//! - This needs the objects of the *new* replay to be among those by which `S` was found. They are compared, and
//!   so are the masks: if a member of `S` touches a new value, or is masked or shown as it was not before, or ends
//!   masked, then `S` grows by those outside that touch the value or name the member in `after`, and everything starts
//!   again. Members by `after` bring all that depends on them, so a second start is the last unless new values go on
//!   appearing.
//!
//! A reset concerns everything, and so does a change of the UNIQUE indexes themselves.

use crate::apply::{self, Batch, Edit};
use crate::capture::Capture;
use crate::connected::Connected;
use crate::outbox::{after_from_text, parse_changes};
use crate::pending;
use crate::touch::{self, RowValues};
use crate::{StoreError, checkpoint, store::Store};
use rusqlite::{Connection, params};
use seaworthy_fault::{Point, point};
use seaworthy_protocol::{Changes, Sequence};
use std::collections::{BTreeSet, HashSet};

/// What a rebase did.
#[derive(Default)]
pub(crate) struct Rebased {
    /// How many transactions were undone or replayed.
    pub moved: u64,
    /// The tables that they touch.
    pub changed: BTreeSet<String>,
}

/// What the base is to become.
pub(crate) struct NewBase<'a> {
    pub batches: &'a [Batch<'a>],
    /// The batches are all there is.
    pub reset: bool,
    /// The entries that end with it.
    pub ends: &'a BTreeSet<i64>,
}

struct Pending {
    ordinal: i64,
    /// Its number in the replica.
    sequence: Sequence,
    seen: Changes,
    /// `None`: as `seen`.
    undo: Option<Changes>,
    after: Vec<Sequence>,
    masked: bool,
}

/// Rebases what is connected, inside the caller's transaction, with foreign keys, checks and synced triggers off.
pub(crate) fn rebase(store: &Store, base: &NewBase<'_>) -> Result<Rebased, StoreError> {
    let conn = &store.conn;
    let mut connected = Connected::default();
    connected.add(conn, base.ends.iter().copied())?;
    for batch in base.batches {
        let row = |edit: &Edit<'_>| touch::row_object(&batch.table.name, edit.key(batch.table).into_iter());
        connected.add_objects(conn, batch.edits.iter().map(row))?;
    }
    loop {
        conn.prepare_cached("SAVEPOINT rebase")?.raw_execute()?;
        let Pass { turned, values, rebased, .. } = Pass::run(store, base, &mut connected)?;
        let known = connected.ordinals.len();
        connected.add_affected(conn, &turned)?;
        connected.add_objects(conn, values)?;
        if connected.ordinals.len() == known {
            conn.prepare_cached("RELEASE rebase")?.raw_execute()?;
            return Ok(rebased);
        }
        conn.execute_batch("ROLLBACK TO rebase; RELEASE rebase")?;
    }
}

/// Rebases everything, and indexes it anew.
pub(crate) fn rebase_all(store: &Store, base: &NewBase<'_>) -> Result<Rebased, StoreError> {
    let mut connected = Connected::default();
    let mut statement = store.conn.prepare("SELECT ordinal FROM seaworthy_outbox")?;
    connected.ordinals = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(Pass::run(store, base, &mut connected)?.rebased)
}

/// One run over what is known to be connected.
struct Pass<'a> {
    store: &'a Store,
    base: &'a NewBase<'a>,
    connected: &'a mut Connected,
    /// The entries whose masks changed, or went with them.
    turned: Vec<i64>,
    /// The UNIQUE values that replayed entries touch.
    values: Vec<i64>,
    /// The numbers of the entries that are masked and do not end.
    masked: HashSet<Sequence>,
    rebased: Rebased,
}

impl<'a> Pass<'a> {
    fn run(store: &'a Store, base: &'a NewBase<'a>, connected: &'a mut Connected) -> Result<Self, StoreError> {
        let masked = masked(&store.conn, base.ends)?;
        let mut pass = Self { store, base, connected, turned: Vec::new(), values: Vec::new(), masked, rebased: Rebased::default() };
        pass.take_up()?;
        Ok(pass)
    }

    fn take_up(&mut self) -> Result<(), StoreError> {
        let (store, base) = (self.store, self.base);
        let first = self.connected.ordinals.clone();
        self.undo(&first)?;
        // The rows of the checkpoint are now as the former base had them. Whoever is found by their values alone has no
        // row in common with what was undone.
        self.connect_values()?;
        let more: BTreeSet<i64> = self.connected.ordinals.difference(&first).copied().collect();
        self.undo(&more)?;
        point(Point::StoreApplyUndone);
        if base.reset {
            checkpoint::remove_unnamed(store, base.batches)?;
            self.rebased.changed.extend(store.tables.keys().cloned());
        }
        apply::past_triggers(&store.conn, base.batches, &store.triggers.local)?;
        for ordinal in self.connected.ordinals.difference(base.ends).copied().collect::<Vec<_>>() {
            self.replay(&Pending::load(store, ordinal)?)?;
        }
        point(Point::StoreApplyReplayed);
        Ok(())
    }

    fn undo(&mut self, ordinals: &BTreeSet<i64>) -> Result<(), StoreError> {
        let store = self.store;
        for ordinal in ordinals.iter().rev() {
            let entry = Pending::load(store, *ordinal)?;
            self.rebased.moved += 1;
            self.rebased.changed.extend(entry.seen.tables.iter().map(|table| table.name.clone()));
            if entry.masked && self.base.ends.contains(ordinal) {
                self.turned.push(*ordinal);
            }
            if !entry.masked {
                apply::past_triggers(&store.conn, &apply::backward(entry.undo.as_ref().unwrap_or(&entry.seen), &store.tables), &store.triggers.local)?;
            }
        }
        Ok(())
    }

    /// Connects by the UNIQUE values that the checkpoint gives to rows, and by those that it takes from them: these only
    /// matter to whoever waits for one.
    fn connect_values(&mut self) -> Result<(), StoreError> {
        let conn = &self.store.conn;
        let is_waiting = !self.masked.is_empty();
        for batch in self.base.batches.iter().filter(|batch| !self.base.reset && !batch.table.uniques.is_empty()) {
            for edit in &batch.edits {
                let key = edit.key(batch.table);
                let mut values = RowValues { conn, table: batch.table, key: &key, standing: None };
                for unique in &batch.table.uniques {
                    let before = if is_waiting { values.object(unique, |_| None)? } else { None };
                    let after = match edit {
                        Edit::Remove(_) => None,
                        Edit::Set(_, cells) | Edit::Put(cells) => {
                            values.object(unique, |at| cells.iter().find(|(column, _)| *column == at).map(|(_, value)| *value))?
                        }
                    };
                    self.connected.add_objects(conn, before.into_iter().chain(after))?;
                }
            }
        }
        Ok(())
    }

    /// Makes a transaction's changes again, or masks it.
    fn replay(&mut self, entry: &Pending) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE seaworthy_outbox SET undo = ?2 WHERE ordinal = ?1";
        if entry.after.iter().any(|sequence| self.masked.contains(sequence)) {
            return self.mask(entry, true);
        }
        let made = changes_made(self.store, entry)?;
        let undo = made.as_deref().map(|undo| parse_undo(self.store, undo)).transpose()?;
        self.index(entry, undo.as_ref())?;
        if let Some(undo) = made.as_ref().filter(|undo| entry.undo.is_some() || **undo != entry.seen.to_changeset()) {
            self.store.conn.prepare_cached(SQL)?.execute(params![entry.ordinal, undo])?;
        }
        self.mask(entry, made.is_none())
    }

    fn mask(&mut self, entry: &Pending, masked: bool) -> Result<(), StoreError> {
        if masked == entry.masked {
            return Ok(());
        }
        self.turned.push(entry.ordinal);
        let sql = if masked {
            self.masked.insert(entry.sequence);
            "INSERT INTO seaworthy_masked (ordinal) VALUES (?1)"
        } else {
            self.masked.remove(&entry.sequence);
            "DELETE FROM seaworthy_masked WHERE ordinal = ?1"
        };
        self.store.conn.prepare_cached(sql)?.execute([entry.ordinal])?;
        Ok(())
    }

    /// Notes the UNIQUE values that it touches now, or wants.
    fn index(&mut self, entry: &Pending, undo: Option<&Changes>) -> Result<(), StoreError> {
        let Store { conn, tables, .. } = self.store;
        if !entry.seen.tables.iter().any(|group| tables.get(&group.name).is_some_and(|table| !table.uniques.is_empty())) {
            return Ok(());
        }
        let mut values = touch::of_values(conn, tables, &entry.seen)?;
        values.extend(undo.map(|undo| touch::of_values(conn, tables, undo)).transpose()?.into_iter().flatten());
        self.values.extend(values.iter().map(|touch| touch.object));
        pending::refresh(conn, entry.ordinal, values)
    }
}

impl Pending {
    fn load(store: &Store, ordinal: i64) -> Result<Self, StoreError> {
        const SQL: &str = "SELECT columns, seen, undo, after, sequence, ordinal IN seaworthy_masked FROM seaworthy_outbox WHERE ordinal = ?1";
        let mut statement = store.conn.prepare_cached(SQL)?;
        let read = |row: &rusqlite::Row<'_>| -> Result<Self, StoreError> {
            Ok(Self {
                ordinal,
                seen: parse_changes(&row.get::<_, String>(0)?, row.get_ref(1)?.as_blob().unwrap_or_default())?,
                undo: row.get_ref(2)?.as_blob_or_null().unwrap_or_default().map(|bytes| parse_undo(store, bytes)).transpose()?,
                after: after_from_text(row.get::<_, Option<String>>(3)?.as_deref()),
                sequence: Sequence(row.get::<_, i64>(4)? as u64),
                masked: row.get(5)?,
            })
        };
        statement.query_row([ordinal], |row| Ok(read(row)))?
    }
}

fn masked(conn: &Connection, ends: &BTreeSet<i64>) -> Result<HashSet<Sequence>, StoreError> {
    const SQL: &str = "SELECT m.ordinal, o.sequence FROM seaworthy_masked AS m JOIN seaworthy_outbox AS o USING (ordinal)";
    let mut statement = conn.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let mut masked = HashSet::new();
    while let Some(row) = rows.next()? {
        if !ends.contains(&row.get(0)?) {
            masked.insert(Sequence(row.get::<_, i64>(1)? as u64));
        }
    }
    Ok(masked)
}

fn parse_undo(store: &Store, bytes: &[u8]) -> Result<Changes, StoreError> {
    let names = |name: &str| store.tables.get(name).map(|table| table.column_names());
    Changes::from_changeset(bytes, names).map_err(|e| StoreError::Corrupt { message: e.to_string() })
}

/// Makes the changes of a pending transaction and gives what they changed now. `None`: it cannot stand, and nothing
/// was changed.
fn changes_made(store: &Store, entry: &Pending) -> Result<Option<Vec<u8>>, StoreError> {
    let conn = &store.conn;
    conn.prepare_cached("SAVEPOINT replay")?.raw_execute()?;
    let mut capture = Capture::begin(conn, &store.shapes);
    // Single edits are taken back and made in another order.
    capture.doubt();
    let stands = match apply::past_triggers(conn, &apply::forward(&entry.seen, &store.tables), &store.triggers.local) {
        Ok(missing) => missing.0 == 0,
        Err(StoreError::ConstraintViolation { .. }) => false,
        Err(error) => return Err(error),
    };
    let made = if stands { Some(capture.changeset(conn)?) } else { None };
    drop(capture);
    if !stands {
        conn.prepare_cached("ROLLBACK TO replay")?.raw_execute()?;
    }
    conn.prepare_cached("RELEASE replay")?.raw_execute()?;
    Ok(made)
}
