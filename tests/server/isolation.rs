//! One user's rows and replicas do not exist for another.

use crate::{
    peer::{Peer, delete, end, error_code, insert, pull_frame, push_frame, rename, token},
    running::Running,
    socket::{Socket, hello},
};
use seaworthy_protocol::{Outcome, ReplicaId, ServerFrame};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test]
async fn rows_of_another_user_can_neither_be_read_nor_written() {
    let server = Running::new();
    let (mut alice, mut bob) = (Peer::new(&server, "alice", 1), Peer::new(&server, "bob", 2));
    let hers = alice.write(insert("hers", "Secret", "alice"));
    alice.push(&[hers]).await;
    assert!(bob.pull(None).await.lists.is_empty());
    let batch = [
        bob.write(rename("hers", "Bob was here")),
        bob.write(rename("nothing", "Bob was here")),
        bob.write(delete("hers", "bob")),
        bob.write(delete("nothing", "bob")),
        bob.write(insert("hers", "Mine", "bob")),
        bob.write(insert("gift", "For you", "alice")),
    ];
    let outcomes = bob.push(&batch).await;
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["merged", "merged", "applied", "applied", "key_exists", "forbidden"]);
    for outcome in &outcomes {
        let text = format!("{outcome:?}");
        assert!(!text.contains("Secret") && !text.contains("alice"), "{text}");
    }
    // A foreign row and a missing one are told apart by their own key only.
    let strip = |outcome: &Outcome, id: &str| format!("{outcome:?}").replace(id, "ID");
    let position = |text: String| text.split("dropped").nth(1).unwrap().to_owned();
    assert_eq!(position(strip(&outcomes[0], "hers")), position(strip(&outcomes[1], "nothing")));
    assert_eq!(alice.pull(None).await.lists, [("hers".to_owned(), "Secret".to_owned())]);
    assert!(bob.pull(None).await.lists.is_empty());
}

#[tokio::test]
async fn nothing_of_another_users_writes_comes_over_the_socket() {
    let server = Running::new();
    let (mut bob, _) = Socket::join(&server, token("bob"), 2, None).await;
    let mut alice = Peer::new(&server, "alice", 1);
    for round in 0..5 {
        let transaction = alice.write(insert(&format!("l{round}"), "Secret", "alice"));
        alice.push(&[transaction]).await;
    }
    assert!(timeout(Duration::from_millis(500), bob.next()).await.is_err(), "Bob was told something");
}

#[tokio::test]
async fn a_replica_of_another_user_is_refused_everywhere() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let transaction = alice.write(insert("l1", "One", "alice"));
    alice.push(std::slice::from_ref(&transaction)).await;
    let mut bob = Peer::new(&server, "bob", 1);
    let (status, frames) = bob.send("push", &push_frame(bob.replica, std::slice::from_ref(&transaction))).await;
    assert_eq!((status, error_code(&frames)), (403, "wrong_user"));
    let (status, frames) = bob.send("pull", &pull_frame(bob.replica, None, 0)).await;
    assert_eq!((status, error_code(&frames)), (403, "wrong_user"));
    let mut socket = Socket::open(&server).await;
    socket.send(&hello(token("bob"), 1, None)).await;
    assert_eq!(socket.end().await, "wrong_user");
    // A socket speaks for the replica of its hello only.
    let (mut socket, _) = Socket::join(&server, token("bob"), 7, None).await;
    let theirs = bob.write(insert("l2", "Two", "bob"));
    socket.send(&push_frame(ReplicaId([8; 16]), &[theirs])).await;
    assert_eq!(socket.end().await, "bad_frame");
    assert!(matches!(Socket::join(&server, token("alice"), 1, None).await.1[0], ServerFrame::Welcome(_)));
}
