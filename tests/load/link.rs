//! One WebSocket to the server, from an address of its own choice.

use futures_util::{SinkExt, StreamExt};
use seaworthy_protocol::{BucketId, ClientFrame, Cursor, Format, Hello, ReplicaId, SUBPROTOCOL, ServerFrame, VERSION, decode_server, encode_client};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// Thousands of them are in one process.
const BUFFER_BYTES: usize = 4 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("the WebSocket failed: {0}")]
    WebSocket(Box<Error>),
    #[error("the server said {code}: {message}")]
    Refused { code: String, message: String, retry_after_ms: Option<u64> },
    #[error("the server closed the connection")]
    Closed,
    #[error("the server sent what is no frame: {0}")]
    NoFrame(#[from] seaworthy_protocol::DecodeError),
}

impl From<Error> for LinkError {
    fn from(error: Error) -> Self {
        Self::WebSocket(Box::new(error))
    }
}

pub struct Link {
    pub stream: WebSocketStream<TcpStream>,
}

pub fn hello(token: String, replica: ReplicaId, cursor: Option<Cursor>, buckets: Vec<BucketId>) -> ClientFrame {
    ClientFrame::Hello(Hello { protocol: VERSION, token, replica, cursor, schema_version: 1, buckets, ..Hello::default() })
}

/// Opens a socket from one of the addresses of loopback.
pub async fn connect(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Link {
    pub async fn open(server: SocketAddr, from: Ipv4Addr) -> Result<Self, LinkError> {
        Self::over(connect(server, from).await?, server).await
    }

    pub async fn over(stream: TcpStream, server: SocketAddr) -> Result<Self, LinkError> {
        let mut request = format!("ws://{server}/sync/v1/live").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", subprotocol());
        let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
        let (stream, _) = client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { stream })
    }

    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), LinkError> {
        Ok(self.stream.send(Message::Binary(encode_client(frame, Format::MessagePack).into())).await?)
    }

    /// The next frame. An error of the server is one here. May be dropped at any moment.
    pub async fn next(&mut self) -> Result<ServerFrame, LinkError> {
        loop {
            match self.stream.next().await.transpose()? {
                Some(Message::Binary(bytes)) => match decode_server(&bytes, Format::MessagePack)? {
                    ServerFrame::Error(error) => {
                        return Err(LinkError::Refused { code: error.code, message: error.message, retry_after_ms: error.retry_after_ms });
                    }
                    frame => return Ok(frame),
                },
                None | Some(Message::Close(_)) => return Err(LinkError::Closed),
                Some(_) => {}
            }
        }
    }
}

fn subprotocol() -> tokio_tungstenite::tungstenite::http::HeaderValue {
    tokio_tungstenite::tungstenite::http::HeaderValue::from_static(SUBPROTOCOL)
}
