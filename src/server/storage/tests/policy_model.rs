//! The policies against a small model of their table in the design, which shares nothing with the code that
//! it judges: two and three writers, every pair of changes, in every order.

use super::{
    Bench, Client,
    bench::{code, open},
};
use crate::storage::{TableConfig, Tables};
use proptest::prelude::*;
use seaworthy_protocol::Policy;
use std::collections::BTreeMap;

const SCHEMA: &str = "
    CREATE TABLE t0 (id TEXT NOT NULL PRIMARY KEY, x INTEGER, y INTEGER);
    CREATE TABLE t1 (id TEXT NOT NULL PRIMARY KEY, x INTEGER, y INTEGER);";
const POLICIES: [Policy; 4] = [Policy::Rebase, Policy::Server, Policy::Manual, Policy::Fail];
/// What a row holds for everybody before.
const BASE: [i64; 2] = [0, 0];

/// What a writer does to a row. Who inserts has never seen it; the others have seen it as [`BASE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    SetX,
    SetY,
    SetBoth,
    Delete,
    Insert,
}

const ACTS: [Act; 5] = [Act::SetX, Act::SetY, Act::SetBoth, Act::Delete, Act::Insert];

/// A row by its table and id.
type Place = (usize, String);
type Database = BTreeMap<Place, [i64; 2]>;

/// A transaction: what it does to which rows, the value that it writes, and what it asks for.
#[derive(Clone, Debug)]
struct Write {
    acts: Vec<(Place, Act)>,
    value: i64,
    asked: Policy,
}

impl Act {
    fn after(self, before: [i64; 2], value: i64) -> Option<[i64; 2]> {
        match self {
            Self::SetX => Some([value, before[1]]),
            Self::SetY => Some([before[0], value]),
            Self::SetBoth | Self::Insert => Some([value, value]),
            Self::Delete => None,
        }
    }

    /// Whether it meets another writer's change in a row as it is now.
    fn conflicts(self, now: Option<[i64; 2]>) -> bool {
        match (self, now) {
            (Self::Insert, now) => now.is_some(),
            (_, None) => true,
            (Self::SetX, Some(row)) => row[0] != BASE[0],
            (Self::SetY, Some(row)) => row[1] != BASE[1],
            (Self::SetBoth | Self::Delete, Some(row)) => row != BASE,
        }
    }

    fn sql(self, (table, id): &Place, value: i64) -> String {
        match self {
            Self::SetX => format!("UPDATE t{table} SET x = {value} WHERE id = '{id}';"),
            Self::SetY => format!("UPDATE t{table} SET y = {value} WHERE id = '{id}';"),
            Self::SetBoth => format!("UPDATE t{table} SET x = {value}, y = {value} WHERE id = '{id}';"),
            Self::Delete => format!("DELETE FROM t{table} WHERE id = '{id}';"),
            Self::Insert => format!("INSERT INTO t{table} VALUES ('{id}', {value}, {value});"),
        }
    }
}

/// The table of the design: what becomes of a write, and what is there afterwards.
fn decide(database: &mut Database, policies: [Policy; 2], write: &Write) -> &'static str {
    let conflicting = write.acts.iter().filter(|(place, act)| act.conflicts(database.get(place).copied()));
    match conflicting.map(|((table, _), _)| policies[*table].max(write.asked)).max() {
        Some(Policy::Server) => return "discarded",
        Some(Policy::Manual | Policy::Fail) => return "conflict",
        Some(Policy::Rebase) | None => {}
    }
    let is_dropped = |place: &Place, act: Act| !database.contains_key(place) && !matches!(act, Act::Insert | Act::Delete);
    let is_idle = |place: &Place, act: Act| !database.contains_key(place) && act == Act::Delete;
    let dropped = write.acts.iter().filter(|(place, act)| is_dropped(place, *act)).count();
    let idle = write.acts.iter().filter(|(place, act)| is_idle(place, *act)).count();
    if dropped > 0 {
        return if dropped + idle == write.acts.len() { "merged" } else { "row_deleted" };
    }
    for (place, act) in &write.acts {
        let before = database.remove(place).unwrap_or(BASE);
        database.extend(act.after(before, write.value).map(|row| (place.clone(), row)));
    }
    "applied"
}

fn insert((table, id): &Place) -> String {
    format!("INSERT INTO t{table} VALUES ('{id}', {}, {});", BASE[0], BASE[1])
}

fn server(policies: [Policy; 2]) -> Bench {
    let config = |policy| TableConfig { conflict: policy, ..open() };
    let tables: Tables = [("t0".to_owned(), config(policies[0])), ("t1".to_owned(), config(policies[1]))].into();
    Bench::with(SCHEMA, &tables).unwrap()
}

fn stored(server: &Bench) -> Database {
    let read = |table: usize| server.rows(&format!("SELECT id, x, y FROM t{table}")).into_iter().map(move |row| (table, row));
    let parse = |(table, row): (usize, String)| {
        let cells: Vec<&str> = row.split('|').collect();
        ((table, cells[0].to_owned()), [cells[1].parse().unwrap(), cells[2].parse().unwrap()])
    };
    read(0).chain(read(1)).map(parse).collect()
}

