//! Bytes that are no frames, frames that may not come, and connections that are no WebSockets.

use crate::{
    peer::{Peer, answer, error_code, insert, push_frame, token},
    running::{Running, Setup},
    socket::{Next, Socket, hello},
};
use futures_util::SinkExt;
use seaworthy_protocol::{ClientFrame, Format, Ping, ServerFrame, encode_client};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// A push with a bit of everything.
fn push(server: &Running) -> Vec<u8> {
    let mut peer = Peer::new(server, "alice", 1);
    let transaction = peer.write(insert("l1", "One", "alice"));
    encode_client(&push_frame(peer.replica, &[transaction]), Format::MessagePack)
}

/// The server still does its work.
async fn is_well(server: &Running) {
    let (_, frames) = Socket::join(server, token("carol"), 200, None).await;
    assert!(matches!(frames[0], ServerFrame::Welcome(_)));
}

#[tokio::test]
async fn a_frame_that_is_cut_at_any_byte_is_refused() {
    let server = Running::new();
    let whole = push(&server);
    for length in (0..whole.len()).step_by(3) {
        let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
        socket.send_bytes(whole[..length].to_vec()).await;
        assert_eq!(socket.end().await, "bad_frame", "{length} bytes");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_frame_with_any_byte_changed_is_answered_or_refused_and_never_stops_the_server() {
    let server = Running::new();
    let whole = push(&server);
    let http = Peer::new(&server, "alice", 1);
    for at in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut mutated = whole.clone();
            mutated[at] ^= flip;
            let request = http.http.post(format!("{}/push", http.url)).bearer_auth(&http.token);
            let response = request.header("content-type", Format::MessagePack.media_type()).body(mutated).send().await.unwrap();
            let (status, frames) = answer(response).await;
            assert!(matches!((status, &frames[0]), (200, ServerFrame::Results(_)) | (400 | 413, ServerFrame::Error(_))), "{at} {flip}: {status} {frames:?}");
        }
    }
    is_well(&server).await;
}

#[tokio::test]
async fn random_bytes_are_refused() {
    let server = Running::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..60 {
        let bytes: Vec<u8> = (0..round * 3)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        let mut socket = Socket::open(&server).await;
        socket.send_bytes(bytes).await;
        assert_eq!(socket.end().await, "bad_frame");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn frames_out_of_turn_end_the_connection() {
    let server = Running::new();
    let mut socket = Socket::open(&server).await;
    socket.send(&ClientFrame::Ping(Ping {})).await;
    assert_eq!(socket.end().await, "bad_frame");
    let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
    socket.send(&hello(token("alice"), 1, None)).await;
    assert_eq!(socket.end().await, "bad_frame");
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_not_taken() {
    let server = Setup::with("[limits]\nmax_frame_bytes = 4096").start();
    let mut socket = Socket::open(&server).await;
    // The server may close before it has all of it.
    let _ = socket.stream.send(Message::Binary(vec![0; 1_000_000].into())).await;
    while let Next::Frame(frame) = socket.next().await {
        assert!(matches!(frame, ServerFrame::Error(_)));
    }
    let peer = Peer::new(&server, "alice", 1);
    let request = peer.http.post(format!("{}/push", peer.url)).bearer_auth(&peer.token).header("content-type", "application/json");
    if let Ok(response) = request.body(vec![b' '; 1_000_000]).send().await {
        let (status, frames) = answer(response).await;
        assert_eq!((status, error_code(&frames)), (413, "too_large"));
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_client_that_sends_faster_than_it_may_is_cut_off() {
    let server = Running::new();
    let (mut socket, _) = Socket::join(&server, token("alice"), 1, None).await;
    let mut peer = Peer::new(&server, "alice", 1);
    let bytes: Vec<Vec<u8>> = (0..200)
        .map(|round| {
            let transaction = peer.write(insert(&format!("l{round}"), &"x".repeat(50_000), "alice"));
            encode_client(&push_frame(peer.replica, &[transaction]), Format::MessagePack)
        })
        .collect();
    for bytes in bytes {
        if socket.stream.feed(Message::Binary(bytes.into())).await.is_err() {
            break;
        }
    }
    let _ = socket.stream.flush().await;
    loop {
        match socket.next().await {
            Next::Frame(ServerFrame::Error(error)) => {
                assert_eq!(error.code, "rate_limited");
                break;
            }
            Next::Frame(_) => {}
            // The reset overtook the error: the kernel throws away what was not read.
            Next::Closed(_) => break,
        }
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_socket_without_our_subprotocol_is_not_opened() {
    let server = Running::new();
    for offered in [None, Some("seaworthy.v99"), Some("graphql-ws")] {
        let mut request = format!("ws://{}/sync/v1/live", server.address).into_client_request().unwrap();
        if let Some(offered) = offered {
            request.headers_mut().insert("sec-websocket-protocol", offered.parse().unwrap());
        }
        assert!(connect_async(request).await.is_err(), "{offered:?}");
    }
    let plain = crate::peer::http().get(server.url("/sync/v1/live")).send().await.unwrap();
    assert!(plain.status().is_client_error());
}
