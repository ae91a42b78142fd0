//! Many at once: `npm run load` in short, with hostile clients, and the bounds that hold them.

use crate::{
    peer::{Peer, end, error_code, held, insert, pull_frame, push_frame, token},
    running::{Setup, binary},
    socket::{Next, Socket, hello},
};
use seaworthy_protocol::{ClientFrame, Pull, ServerFrame};
use std::{
    process::{Command, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// Whether the server has closed it.
async fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    matches!(timeout(within, stream.read(&mut [0; 512])).await, Ok(Ok(0) | Err(_)))
}

async fn retry_after(socket: &mut Socket) -> (String, Option<u64>) {
    loop {
        match socket.next().await {
            Next::Frame(ServerFrame::Error(error)) => return (error.code, error.retry_after_ms),
            Next::Frame(_) => {}
            Next::Closed(_) => panic!("no error came"),
        }
    }
}

/// Fails where a replica does not hold what it should, where the others notice, and where a hostile client did not get to it.
#[test]
fn two_hundred_replicas_hold_what_they_should_and_do_not_notice_hostile_clients() {
    let load = Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["--replicas", "200", "--users", "2", "--seconds", "3", "--writers", "5", "--rate", "10", "--hostile", "--server"])
        .arg(binary().get_program())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (table, log) = (String::from_utf8_lossy(&load.stdout), String::from_utf8_lossy(&load.stderr));
    assert!(load.status.success(), "{table}\n{log}");
    println!("{table}");
}

#[tokio::test]
async fn an_address_that_opens_too_many_sockets_is_cut_and_others_are_not() {
    let server = Setup::with("[limits]\nproxies = []\nmax_connections_per_address = 3").start();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(&server.address).await.unwrap());
    }
    let mut fourth = TcpStream::connect(&server.address).await.unwrap();
    assert!(is_closed(&mut fourth, Duration::from_secs(5)).await);
    held.pop();
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut again = TcpStream::connect(&server.address).await.unwrap();
        if !is_closed(&mut again, Duration::from_millis(200)).await {
            break;
        }
        assert!(Instant::now() < deadline, "the place of a socket that was closed is not given back");
    }
}

#[tokio::test]
async fn behind_a_proxy_the_address_that_it_names_is_counted() {
    let server = Setup::with("[limits]\nmax_connections_per_address = 1").start();
    let alice = Peer::new(&server, "alice", 1);
    let ask = |from: &'static str| {
        let pull = pull_frame(alice.replica, None, 0);
        let request = alice.request("pull", &pull).header("x-forwarded-for", from);
        async move { crate::peer::answer(request.send().await.unwrap()).await }
    };
    let cursor = alice.pull(None).await.cursor;
    let ClientFrame::Pull(pull) = pull_frame(alice.replica, Some(cursor), 20_000) else { unreachable!() };
    let pull = ClientFrame::Pull(Pull { buckets: held(&alice.token, Some(cursor)), ..pull });
    let waiting = alice.request("pull", &pull).header("x-forwarded-for", "10.0.0.1, 192.0.2.1");
    // Those below may be first, and then it comes again.
    let held = tokio::spawn(async move { while waiting.try_clone().unwrap().send().await.unwrap().status() == 429 {} });
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let (status, frames) = ask("10.0.0.2, 192.0.2.1").await;
        if status == 429 {
            assert_eq!(error_code(&frames), "rate_limited");
            break;
        }
        assert!(Instant::now() < deadline, "the request that is held open does not count");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ask("192.0.2.1, 192.0.2.2").await.0, 200);
    held.abort();
}

#[tokio::test]
async fn a_user_with_too_many_connections_is_told_when_to_come_back() {
    let server = Setup::with("[limits]\nmax_connections_per_user = 2").start();
    let (_first, _) = Socket::join(&server, token("alice"), 1, None).await;
    let (second, _) = Socket::join(&server, token("alice"), 2, None).await;
    let mut third = Socket::open(&server).await;
    third.send(&hello(token("alice"), 3, None)).await;
    let (code, wait) = retry_after(&mut third).await;
    assert!(code == "rate_limited" && wait.is_some(), "{code} {wait:?}");
    let (_other, _) = Socket::join(&server, token("bob"), 4, None).await;
    drop(second);
    let alice = Peer::new(&server, "alice", 5);
    let deadline = Instant::now() + Duration::from_secs(10);
    while alice.send("pull", &pull_frame(alice.replica, None, 0)).await.0 != 200 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_user_that_pushes_too_fast_is_told_when_to_push_again_and_loses_nothing() {
    let server = Setup::with("[limits]\nmax_pushes_per_second = 1").start();
    let mut alice = Peer::new(&server, "alice", 1);
    let (mut refused, mut taken) = (0, 0);
    while refused == 0 {
        assert!(taken < 100, "nobody stops her");
        let transaction = alice.write(insert(&format!("l{taken}"), "One", "alice"));
        let frame = push_frame(alice.replica, std::slice::from_ref(&transaction));
        let (status, frames) = alice.send("push", &frame).await;
        if let (429, [ServerFrame::Error(error)]) = (status, frames.as_slice()) {
            assert_eq!(error.code, "rate_limited");
            let wait = error.retry_after_ms.unwrap();
            assert!((1..=1100).contains(&wait), "{wait}");
            tokio::time::sleep(Duration::from_millis(wait)).await;
            assert_eq!(end(&alice.push(&[transaction]).await[0]), "applied");
            refused += 1;
        }
        taken += 1;
    }
    let mut bob = Peer::new(&server, "bob", 2);
    let transaction = bob.write(insert("b", "B", "bob"));
    assert_eq!(end(&bob.push(&[transaction]).await[0]), "applied");
    assert_eq!(alice.pull(None).await.lists.len(), taken);
}

#[tokio::test]
async fn a_client_that_sends_more_than_it_may_is_read_more_slowly_and_loses_nothing() {
    let server = Setup::with("[limits]\nmax_frame_bytes = 262144\nmax_received_bytes_per_second = 262144").start();
    let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
    let mut alice = Peer::new(&server, "alice", 1);
    let started = Instant::now();
    for round in 0..5 {
        let transaction = alice.write(insert(&format!("l{round}"), &"x".repeat(200_000), "alice"));
        socket.send(&push_frame(alice.replica, &[transaction])).await;
        while !matches!(socket.frame().await, ServerFrame::Results(_)) {}
    }
    // A megabyte, of which a quarter is free and the last is not waited for.
    assert!(started.elapsed() > Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(alice.pull(None).await.lists.len(), 5);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_not_waited_for() {
    let server = Setup::with("[limits]\nrequest_timeout_ms = 500").start();
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if stream.write_all(b"G").await.is_err() || is_closed(&mut stream, Duration::from_millis(100)).await {
            return;
        }
    }
    panic!("the server still waits");
}
