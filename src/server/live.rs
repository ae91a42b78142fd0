//! `GET /sync/v1/live`: a WebSocket. Binary messages are MessagePack, texts are JSON; the answers take
//! the form of the last message that came.

use crate::{App, drive::Drive};
use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    http::StatusCode,
    response::{IntoResponse, Response},
};
use seaworthy_engine::session::{Input, Session};
use seaworthy_protocol::{Format, SUBPROTOCOL, ServerFrame, decode_client, encode_server};
use std::{sync::Arc, time::Duration};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

/// Upgrades the connection.
pub async fn live(State(app): State<Arc<App>>, upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, format!("offer the WebSocket subprotocol {SUBPROTOCOL}\n")).into_response();
    }
    let Ok(permit) = app.connections.clone().try_acquire_owned() else {
        tracing::warn!("a connection was refused: there are max_connections already");
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections: try again later\n").into_response();
    };
    let size = app.limits.max_frame_bytes;
    upgrade.max_message_size(size).max_frame_size(size).on_upgrade(move |socket| serve(app, socket, permit))
}

async fn serve(app: Arc<App>, mut socket: WebSocket, _permit: OwnedSemaphorePermit) {
    let patience = Duration::from_millis(app.limits.send_timeout_ms);
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
            received = socket.recv() => match received {
                None | Some(Ok(Message::Close(_))) => return,
                Some(Ok(message)) => {
                    if let Some(input) = input(message, &mut format) {
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

fn message(frame: &ServerFrame, format: Format) -> Message {
    let bytes = encode_server(frame, format);
    match format {
        Format::MessagePack => Message::Binary(bytes.into()),
        Format::Json => Message::Text(String::from_utf8(bytes).unwrap_or_default().into()),
    }
}

/// What a message tells the session. WebSocket pings tell it nothing: they are answered below.
fn input(message: Message, format: &mut Format) -> Option<Input> {
    let (bytes, sent_as) = match &message {
        Message::Binary(bytes) => (bytes.as_ref(), Format::MessagePack),
        Message::Text(text) => (text.as_bytes(), Format::Json),
        _ => return None,
    };
    *format = sent_as;
    Some(match decode_client(bytes, sent_as) {
        Ok(frame) => Input::Frame(frame),
        Err(error) => Input::Malformed { message: error.to_string() },
    })
}
