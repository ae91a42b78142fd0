//! Scenario 7 natively: the process is killed while it commits, again and again; what was acknowledged
//! is there, and is queued exactly once. The same is done with a browser's worker in `tests/browser`.

use crate::fixture::{SCHEMA, open, query};
use rusqlite::Connection;
use seaworthy_protocol::{Policy, TransactionId};
use seaworthy_store::{Call, Stamp};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const DATABASE: &str = "SEAWORTHY_CRASH_DATABASE";

#[test]
fn a_writer_killed_in_the_middle_of_commits_loses_nothing_that_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut acknowledged = 0;
    for round in 0..12_u32 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::writer", "--exact", "--nocapture"])
            .env(DATABASE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wanted = acknowledged + 3 + round * 7 % 23;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Some(n) = line.unwrap().strip_prefix("acknowledged ").and_then(|n| n.parse().ok()) else { continue };
            acknowledged = n;
            if acknowledged >= wanted {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= wanted, "the writer was killed while it was writing");
        let mut store = open(Connection::open(&file).unwrap(), SCHEMA).unwrap();
        assert_eq!(query(&mut store, "SELECT integrity_check FROM pragma_integrity_check"), ["ok"]);
        let rows: u32 = query(&mut store, "SELECT count(*) FROM lists")[0].parse().unwrap();
        assert!(rows >= acknowledged, "{rows} rows, {acknowledged} acknowledged");
        assert_eq!(store.counts().unwrap().pending, u64::from(rows), "every row is queued exactly once");
        acknowledged = rows;
        store.close().unwrap();
    }
}

/// The process that is killed. On its own it has nothing to do.
#[test]
fn writer() {
    let Ok(file) = std::env::var(DATABASE) else { return };
    let conn = Connection::open(file).unwrap();
    conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").unwrap();
    let mut store = open(conn, SCHEMA).unwrap();
    let start: u32 = query(&mut store, "SELECT count(*) FROM lists")[0].parse().unwrap();
    for n in start + 1.. {
        let stamp = Stamp { id: TransactionId(u128::from(n).to_be_bytes()), now_ms: 0, policy: Policy::Rebase };
        store.write(&format!("request {n}"), stamp, &Call::batch([format!("INSERT INTO lists VALUES ('{n}', hex(randomblob(200)))")])).unwrap();
        println!("acknowledged {n}");
    }
}