/// Has a writer who saw the base make and push a write, and holds the answer to the model.
fn check(server: &mut Bench, model: &mut Database, policies: [Policy; 2], writer: &mut Client, write: &Write) {
    let seen: String = write.acts.iter().filter(|(_, act)| *act != Act::Insert).map(|(place, _)| insert(place)).collect();
    writer.conn.execute_batch(&seen).unwrap();
    let sql: String = write.acts.iter().map(|(place, act)| act.sql(place, write.value)).collect();
    let mut transaction = writer.write(&sql);
    transaction.policy = Some(write.asked);
    let before = model.clone();
    let expected = decide(model, policies, write);
    let outcome = writer.push(server, &[transaction]).remove(0);
    assert_eq!(code(&outcome), expected, "{write:?} under {policies:?} over {before:?}");
}

/// Every sequence of so many writers over one row, each case on a row of its own.
fn every_order(policies: [Policy; 2], asked: Policy, count: u32) {
    let (mut server, mut model) = (server(policies), Database::new());
    let mut writers: Vec<Client> = (0..count).map(|n| Client::with(SCHEMA, "alice", n as u8 + 1)).collect();
    for case in 0..2 * ACTS.len().pow(count) {
        let place = (0, format!("r{case}"));
        if case % 2 == 0 {
            server.sql(&insert(&place));
            model.insert(place.clone(), BASE);
        }
        let mut rest = case / 2;
        for (n, writer) in writers.iter_mut().enumerate() {
            let write = Write { acts: vec![(place.clone(), ACTS[rest % ACTS.len()])], value: n as i64 + 1, asked };
            rest /= ACTS.len();
            check(&mut server, &mut model, policies, writer, &write);
        }
    }
    assert_eq!(stored(&server), model);
}

#[test]
fn two_writers_of_a_row_in_every_order_under_every_policy_and_wish() {
    for table in POLICIES {
        for asked in POLICIES {
            every_order([table; 2], asked, 2);
        }
    }
}

#[test]
fn three_writers_of_a_row_in_every_order_under_every_policy() {
    for table in POLICIES {
        every_order([table; 2], Policy::Rebase, 3);
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    prop::sample::select(POLICIES.to_vec())
}

fn acts() -> impl Strategy<Value = Vec<Option<Act>>> {
    prop::collection::vec(prop::option::of(prop::sample::select(ACTS.to_vec())), 4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]
    #[test]
    fn transactions_over_several_rows_and_tables_are_decided_whole(
        policies in (policy(), policy()),
        there in prop::collection::vec(any::<bool>(), 4),
        writes in prop::collection::vec((policy(), acts()), 2..=4),
    ) {
        let policies = [policies.0, policies.1];
        let places: Vec<Place> = (0..4).map(|n| (n / 2, format!("r{n}"))).collect();
        let (mut server, mut model) = (server(policies), Database::new());
        for (place, _) in places.iter().zip(there).filter(|(_, there)| *there) {
            server.sql(&insert(place));
            model.insert(place.clone(), BASE);
        }
        for (n, (asked, acts)) in writes.into_iter().enumerate() {
            let acts: Vec<_> = places.iter().cloned().zip(acts).filter_map(|(place, act)| Some((place, act?))).collect();
            let write = Write { acts, value: n as i64 + 1, asked };
            check(&mut server, &mut model, policies, &mut Client::with(SCHEMA, "alice", n as u8 + 1), &write);
        }
        prop_assert_eq!(stored(&server), model);
    }
}

#[test]
fn fail_prevents_lost_updates_and_not_write_skew() {
    let rows = "INSERT INTO t0 VALUES ('mine', 1, 0); INSERT INTO t0 VALUES ('yours', 1, 0);";
    let mut server = server([Policy::Fail; 2]);
    server.sql(rows);
    // Each leaves the other's row as it was, since one of the two must stay at 1: and together they break it.
    let mut one = Client::with(SCHEMA, "alice", 1).given(rows);
    let mut two = Client::with(SCHEMA, "alice", 2).given(rows);
    assert_eq!(code(&one.sync(&mut server, "UPDATE t0 SET x = 0 WHERE id = 'mine' AND (SELECT sum(x) FROM t0) = 2")), "applied");
    assert_eq!(code(&two.sync(&mut server, "UPDATE t0 SET x = 0 WHERE id = 'yours' AND (SELECT sum(x) FROM t0) = 2")), "applied");
    assert_eq!(server.rows("SELECT sum(x) FROM t0"), ["0"]);
    let mut three = Client::with(SCHEMA, "alice", 3).given(rows);
    assert_eq!(code(&three.sync(&mut server, "UPDATE t0 SET x = x - 1 WHERE id = 'mine'")), "conflict");
}
