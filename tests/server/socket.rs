//! A client over a WebSocket.

use crate::{peer::held, running::Running};
use futures_util::{SinkExt, StreamExt};
use seaworthy_protocol::{ClientFrame, Cursor, Format, Hello, ReplicaId, SUBPROTOCOL, ServerFrame, VERSION, decode_server, encode_client};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What came next.
#[derive(Debug)]
pub enum Next {
    Frame(ServerFrame),
    Closed(Option<CloseCode>),
}

pub fn hello(token: String, replica: u8, cursor: Option<Cursor>) -> ClientFrame {
    ClientFrame::Hello(Hello { protocol: VERSION, token, replica: ReplicaId([replica; 16]), cursor, schema_version: 1, buckets: held(cursor), ..Hello::default() })
}

impl Socket {
    pub async fn open(server: &Running) -> Self {
        let mut request = format!("ws://{}/sync/v1/live", server.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse().unwrap());
        let (stream, response) = connect_async(request).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], SUBPROTOCOL);
        Self { stream }
    }

    /// Opens, says hello, and gives what came up to the first checkpoint.
    pub async fn join(server: &Running, token: String, replica: u8, cursor: Option<Cursor>) -> (Self, Vec<ServerFrame>) {
        let mut socket = Self::open(server).await;
        socket.send(&hello(token, replica, cursor)).await;
        let frames = socket.until_checkpoint().await;
        (socket, frames)
    }

    pub async fn send(&mut self, frame: &ClientFrame) {
        self.send_bytes(encode_client(frame, Format::MessagePack)).await;
    }

    pub async fn send_bytes(&mut self, bytes: Vec<u8>) {
        self.stream.send(Message::Binary(bytes.into())).await.unwrap();
    }

    pub async fn next(&mut self) -> Next {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("the server says nothing") {
                Some(Ok(Message::Binary(bytes))) => return Next::Frame(decode_server(&bytes, Format::MessagePack).unwrap()),
                Some(Ok(Message::Text(text))) => return Next::Frame(decode_server(text.as_bytes(), Format::Json).unwrap()),
                Some(Ok(Message::Close(close))) => return Next::Closed(close.map(|close| close.code)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Next::Closed(None),
            }
        }
    }

    pub async fn frame(&mut self) -> ServerFrame {
        match self.next().await {
            Next::Frame(frame) => frame,
            closed => panic!("{closed:?}"),
        }
    }

    pub async fn until_checkpoint(&mut self) -> Vec<ServerFrame> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.frame().await);
            if matches!(frames.last(), Some(ServerFrame::Checkpoint(_))) {
                return frames;
            }
        }
    }

    /// The code of the error that ends it.
    pub async fn end(&mut self) -> String {
        let ServerFrame::Error(error) = self.frame().await else { panic!("no error came") };
        assert!(matches!(self.next().await, Next::Closed(_)));
        error.code
    }
}
