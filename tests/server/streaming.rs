//! The WebSocket: welcome, checkpoints by themselves, results, renewal.

use crate::{
    peer::{Peer, delete, end, got, insert, push_frame, rename, token},
    running::{Running, Setup},
    socket::{Next, Socket, hello},
};
use futures_util::SinkExt;
use seaworthy_protocol::{ClientFrame, Ping, ReplicaId, ServerFrame, TokenRenewal, Value};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn what_one_device_pushes_comes_to_the_other_and_back() {
    let server = Running::new();
    let (mut phone, frames) = Socket::join(&server, token("alice"), 1, None).await;
    let ServerFrame::Welcome(welcome) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!((welcome.subject.as_str(), welcome.last_sequence.0), ("alice", 0));
    assert!(got(&frames).reset);
    let (mut laptop, _) = Socket::join(&server, token("alice"), 2, None).await;
    let mut writer = Peer::new(&server, "alice", 1);
    let transaction = writer.write(insert("l1", "One", "alice"));
    phone.send(&push_frame(ReplicaId([1; 16]), &[transaction])).await;
    // The log may be read before the decision is answered: then the rows come first, and both lead to a checkpoint.
    let mut frames = phone.until_checkpoint().await;
    while !frames.iter().any(|frame| matches!(frame, ServerFrame::Results(_))) {
        frames.extend(phone.until_checkpoint().await);
    }
    let results = frames.iter().find_map(|frame| if let ServerFrame::Results(results) = frame { Some(results) } else { None }).unwrap();
    assert_eq!(end(&results.results[0].outcome), "applied");
    assert_eq!(got(&frames).lists, [("l1".to_owned(), "One".to_owned())]);
    let others = got(&laptop.until_checkpoint().await);
    assert_eq!((others.lists.len(), others.cursor), (1, got(&frames).cursor));
    let transaction = writer.write(delete("l1", "alice"));
    phone.send(&push_frame(ReplicaId([1; 16]), &[transaction])).await;
    assert_eq!(got(&laptop.until_checkpoint().await).gone, [[Value::from("l1")]]);
}

#[tokio::test]
async fn a_rejected_push_is_followed_by_a_checkpoint_too() {
    let server = Running::new();
    let (mut socket, frames) = Socket::join(&server, token("alice"), 1, None).await;
    let cursor = got(&frames).cursor;
    let mut writer = Peer::new(&server, "alice", 1);
    let transaction = writer.write(insert("l1", "One", "bob"));
    socket.send(&push_frame(ReplicaId([1; 16]), &[transaction])).await;
    let frames = socket.until_checkpoint().await;
    let ServerFrame::Results(results) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!(end(&results.results[0].outcome), "forbidden");
    assert_eq!(got(&frames).cursor, cursor);
}

#[tokio::test]
async fn a_replica_continues_where_it_stood() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    alice.push(&[first]).await;
    let cursor = alice.pull(None).await.cursor;
    let more = alice.write(insert("l2", "Two", "alice"));
    alice.push(&[more]).await;
    let (_socket, frames) = Socket::join(&server, token("alice"), 1, Some(cursor)).await;
    let ServerFrame::Welcome(welcome) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!(welcome.last_sequence.0, 2);
    assert_eq!(got(&frames).lists, [("l2".to_owned(), "Two".to_owned())]);
    assert!(!got(&frames).reset);
}

#[tokio::test]
async fn json_in_text_messages_is_answered_in_text_messages() {
    let server = Running::new();
    let mut socket = Socket::open(&server).await;
    let text = format!(r#"{{"hello": {{"protocol": 1, "token": "{}", "replica": "{}", "cursor": null}}}}"#, token("alice"), "01".repeat(16));
    socket.stream.send(Message::Text(text.into())).await.unwrap();
    assert!(matches!(socket.until_checkpoint().await[0], ServerFrame::Welcome(_)));
}

#[tokio::test]
async fn a_ping_is_answered_and_a_token_is_renewed_for_the_same_user_only() {
    let server = Running::new();
    let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
    socket.send(&ClientFrame::Ping(Ping {})).await;
    assert!(matches!(socket.frame().await, ServerFrame::Pong(_)));
    socket.send(&ClientFrame::Token(TokenRenewal { token: token("alice") })).await;
    assert!(matches!(socket.frame().await, ServerFrame::Welcome(_)));
    socket.send(&ClientFrame::Token(TokenRenewal { token: token("bob") })).await;
    assert_eq!(socket.end().await, "wrong_user");
}

#[tokio::test]
async fn a_push_under_way_when_the_connection_breaks_is_decided_once() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    for round in 0..20 {
        let transaction = alice.write(insert(&format!("l{round}"), "x", "alice"));
        let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
        socket.send(&push_frame(alice.replica, std::slice::from_ref(&transaction))).await;
        drop(socket);
        assert_eq!(end(&alice.push(&[transaction]).await[0]), "applied");
    }
    assert_eq!(alice.pull(None).await.lists.len(), 20);
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = Running::new();
    let mut socket = Socket::open(&server).await;
    let started = Instant::now();
    assert_eq!(socket.end().await, "bad_frame");
    assert!(started.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_the_others_do_not_notice() {
    let server = Setup::with("[limits]\nsend_timeout_ms = 500").start();
    let mut alice = Peer::new(&server, "alice", 1);
    let big = "x".repeat(4_000_000);
    for id in ["a", "b", "c", "d", "e"] {
        let transaction = alice.write(insert(id, &big, "alice"));
        alice.push(&[transaction]).await;
    }
    let mut slow = Socket::open(&server).await;
    slow.send(&hello(token("alice"), 2, None)).await;
    let mut bob = Peer::new(&server, "bob", 3);
    let transaction = bob.write(insert("bobs", "B", "bob"));
    assert_eq!(end(&bob.push(&[transaction]).await[0]), "applied");
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.logs("did not read was cut off");
    while !matches!(slow.next().await, Next::Closed(_)) {}
}

#[tokio::test]
async fn only_so_many_connections_are_served() {
    let server = Setup::with("[limits]\nmax_connections = 2").start();
    let (_first, _) = Socket::join(&server, token("alice"), 1, None).await;
    let (second, _) = Socket::join(&server, token("alice"), 2, None).await;
    let alice = Peer::new(&server, "alice", 3);
    let (status, frames) = alice.send("pull", &crate::peer::pull_frame(alice.replica, None, 0)).await;
    assert_eq!((status, crate::peer::error_code(&frames)), (503, "unavailable"));
    drop(second);
    let deadline = Instant::now() + Duration::from_secs(10);
    while alice.send("pull", &crate::peer::pull_frame(alice.replica, None, 0)).await.0 != 200 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn pushes_of_many_replicas_at_once_all_arrive() {
    let server = Running::new();
    let tasks: Vec<_> = (1..=20u8)
        .map(|replica| {
            let mut peer = Peer::new(&server, "alice", replica);
            tokio::spawn(async move {
                for round in 0..10 {
                    let transaction = peer.write(insert(&format!("{replica}-{round}"), "x", "alice"));
                    assert_eq!(end(&peer.push(&[transaction]).await[0]), "applied");
                    let transaction = peer.write(rename(&format!("{replica}-{round}"), "y"));
                    assert_eq!(end(&peer.push(&[transaction]).await[0]), "applied");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let lists = Peer::new(&server, "alice", 99).pull(None).await.lists;
    assert_eq!(lists.len(), 200);
    assert!(lists.iter().all(|(_, name)| name == "y"));
}
