//! The WebSocket: one task for each connection, events out, encoded frames in.
//!
//! Promises that nothing is delivered after the socket was dropped, and that `Open` comes only when
//! the other side speaks our subprotocol.

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::future::{AbortHandle, Abortable, Either, poll_fn, select};
use futures_util::{SinkExt, StreamExt};
use gloo_net::websocket::{Message, State, futures::WebSocket};
use seaworthy_protocol::{ClientFrame, Format, SUBPROTOCOL, ServerFrame, decode_server, encode_client};
use wasm_bindgen_futures::spawn_local;

/// What happens on a socket, in order. `Closed` is the last.
#[derive(Debug)]
pub(crate) enum Event {
    Open,
    Frame(ServerFrame),
    Malformed,
    Closed,
}

/// A connection that is being made, or is there. Dropping it closes it.
pub(crate) struct Socket {
    outgoing: UnboundedSender<Vec<u8>>,
    task: AbortHandle,
}

impl Socket {
    /// Starts to connect. `deliver` is never called before this returns.
    pub(crate) fn open(url: String, deliver: impl Fn(Event) + 'static) -> Self {
        let (outgoing, frames) = unbounded();
        let (task, registration) = AbortHandle::new_pair();
        spawn_local(async move {
            // An abort is the drop of the socket: there is nobody to tell.
            let _ = Abortable::new(drive(url, frames, deliver), registration).await;
        });
        Self { outgoing, task }
    }

    /// Queues a frame. The engine bounds what is under way; a closed socket tells by its event.
    pub(crate) fn send(&self, frame: &ClientFrame) {
        let _ = self.outgoing.unbounded_send(encode_client(frame, Format::MessagePack));
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drive(url: String, mut frames: UnboundedReceiver<Vec<u8>>, deliver: impl Fn(Event)) {
    let Ok(mut socket) = WebSocket::open_with_protocol(&url, SUBPROTOCOL) else {
        return deliver(Event::Closed);
    };
    // Ready means no longer connecting: open, or failed.
    let ready = poll_fn(|cx| socket.poll_ready_unpin(cx)).await;
    if ready.is_err() || !matches!(socket.state(), State::Open) || socket.protocol() != SUBPROTOCOL {
        return deliver(Event::Closed);
    }
    deliver(Event::Open);
    let (mut sink, mut stream) = socket.split();
    loop {
        match select(stream.next(), frames.next()).await {
            Either::Left((Some(Ok(Message::Bytes(bytes))), _)) => deliver(decode(&bytes)),
            Either::Left((Some(Ok(Message::Text(_))), _)) => deliver(Event::Malformed),
            Either::Left((Some(Err(_)) | None, _)) => return deliver(Event::Closed),
            Either::Right((Some(bytes), _)) => {
                if sink.send(Message::Bytes(bytes)).await.is_err() {
                    return deliver(Event::Closed);
                }
            }
            Either::Right((None, _)) => return,
        }
    }
}

fn decode(bytes: &[u8]) -> Event {
    decode_server(bytes, Format::MessagePack).map_or(Event::Malformed, Event::Frame)
}
