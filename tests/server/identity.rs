//! Who a replica is, over real sockets: a copied database, a token that ends or names somebody else, and a
//! server that was restored (scenarios 13 and 19).

use crate::{
    peer::{Peer, end, error_code, insert, pull_frame, push_frame, rename, token},
    running::{Running, SECRET, Setup},
    socket::{Socket, hello},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use seaworthy_protocol::{
    ClientFrame, Hello, Outcome, Position, Pull, ReplicaId, Sequence, ServerFrame, TokenRenewal, Transaction, TransactionId, Welcome, limits,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// A token of alice that ends so many seconds from now. The server allows for five more.
fn ends_in(seconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let claims = serde_json::json!({ "iss": "test", "aud": "test", "sub": "alice", "exp": now + seconds });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

/// The same transactions under another replica's name, numbered from 1.
fn renumbered(transactions: &[Transaction]) -> Vec<Transaction> {
    transactions.iter().zip(1..).map(|(transaction, n)| Transaction { sequence: Sequence(n), ..transaction.clone() }).collect()
}

fn welcome(frames: &[ServerFrame]) -> &Welcome {
    match frames {
        [ServerFrame::Welcome(welcome), ..] => welcome,
        other => panic!("{other:?}"),
    }
}

async fn welcomed(peer: &Peer) -> Welcome {
    welcome(&peer.send("pull", &pull_frame(peer.replica, None, 0)).await.1).clone()
}

#[tokio::test]
async fn two_copies_of_a_database_take_new_names_at_the_same_time_and_nothing_is_applied_twice_or_lost() {
    let server = Running::new();
    let mut original = Peer::new(&server, "alice", 1);
    let shared = [original.write(insert("l1", "One", "alice")), original.write(rename("l1", "Uno"))];
    let outcomes = original.push(&shared).await;
    let third = original.write(insert("l3", "Three", "alice"));
    assert_eq!(end(&original.push(&[third]).await[0]), "applied");

    // Each copy holds what was pending when it was made, and has written a third of its own.
    let queues: Vec<Vec<Transaction>> = (2..4u8)
        .map(|copy| {
            let mut own = original.write(insert(&format!("copy{copy}"), "Own", "alice"));
            own.sequence = Sequence(3);
            shared.iter().cloned().chain([own]).collect()
        })
        .collect();
    for queue in &queues {
        let answers = original.push(queue).await;
        assert_eq!(answers, [outcomes[0].clone(), outcomes[1].clone(), Outcome::IdentityReused]);
    }
    let renamed: Vec<Peer> = (2..4).map(|copy| Peer::new(&server, "alice", copy)).collect();
    for _ in 0..2 {
        let (first, second) = (renumbered(&queues[0]), renumbered(&queues[1]));
        let (one, two) = tokio::join!(renamed[0].push(&first), renamed[1].push(&second));
        for answers in [one, two] {
            assert_eq!(answers[..2], outcomes, "by their ids");
            assert_eq!(end(&answers[2]), "applied");
        }
    }
    let lists = original.pull(None).await.lists.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(lists, ["copy2", "copy3", "l1", "l3"]);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_push_loses_nothing_and_the_next_one_goes_on() {
    let server = Running::new();
    let mut writer = Peer::new(&server, "alice", 1);
    let all: Vec<Transaction> = (0..3).map(|n| writer.write(insert(&format!("l{n}"), "x", "alice"))).collect();
    let (mut socket, _) = Socket::join(&server, ends_in(4), 1, None).await;
    socket.send(&push_frame(writer.replica, &all[..1])).await;
    // Its own change may come before the results.
    let results = loop {
        match socket.frame().await {
            ServerFrame::Results(results) => break results,
            ServerFrame::Error(error) => panic!("{error:?}"),
            _ => continue,
        }
    };
    assert_eq!(end(&results.results[0].outcome), "applied");
    // The answer to the second is lost with the token.
    let code = loop {
        match socket.frame().await {
            ServerFrame::Error(error) => break error.code,
            _ => continue,
        }
    };
    assert_eq!(code, "unauthorized");
    writer.token = ends_in(-60);
    assert_eq!(error_code(&writer.send("push", &push_frame(writer.replica, &all)).await.1), "unauthorized");
    writer.token = token("alice");
    assert_eq!(writer.push(&all).await.iter().map(end).collect::<Vec<_>>(), ["applied"; 3]);
    assert_eq!(writer.pull(None).await.lists.len(), 3);
}

#[tokio::test]
async fn a_token_of_another_user_ends_the_connection_and_pushes_nothing_of_the_first_ones() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let pending = alice.write(insert("l1", "Hers", "alice"));
    let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
    socket.send(&ClientFrame::Token(TokenRenewal { token: token("bob") })).await;
    assert_eq!(socket.end().await, "wrong_user");
    alice.token = token("bob");
    for (path, frame) in [("push", push_frame(alice.replica, std::slice::from_ref(&pending))), ("pull", pull_frame(alice.replica, None, 0))] {
        let (status, frames) = alice.send(path, &frame).await;
        assert_eq!((status, error_code(&frames)), (403, "wrong_user"), "{path}");
    }
    let bob = Peer::new(&server, "bob", 2);
    assert_eq!(bob.pull(None).await.lists, []);
    alice.token = token("alice");
    assert_eq!(end(&alice.push(&[pending]).await[0]), "applied");
}

#[tokio::test]
async fn a_restored_server_says_what_it_knows_of_a_replica_and_takes_its_queue_under_a_new_name() {
    let mut server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let all: Vec<Transaction> = (0..4).map(|n| alice.write(insert(&format!("l{n}"), "x", "alice"))).collect();
    alice.push(&all[..1]).await;
    server.stop();
    let copy = std::fs::read(server.setup.database()).unwrap();
    let mut server = server.restart();
    alice = Peer::new(&server, "alice", 1);
    alice.push(&all[..3]).await;
    let before = alice.pull(None).await;
    server.stop();
    std::fs::write(server.setup.database(), copy).unwrap();
    let server = server.restart();

    alice = Peer::new(&server, "alice", 1);
    assert_eq!(welcomed(&alice).await.last_sequence, Sequence(1), "so the second and third are lost");
    let after = alice.pull(Some(before.cursor)).await;
    assert_eq!((after.reset, after.lists.len()), (true, 1));
    assert_eq!(alice.push(&all[3..]).await, [Outcome::Gap { expected: Sequence(2) }]);
    alice.replica = ReplicaId([2; 16]);
    assert_eq!(end(&alice.push(&renumbered(&all[3..])).await[0]), "applied");
    assert_eq!(alice.pull(None).await.lists.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["l0", "l3"]);
}

/// A pull that asks about transactions.
fn asking(peer: &Peer, doubtful: Vec<TransactionId>) -> ClientFrame {
    let ClientFrame::Pull(pull) = pull_frame(peer.replica, None, 0) else { unreachable!() };
    ClientFrame::Pull(Pull { doubtful, ..pull })
}

#[tokio::test]
async fn a_server_says_over_either_transport_which_of_the_users_transactions_it_has() {
    let server = Running::new();
    let (mut alice, mut bob) = (Peer::new(&server, "alice", 1), Peer::new(&server, "bob", 2));
    let (hers, his) = (alice.write(insert("l1", "Hers", "alice")), bob.write(insert("l2", "His", "bob")));
    let ids = vec![hers.id, his.id, TransactionId([9; 16])];
    alice.push(&[hers]).await;
    bob.push(&[his]).await;
    let known = |frames: &[ServerFrame]| match frames {
        [.., ServerFrame::Checkpoint(checkpoint)] => checkpoint.known.clone(),
        other => panic!("{other:?}"),
    };
    let copy = Peer::new(&server, "alice", 3);
    assert_eq!(known(&copy.send("pull", &asking(&copy, ids.clone())).await.1), Some(ids[..1].to_vec()));
    let mut socket = Socket::open(&server).await;
    let ClientFrame::Hello(plain) = hello(token("alice"), 4, None) else { unreachable!() };
    socket.send(&ClientFrame::Hello(Hello { doubtful: ids.clone(), ..plain })).await;
    assert_eq!(known(&socket.until_checkpoint().await), Some(ids[..1].to_vec()));

    let (status, frames) = copy.send("pull", &asking(&copy, vec![ids[0]; limits::MAX_DOUBTFUL + 1])).await;
    assert_eq!((status, error_code(&frames)), (413, "too_large"));
}

#[tokio::test]
async fn what_is_announced_as_durable_follows_the_restore_window() {
    for (setting, durable) in [("", false), ("restore_window_hours = 0\n", true)] {
        let server = Setup::with(setting).start();
        let mut alice = Peer::new(&server, "alice", 1);
        let list = alice.write(insert("l1", "One", "alice"));
        alice.push(&[list]).await;
        let head = alice.pull(None).await.cursor.position;
        let announced = welcomed(&alice).await.durable_through;
        assert_eq!(announced, if durable { head } else { Position(0) }, "{setting:?}");
    }
}
