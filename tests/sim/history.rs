//! What the server did, position by position: the log, what it adds up to, and what each user could read.

use super::cell::{Cell, Row, Tables, difference};
use super::fold::fold;
use super::plan::USERS;
use super::schema::{self, Shape};
use rusqlite::Connection;
use seaworthy_protocol::{Changes, Cursor, Image, Incarnation, Position, Rows, TransactionId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A row by its table and key.
type Readable = (&'static str, Vec<Cell>, Row);

#[derive(Default)]
pub struct History {
    /// The tables at each head, by the run that announced it.
    states: BTreeMap<(Incarnation, Position), Tables>,
    /// The tables at each position, as the log says.
    folded: BTreeMap<Position, Tables>,
    /// What each transaction left in the log.
    left: BTreeMap<TransactionId, (Position, Changes)>,
    /// Transactions that were rejected over conflicts.
    refused: BTreeMap<TransactionId, Position>,
    /// Rows that a user could ever read.
    readable: BTreeMap<&'static str, BTreeSet<Readable>>,
    run: Incarnation,
    read_through: Position,
    /// What was in the log once, but not in the backup that the server was restored from.
    lost: BTreeSet<TransactionId>,
    pub restored: bool,
}

impl History {
    /// A run begins. What was committed before is still there.
    pub fn begin_run(&mut self, run: Incarnation, conn: &Connection) -> Result<(), String> {
        self.run = run;
        if self.folded.is_empty() {
            let tables = schema::read(conn).map_err(|e| e.to_string())?;
            for shape in schema::SHAPES {
                self.note_readable(shape, tables[shape.name].iter());
            }
            self.folded.insert(Position(0), tables);
        }
        let end: i64 = conn.query_row("SELECT coalesce(max(position), 0) FROM seaworthy_log", [], |row| row.get(0)).map_err(|e| e.to_string())?;
        if (end as u64) < self.read_through.0 {
            return Err(format!("the log ends at {end}, and {} was committed", self.read_through.0));
        }
        Ok(())
    }

    /// Takes in what the server has committed since, and gives the transactions in it. The tables are what the log says.
    pub fn follow(&mut self, conn: &Connection) -> Result<Vec<(TransactionId, Position)>, String> {
        const LOG: &str = "SELECT position, id, changes FROM seaworthy_log WHERE position > ?1 ORDER BY position";
        let mut new = Vec::new();
        let mut statement = conn.prepare_cached(LOG).map_err(|e| e.to_string())?;
        let mut rows = statement.query([self.read_through.0 as i64]).map_err(|e| e.to_string())?;
        while let Some(row) = rows.next().map_err(|e| e.to_string())? {
            let (position, id, changes): (i64, Option<[u8; 16]>, Vec<u8>) = (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
            let changes = rmp_serde::from_slice(&changes).map_err(|e| format!("an entry of the log does not decode: {e}"))?;
            let position = Position(position as u64);
            self.append(position, id.map(TransactionId), changes)?;
            new.extend(id.map(|id| (TransactionId(id), position)));
        }
        let (found, folded) = (schema::read(conn).map_err(|e| e.to_string())?, &self.folded[&self.read_through]);
        if found != *folded {
            return Err(format!("the server's tables are not what its log says:\n{}", difference(("tables", &found), ("log", folded))));
        }
        self.states.insert((self.run, self.read_through), found);
        Ok(new)
    }

    fn append(&mut self, position: Position, id: Option<TransactionId>, changes: Changes) -> Result<(), String> {
        if position.0 != self.read_through.0 + 1 {
            return Err(format!("the log jumps from {} to {}", self.read_through.0, position.0));
        }
        let mut tables = self.folded[&self.read_through].clone();
        fold(&mut tables, &changes)?;
        for (shape, group) in changes.tables.iter().filter_map(|group| Some((schema::shape(&group.name)?, group))) {
            let keys = group.rows.iter().map(|row| group.key_of(row).into_iter().map(Cell::from).collect::<Vec<_>>());
            self.note_readable(shape, keys.filter_map(|key| tables[shape.name].get_key_value(&key)));
        }
        self.folded.insert(position, tables);
        self.read_through = position;
        let Some(id) = id else { return Ok(()) };
        match self.left.insert(id, (position, changes)) {
            Some((former, _)) => Err(format!("transaction {id} is in the log twice, at {} and {}", former.0, position.0)),
            None => Ok(()),
        }
    }

    /// The server goes on from a backup that was made when the log ended at `position`.
    pub fn restore(&mut self, position: Position) {
        self.restored = true;
        self.read_through = position;
        self.folded.retain(|at, _| *at <= position);
        self.refused.retain(|_, at| *at <= position);
        let lost = self.left.extract_if(.., |_, (at, _)| *at > position).map(|(id, _)| id);
        self.lost.extend(lost);
    }

    pub fn head(&self) -> Position {
        self.read_through
    }

    pub fn is_lost(&self, id: TransactionId) -> bool {
        self.lost.contains(&id)
    }

    pub fn position_of(&self, id: TransactionId) -> Option<Position> {
        self.left.get(&id).map(|(position, _)| *position)
    }

    pub fn left(&self) -> &BTreeMap<TransactionId, (Position, Changes)> {
        &self.left
    }

    /// The server's tables at a position.
    pub fn tables(&self, position: Position) -> Option<&Tables> {
        self.folded.get(&position)
    }

    /// Notes that a transaction was rejected over conflicts. `false`: that was known.
    pub fn refuse(&mut self, id: TransactionId, position: Position) -> bool {
        self.refused.insert(id, position).is_none()
    }

    /// The tables as a replica at `cursor` must hold them.
    pub fn base(&self, cursor: Option<Cursor>, user: &str) -> Result<Tables, String> {
        let Some(cursor) = cursor else { return Ok(schema::empty()) };
        match self.states.get(&(cursor.incarnation, cursor.position)) {
            Some(state) => Ok(schema::visible(state, user)),
            None => Err(format!("the cursor stands at {cursor:?}, where no run ever committed")),
        }
    }

    /// I5: what is delivered for a checkpoint can be read there, and what is said to be gone could be read before.
    pub fn check_rows(&self, user: &str, rows: &[Rows], cursor: Cursor) -> Result<(), String> {
        let base = self.base(Some(cursor), user)?;
        for group in rows {
            let shape = schema::shape(&group.table).ok_or_else(|| format!("rows of a table {} are delivered", group.table))?;
            for values in &group.rows {
                let row = named(shape, group.columns.iter().zip(values));
                if base[shape.name].get(&key(shape, &row)) != Some(&row) {
                    return Err(format!("{user} is sent a row of {} that {user} cannot read at {}: {row:?}", shape.name, cursor.position.0));
                }
            }
            for values in &group.gone {
                let gone = key(shape, &named(shape, group.key.iter().zip(values)));
                if !self.could_read(user, |name, key, _| name == shape.name && *key == gone) {
                    return Err(format!("{user} is told of a row of {} that {user} could never read: {gone:?}", shape.name));
                }
            }
        }
        Ok(())
    }

    /// I5: the server's side of a conflict can be read too.
    pub fn check_remote(&self, user: &str, table: &str, of_key: &Image, remote: &Image) -> Result<(), String> {
        let shape = schema::shape(table).ok_or_else(|| format!("a conflict in a table {table}"))?;
        let row = named(shape, of_key.iter().chain(remote));
        if self.could_read(user, |name, _, readable| name == shape.name && *readable == row) {
            return Ok(());
        }
        Err(format!("{user} is shown a row of {table} that {user} could never read: {row:?}"))
    }

    fn could_read(&self, user: &str, is_it: impl Fn(&str, &Vec<Cell>, &Row) -> bool) -> bool {
        self.readable.get(user).is_some_and(|rows| rows.iter().any(|(name, key, row)| is_it(name, key, row)))
    }

    fn note_readable<'r>(&mut self, shape: &Shape, rows: impl Iterator<Item = (&'r Vec<Cell>, &'r Row)>) {
        for (key, row) in rows {
            for user in USERS.iter().filter(|user| schema::sees(shape, row, user)) {
                self.readable.entry(user).or_default().insert((shape.name, key.clone(), row.clone()));
            }
        }
    }
}

fn named<'v>(shape: &Shape, cells: impl Iterator<Item = (&'v String, &'v Value)>) -> Row {
    cells.filter_map(|(name, value)| Some((schema::column(shape, name)?, Cell::from(value)))).collect()
}

fn key(shape: &Shape, row: &Row) -> Vec<Cell> {
    shape.key.iter().filter_map(|column| row.get(column).cloned()).collect()
}
