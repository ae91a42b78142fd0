//! What the server did, position by position: the log, and the tables at every position that was ever committed.

use super::cell::Tables;
use super::schema;
use rusqlite::Connection;
use seaworthy_protocol::{Cursor, Incarnation, Position, TransactionId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct History {
    /// The tables at each head, by the run that announced it.
    states: BTreeMap<(Incarnation, Position), Tables>,
    /// Where each transaction stands in the log.
    log: BTreeMap<TransactionId, Position>,
    run: Incarnation,
    read_through: Position,
    /// What was in the log once, but not in the backup that the server was restored from.
    lost: BTreeSet<TransactionId>,
    pub restored: bool,
}

impl History {
    pub fn begin_run(&mut self, run: Incarnation) {
        self.run = run;
    }

    /// Takes in what the server has committed since.
    pub fn follow(&mut self, conn: &Connection) -> Result<(), String> {
        const LOG: &str = "SELECT position, id FROM seaworthy_log WHERE position > ?1 ORDER BY position";
        let mut statement = conn.prepare_cached(LOG).map_err(|e| e.to_string())?;
        let mut rows = statement.query([self.read_through.0 as i64]).map_err(|e| e.to_string())?;
        while let Some(row) = rows.next().map_err(|e| e.to_string())? {
            let (position, id): (i64, Option<[u8; 16]>) = (row.get(0).unwrap(), row.get(1).unwrap());
            let position = Position(position as u64);
            if position.0 != self.read_through.0 + 1 {
                return Err(format!("the log jumps from {} to {}", self.read_through.0, position.0));
            }
            self.read_through = position;
            if let Some(id) = id
                && let Some(former) = self.log.insert(TransactionId(id), position)
            {
                return Err(format!("transaction {} is in the log twice, at {} and {}", TransactionId(id), former.0, position.0));
            }
        }
        self.states.insert((self.run, self.read_through), schema::read(conn).map_err(|e| e.to_string())?);
        Ok(())
    }

    /// The server goes on from a backup that was made when the log ended at `position`.
    pub fn restore(&mut self, position: Position) {
        self.restored = true;
        self.read_through = position;
        let lost = self.log.extract_if(.., |_, at| *at > position).map(|(id, _)| id);
        self.lost.extend(lost);
    }

    pub fn head(&self) -> Position {
        self.read_through
    }

    pub fn is_lost(&self, id: TransactionId) -> bool {
        self.lost.contains(&id)
    }

    pub fn position_of(&self, id: TransactionId) -> Option<Position> {
        self.log.get(&id).copied()
    }

    /// The tables as a replica at `cursor` must hold them.
    pub fn base(&self, cursor: Option<Cursor>, user: &str) -> Result<Tables, String> {
        let Some(cursor) = cursor else { return Ok(schema::empty()) };
        match self.states.get(&(cursor.incarnation, cursor.position)) {
            Some(state) => Ok(schema::visible(state, user)),
            None => Err(format!("the cursor stands at {cursor:?}, where no run ever committed")),
        }
    }
}
