//! `GET /sync/v1/live`: a WebSocket. Binary messages are MessagePack, texts are JSON; the answers take
//! the form of the last message that came.
//!
//! A client that sends more than it may is read more slowly, so that it waits and nobody else does.

use crate::{
    App,
    drive::Drive,
    gate::{Caller, Seat},
    pace::Pace,
};
use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use seaworthy_engine::session::{Input, Session};
use seaworthy_protocol::{ClientFrame, DecodeError, Format, SUBPROTOCOL, ServerFrame, decode_client, encode_server};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout},
};

/// What the smallest frame counts: it costs the server as much as reading so many bytes.
const LEAST_COUNTED_BYTES: u64 = 16 * 1024;
/// What is read and written of a socket at once. Each connection has both, so they are small.
const BUFFER_BYTES: usize = 4 * 1024;
/// Decoding more would keep other connections waiting.
const MOST_DECODED_HERE: usize = 64 * 1024;

/// Upgrades the connection.
pub async fn live(State(app): State<Arc<App>>, caller: Option<Extension<Caller>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, format!("offer the WebSocket subprotocol {SUBPROTOCOL}\n")).into_response();
    }
    let Some(seat) = app.gate.ask(caller.map(|Extension(caller)| caller), &headers) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many connections from this address: try again later\n").into_response();
    };
    let Ok(permit) = app.connections.clone().try_acquire_owned() else {
        tracing::warn!("a connection was refused: there are max_connections already");
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections: try again later\n").into_response();
    };
    let size = app.limits.max_frame_bytes;
    let upgrade = upgrade.max_message_size(size).max_frame_size(size).read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    upgrade.on_upgrade(move |socket| serve(app, socket, permit, seat))
}

async fn serve(app: Arc<App>, mut socket: WebSocket, _permit: OwnedSemaphorePermit, _seat: Seat) {
    let patience = Duration::from_millis(app.limits.send_timeout_ms);
    let pace = Pace::new(app.limits.max_received_bytes_per_second, app.limits.max_frame_bytes as u64);
    let mut debt = Instant::now();
    let mut drive = Drive::new(app, Session::new);
    let mut format = Format::default();
    loop {
        while let Some(frame) = drive.outgoing() {
            match timeout(patience, socket.send(message(&frame, format))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::info!("a client that did not read was cut off");
                    return;
                }
            }
        }
        if drive.is_closed() {
            break;
        }
        tokio::select! {
            received = receive(&mut socket, pace.ready_at(debt)) => match received {
                None | Some(Ok(Message::Close(_))) => return,
                Some(Ok(message)) => {
                    pace.spend(&mut debt, Instant::now(), cost(&message));
                    if let Some(input) = input(message, &mut format).await {
                        drive.feed(input);
                    }
                }
                Some(Err(error)) => drive.feed(Input::Malformed { message: error.to_string() }),
            },
            input = drive.next() => drive.feed(input),
        }
    }
    let code = if drive.is_stopping() { close_code::AWAY } else { close_code::NORMAL };
    // The client may be gone; then there is nobody to say goodbye to.
    let _ = timeout(patience, socket.send(Message::Close(Some(CloseFrame { code, reason: "".into() })))).await;
}

/// The next message, not before its time. May be dropped at any moment.
async fn receive(socket: &mut WebSocket, not_before: Instant) -> Option<Result<Message, axum::Error>> {
    if not_before > Instant::now() {
        sleep_until(not_before).await;
    }
    socket.recv().await
}

fn cost(message: &Message) -> u64 {
    let bytes = match message {
        Message::Binary(bytes) => bytes.len(),
        Message::Text(text) => text.as_str().len(),
        _ => 0,
    };
    LEAST_COUNTED_BYTES.max(bytes as u64)
}

fn message(frame: &ServerFrame, format: Format) -> Message {
    let bytes = encode_server(frame, format);
    match format {
        Format::MessagePack => Message::Binary(bytes.into()),
        Format::Json => Message::Text(String::from_utf8(bytes).unwrap_or_default().into()),
    }
}

/// What a message tells the session. WebSocket pings tell it nothing: they are answered below.
async fn input(message: Message, format: &mut Format) -> Option<Input> {
    *format = match &message {
        Message::Binary(_) => Format::MessagePack,
        Message::Text(_) => Format::Json,
        _ => return None,
    };
    Some(match decode(message.into_data().into(), *format).await {
        Ok(frame) => Input::Frame(frame),
        Err(error) => Input::Malformed { message: error.to_string() },
    })
}

async fn decode(bytes: Vec<u8>, format: Format) -> Result<ClientFrame, DecodeError> {
    if bytes.len() <= MOST_DECODED_HERE {
        return decode_client(&bytes, format);
    }
    spawn_blocking(move || decode_client(&bytes, format)).await.unwrap_or_else(|error| Err(DecodeError::Malformed { reason: error.to_string() }))
}
