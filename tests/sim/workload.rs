//! What the applications are about. Beside the mixture of everything there are two workloads of the Jepsen
//! kind, whose own invariants hold only if no update is lost.
//!
//! Register: all raise one number under `fail`. It never goes back, and ends at the highest confirmed value.
//! Bank: all move money between accounts under `fail`. The total stays, and no account is overdrawn.

use super::cell::{Cell, Tables};
use super::client::End;
use super::random::Random;
use super::schema::{ACCOUNTS, BALANCE};
use super::world::{Broken, World};
use rusqlite::Connection;
use seaworthy_protocol::{Changes, Value};

/// What the applications do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workload {
    /// Everything that SQL can do to the tables, under every policy.
    #[default]
    Mixed,
    /// One number that all raise.
    Register,
    /// Accounts between which all move money.
    Bank,
    /// The mixture over a good network, short: for dying at a named point.
    Steady,
}

impl Workload {
    /// By its name on the command line.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [("mixed", Self::Mixed), ("register", Self::Register), ("bank", Self::Bank), ("steady", Self::Steady)];
        all.into_iter().find(|(known, _)| *known == name).map(|(_, workload)| workload)
    }

    /// Whether it writes to every table.
    pub fn is_mixed(self) -> bool {
        matches!(self, Self::Mixed | Self::Steady)
    }

    /// What an application writes, from what it reads.
    pub fn statement(self, reader: &Connection, random: &mut Random) -> rusqlite::Result<String> {
        if self == Self::Register {
            let found: Option<i64> = reader.query_row("SELECT max(balance) FROM accounts WHERE id = 'a0'", [], |row| row.get(0))?;
            let next = found.unwrap_or(0) + 1 + random.range(0, 2) as i64;
            return Ok(format!("UPDATE accounts SET balance = {next} WHERE id = 'a0' AND balance < {next}"));
        }
        Ok(transfer(random))
    }

    /// What holds in every state of the server, and in a replica with nothing pending.
    pub fn holds(self, tables: &Tables) -> Result<(), String> {
        let balances: Vec<i64> = tables["accounts"].values().map(|row| number(&row["balance"])).collect();
        let total = ACCOUNTS as i64 * BALANCE;
        match self {
            // Before its first checkpoint a replica has no accounts.
            Self::Bank if !balances.is_empty() && (balances.iter().sum::<i64>() != total || balances.iter().any(|balance| *balance < 0)) => {
                Err(format!("the accounts hold {balances:?}, which must be {total} in all and never less than 0"))
            }
            _ => Ok(()),
        }
    }

    /// What holds between two states of the server.
    pub fn follows(self, before: &Tables, after: &Tables) -> Result<(), String> {
        match (self, register(before), register(after)) {
            (Self::Register, Some(before), after) if after.is_none_or(|after| after < before) => {
                Err(format!("the register goes back from {before} to {after:?}"))
            }
            _ => self.holds(after),
        }
    }
}

/// Money from one account to another, if there is enough.
pub fn transfer(random: &mut Random) -> String {
    let (from, amount) = (random.below(ACCOUNTS), random.range(1, 60));
    let to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
    format!(
        "UPDATE accounts SET balance = balance + CASE id WHEN 'a{from}' THEN -{amount} ELSE {amount} END
         WHERE id IN ('a{from}', 'a{to}') AND (SELECT balance FROM accounts WHERE id = 'a{from}') >= {amount}"
    )
}

impl World {
    /// The register ends at the highest value that a writer was told is confirmed.
    pub fn check_register(&self) -> Result<(), Broken> {
        let (Workload::Register, Some(tables)) = (self.plan.workload, self.history.tables(self.history.head())) else { return Ok(()) };
        let confirmed = |client: &super::client::Client| {
            let ids = client.ends.iter().filter(|(_, end)| **end == End::Confirmed);
            ids.filter_map(|(id, _)| written(&client.known.get(id)?.changes)).max()
        };
        let highest = self.clients.iter().filter_map(confirmed).max().unwrap_or(BALANCE);
        match register(tables) {
            Some(value) if value == highest => Ok(()),
            value => Err(Broken(format!("the register ends at {value:?}, and the highest confirmed value is {highest}"))),
        }
    }
}

fn register(tables: &Tables) -> Option<i64> {
    tables["accounts"].get(&vec![Cell::text("a0")]).map(|row| number(&row["balance"]))
}

fn number(cell: &Cell) -> i64 {
    match cell {
        Cell::Integer(number) => *number,
        _ => i64::MIN,
    }
}

/// The value that a transaction wrote to the register.
fn written(changes: &Changes) -> Option<i64> {
    let values = changes.tables.first()?.rows.first()?.new.iter().flatten();
    values.filter_map(|value| if let Value::Integer(number) = value { Some(*number) } else { None }).next_back()
}
