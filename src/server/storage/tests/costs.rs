//! What a pull and a write cost, in steps of SQLite's machine: it must not grow with what they do not concern.

use super::{
    Bench, Client,
    bench::{asked, code},
    principal,
};
use crate::storage::{Served, StreamConfigs, TableConfig, Tables, WriteConfig};
use seaworthy_engine::session::Standing;
use seaworthy_protocol::Subscription;
use std::{
    cell::Cell,
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const SCHEMA: &str = "CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, bucket TEXT, v TEXT); CREATE TABLE b (id TEXT NOT NULL PRIMARY KEY, bucket TEXT, v TEXT);";

/// A server with `definitions` streams over `a` and as many rows in one bucket, besides a thousand small ones.
fn server(definitions: usize, others: usize, rows: usize) -> Bench {
    let write = TableConfig { write: Some(WriteConfig::All("1".to_owned())), ..TableConfig::default() };
    let tables: Tables = ["a", "b"].map(|name| (name.to_owned(), write.clone())).into();
    let stream = |table: &str| crate::storage::StreamConfig { public: true, ..asked(&format!("SELECT * FROM {table} WHERE bucket = params.bucket")) };
    let over = |table: &'static str, count: usize| (0..count).map(move |nth| (format!("{table}{nth}"), table));
    let streams: StreamConfigs = over("a", definitions).chain(over("b", others)).map(|(name, table)| (name, stream(table))).collect();
    let schema = format!(
        "{SCHEMA} WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO a SELECT 'r' || i, 'large', 'v' FROM n;
         INSERT INTO a VALUES ('mine', 'k0', 'v'); INSERT INTO b VALUES ('b', 'k0', 'v');"
    );
    Bench::serving(&schema, Served { tables: &tables, streams: &streams }).unwrap()
}

/// The steps that something takes.
fn steps(server: &mut Bench, act: impl FnOnce(&mut Bench)) -> u64 {
    let counted = Arc::new(AtomicU64::new(0));
    let counter = counted.clone();
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    server.core.connection_mut().progress_handler(1, Some(count)).unwrap();
    act(server);
    server.core.connection_mut().progress_handler(0, None::<fn() -> bool>).unwrap();
    counted.load(Ordering::Relaxed)
}

fn write(client: &mut Client, server: &mut Bench) {
    assert_eq!(code(&client.sync(server, "UPDATE a SET v = v || 'x' WHERE id = 'mine'")), "applied");
}

fn writer() -> Client {
    Client::with(SCHEMA, "alice", 1).given("INSERT INTO a VALUES ('mine', 'k0', 'v')")
}

/// The steps of a pull that brings one row, by a replica that holds so many buckets.
fn pulling(rows: usize, held: usize) -> u64 {
    let mut server = server(1, 1, rows);
    let mut client = writer();
    let subscription = |nth| Subscription { stream: "a0".to_owned(), params: BTreeMap::from([("bucket".to_owned(), format!("k{nth}").as_str().into())]) };
    let mut standing = Standing { subscriptions: (0..held).map(subscription).collect(), ..Standing::default() };
    let first = server.read(&principal("alice"), &standing).pulled;
    standing.buckets = first.checkpoint.streams.unwrap().into_iter().flat_map(|state| state.buckets).collect();
    standing.cursor = Some(first.checkpoint.cursor);
    write(&mut client, &mut server);
    let found = Rc::new(Cell::new(0));
    let seen = found.clone();
    let steps = steps(&mut server, |server| {
        let pulled = server.read(&principal("alice"), &standing).pulled;
        seen.set(pulled.rows.iter().map(|frame| frame.rows.len()).sum::<usize>());
    });
    assert_eq!(found.get(), 1);
    steps
}

#[test]
fn a_pull_costs_a_seek_for_each_bucket_whatever_the_tables_hold() {
    let (small, large) = (pulling(1_000, 1), pulling(100_000, 1));
    assert!(large <= small + small / 4, "{small} {large}");
    let many = pulling(1_000, 1_000);
    assert!(many - small < 1_000 * 25, "{small} {many}");
}

#[test]
fn a_write_costs_by_the_streams_over_its_table_and_by_no_others() {
    let writing = |definitions, others, rows| {
        let mut server = server(definitions, others, rows);
        let mut client = writer();
        write(&mut client, &mut server);
        steps(&mut server, |server| write(&mut client, server))
    };
    let one = writing(1, 1, 1_000);
    let (others, ten, large) = (writing(1, 10, 1_000), writing(10, 1, 1_000), writing(1, 1, 100_000));
    assert!(others <= one + one / 10, "{one} {others}");
    assert!(ten - one <= 9 * one, "{one} {ten}");
    assert!(large <= one + one / 4, "{one} {large}");
}
