//! Sockets: accepts them, and speaks HTTP over each until it ends.
//!
//! A socket counts from the moment it is there, not from its first request on, and a head that does
//! not come in time ends it: whoever opens sockets and says nothing, or one byte a second, is gone soon.

use crate::{
    App,
    gate::{Caller, Seat},
};
use axum::{Router, extract::Request, serve::Listener};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};
use tower::ServiceExt;

/// Connections that the system may hold until they are accepted. It may allow fewer.
const BACKLOG: u32 = 4096;
/// Files that are open besides connections.
const OTHER_FILES: u64 = 64;
/// Sockets that may be open besides the connections that are served: for static files, and for being told to come later.
const OTHER_SOCKETS: usize = 1024;

/// Binds the address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Windows means something else by it: two servers on one port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Asks the system for as many files as the connections need, and says when it has fewer.
pub fn raise_file_limit(connections: usize) {
    let needed = (connections as u64).saturating_add(OTHER_SOCKETS as u64 + OTHER_FILES);
    match rlimit::increase_nofile_limit(needed) {
        Ok(allowed) if allowed < needed => {
            tracing::warn!(
                allowed,
                needed,
                "the system allows too few open files for max_connections. Raise its limit (ulimit -n, LimitNOFILE), or lower max_connections"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be read"),
    }
}

/// Accepts until the server stops, then waits for what is under way. WebSockets are waited for by whoever serves them.
pub async fn serve(mut listener: TcpListener, router: Router, app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let most = app.limits.max_connections.saturating_add(OTHER_SOCKETS).min(Semaphore::MAX_PERMITS);
    let (sockets, serving) = (Arc::new(Semaphore::new(most)), watch::Sender::new(()));
    loop {
        let (stream, address) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let caller = Caller(address.ip());
        let (Ok(permit), Some(seat)) = (sockets.clone().try_acquire_owned(), app.gate.open(caller)) else {
            tracing::info!(address = %address.ip(), "a socket was closed: there are too many already");
            continue;
        };
        // Small frames are not to wait for larger ones; a socket that refuses is only slower.
        let _ = stream.set_nodelay(true);
        let socket = Socket { stream, _seat: seat, _permit: permit };
        let (router, patience, stop, serving) = (router.clone(), app.limits.request_timeout_ms, stop.clone(), serving.subscribe());
        tokio::spawn(async move {
            speak(socket, router, caller, Duration::from_millis(patience), stop).await;
            drop(serving);
        });
    }
    drop(listener);
    serving.closed().await;
}

async fn speak(socket: Socket, router: Router, caller: Caller, patience: Duration, mut stop: watch::Receiver<bool>) {
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(caller);
        router.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service).with_upgrades());
    let told = async {
        let _ = stop.wait_for(|stop| *stop).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A socket with its seat, which is given back when it is closed.
struct Socket {
    stream: TcpStream,
    _seat: Seat,
    _permit: OwnedSemaphorePermit,
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
