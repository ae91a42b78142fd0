//! The server dies at any moment. What it answered is kept, and nothing is applied twice.

use crate::{
    peer::{Peer, end, insert, token},
    running::{Running, Setup, binary, dying_binary},
    socket::{Next, Socket},
};
use rusqlite::Connection;
use seaworthy_fault::{Point, VARIABLE};
use seaworthy_protocol::Transaction;
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Pushes one transaction after the other until the server is gone. Answers how many were acknowledged.
async fn push_until_dead(peer: &Peer, transactions: &[Transaction]) -> usize {
    let mut acknowledged = 0;
    for transaction in transactions {
        let frame = crate::peer::push_frame(peer.replica, std::slice::from_ref(transaction));
        let Ok(response) = peer.request("push", &frame).send().await else { return acknowledged };
        if response.status() != 200 || response.bytes().await.is_err() {
            return acknowledged;
        }
        acknowledged += 1;
    }
    acknowledged
}

#[tokio::test]
async fn after_a_kill_nothing_acknowledged_is_lost_and_nothing_is_applied_twice() {
    let mut server = Running::new();
    let mut writer = Peer::new(&server, "alice", 1);
    let all: Vec<Transaction> = (0..400).map(|n| writer.write(insert(&format!("l{n:04}"), "x", "alice"))).collect();
    let mut acknowledged = 0;
    for round in 0..12_u64 {
        let peer = Peer::new(&server, "alice", 1);
        let rest = all[acknowledged..(acknowledged + 60).min(all.len())].to_vec();
        let pushing = tokio::spawn(async move { push_until_dead(&peer, &rest).await });
        tokio::time::sleep(Duration::from_millis(3 + round * 7 % 50)).await;
        server.signal("-KILL");
        acknowledged += pushing.await.unwrap();
        server = server.kill_and_restart();
        let kept = Peer::new(&server, "alice", 1).pull(None).await.lists.len();
        // One more may have been decided than was heard of.
        assert!((acknowledged..=acknowledged + 1).contains(&kept), "{acknowledged} acknowledged, {kept} kept");
    }
    assert!(acknowledged > 0, "no push got through between two kills");
    let peer = Peer::new(&server, "alice", 1);
    for batch in all.chunks(100) {
        assert!(peer.push(batch).await.iter().all(|outcome| end(outcome) == "applied"));
    }
    let ids: Vec<String> = peer.pull(None).await.lists.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, (0..400).map(|n| format!("l{n:04}")).collect::<Vec<_>>());
    server.stop();
    let database = Connection::open(server.setup.database()).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM seaworthy_log WHERE replica IS NOT NULL"), 400);
    assert_eq!(count("SELECT count(DISTINCT id) FROM seaworthy_log WHERE replica IS NOT NULL"), 400);
    assert_eq!(database.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
}

#[tokio::test]
async fn at_every_named_point_of_a_commit_the_process_may_die() {
    let points = Point::ALL.iter().filter(|point| point.is_server() && !format!("{point:?}").contains("Compact"));
    for point in points {
        let server = Setup { dies: Some((*point, if *point == Point::ServerAdmitCreated { 1 } else { 4 })), ..Setup::new() }.start();
        let mut writer = Peer::new(&server, "alice", 1);
        let all: Vec<Transaction> = (0..8).map(|n| writer.write(insert(&format!("l{n}"), "x", "alice"))).collect();
        let acknowledged = push_until_dead(&writer, &all).await;
        let server = server.restart_after_death();
        let peer = Peer::new(&server, "alice", 1);
        let kept = peer.pull(None).await.lists.len();
        let unheard = usize::from(*point == Point::ServerAfterCommitBeforeAnswer);
        assert_eq!(kept, acknowledged + unheard, "{point:?}");
        assert!(acknowledged < all.len(), "{point:?}");
        assert!(peer.push(&all).await.iter().all(|outcome| end(outcome) == "applied"), "{point:?}");
        assert_eq!(peer.pull(None).await.lists.len(), all.len(), "{point:?}");
        let database = Connection::open(server.setup.database()).unwrap();
        let logged: i64 = database.query_row("SELECT count(*) FROM seaworthy_log WHERE replica IS NOT NULL", [], |row| row.get(0)).unwrap();
        assert_eq!(logged, all.len() as i64, "{point:?}");
    }
}

#[test]
fn the_product_has_no_place_to_die_at() {
    let names_a_point = |command: std::process::Command| {
        let bytes = std::fs::read(command.get_program()).unwrap();
        bytes.windows(VARIABLE.len()).any(|window| window == VARIABLE.as_bytes())
    };
    assert!(!names_a_point(binary()));
    assert!(names_a_point(dying_binary()));
}

#[tokio::test]
async fn an_orderly_end_finishes_what_was_begun_and_says_goodbye() {
    let mut server = Running::new();
    let (mut socket, _) = Socket::join(&server, token("bob"), 9, None).await;
    let mut writer = Peer::new(&server, "alice", 1);
    let all: Vec<Transaction> = (0..400).map(|n| writer.write(insert(&format!("l{n:04}"), "x", "alice"))).collect();
    let peer = Peer::new(&server, "alice", 1);
    let transactions = all.clone();
    let pushing = tokio::spawn(async move { push_until_dead(&peer, &transactions).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(server.stop().success(), "{}", server.log());
    let acknowledged = pushing.await.unwrap();
    let Next::Frame(seaworthy_protocol::ServerFrame::Error(error)) = socket.next().await else { panic!("no goodbye") };
    assert_eq!(error.code, "unavailable");
    assert!(matches!(socket.next().await, Next::Closed(Some(CloseCode::Away))));
    assert!(!server.setup.database().with_extension("db-wal").exists(), "the write-ahead log was not put away");
    let server = server.restart();
    let peer = Peer::new(&server, "alice", 1);
    assert!(peer.pull(None).await.lists.len() >= acknowledged);
    assert!(peer.push(&all).await.iter().all(|outcome| end(outcome) == "applied"));
    assert_eq!(peer.pull(None).await.lists.len(), 400);
}

#[tokio::test]
async fn a_replica_continues_after_a_restart() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    alice.push(&[first]).await;
    let before = alice.pull(None).await;
    let server = server.kill_and_restart();
    let (mut alice, after) = (Peer::new(&server, "alice", 1), Peer::new(&server, "alice", 2).pull(Some(before.cursor)).await);
    assert_eq!((after.lists.len(), after.reset, after.cursor.position), (0, false, before.cursor.position));
    alice.write(insert("l1", "One", "alice"));
    let second = alice.write(insert("l2", "Two", "alice"));
    alice.push(&[second]).await;
    assert_eq!(alice.pull(Some(before.cursor)).await.lists.len(), 1);
}
