//! From a configuration to a server that listens, and from a signal to its orderly end.

use crate::{
    App, Site,
    auth::{AuthError, Tokens},
    config::Config,
    router,
    storage::{EmbeddedStorage, MigrationError, OpenError, load_migrations},
};
use axum::serve::ListenerExt;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};

/// Why the server cannot run. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RunError {
    #[error("{address} is in use by another program. Stop that one, or choose another port with --listen")]
    AddressInUse { address: SocketAddr },
    #[error("cannot listen on {address}: {source}. Choose another address with --listen")]
    Bind { address: SocketAddr, source: io::Error },
    #[error(transparent)]
    Migrations(#[from] MigrationError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("signals cannot be listened for: {0}")]
    Signal(io::Error),
    #[error("the server failed: {0}")]
    Serve(io::Error),
}

/// A server that is bound and has its database open.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    site: Site,
    stop: watch::Sender<bool>,
}

impl Server {
    /// Binds first, so that a second server does not touch the database, and then opens it.
    pub async fn open(config: &Config) -> Result<Self, RunError> {
        let address = config.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => RunError::AddressInUse { address },
            _ => RunError::Bind { address, source },
        })?;
        let tokens = Tokens::new(&config.auth)?;
        tokens.start().await?;
        let migrations = load_migrations(&config.migrations)?;
        let storage = EmbeddedStorage::open(&config.database, &config.tables, &migrations)?;
        let (stop, stopped) = watch::channel(false);
        let app = App {
            storage: Arc::new(storage),
            tokens,
            limits: config.limits.clone(),
            connections: Arc::new(Semaphore::new(config.limits.max_connections)),
            stop: stopped,
        };
        let site = Site { www: config.www.clone(), allowed_origins: config.allowed_origins.clone(), dev: config.dev };
        Ok(Self { listener, app: Arc::new(app), site, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until SIGINT or SIGTERM, then finishes what it has begun.
    pub async fn run(self) -> Result<(), RunError> {
        let Self { listener, app, site, stop } = self;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, dev = site.dev, "listening");
        }
        let signal = shutdown_signal().map_err(RunError::Signal)?;
        let patience = Duration::from_millis(app.limits.shutdown_timeout_ms);
        let mut stopped = stop.subscribe();
        let told = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let prompt = listener.tap_io(|connection| {
            // Small frames are not to wait for larger ones; a socket that refuses is only slower.
            let _ = connection.set_nodelay(true);
        });
        let mut serving = tokio::spawn(axum::serve(prompt, router(app.clone(), &site)).with_graceful_shutdown(told).into_future());
        let failed = tokio::select! {
            ended = &mut serving => Some(ended),
            () = signal => None,
        };
        tracing::info!("stopping: connections are told, and writes under way are finished");
        stop.send_replace(true);
        let ended = match failed {
            Some(ended) => Some(ended),
            None => timeout(patience, &mut serving).await.ok(),
        };
        // WebSockets left the HTTP server when they were upgraded: they hold a permit until they end.
        let all = u32::try_from(app.limits.max_connections).unwrap_or(u32::MAX);
        if timeout(patience, app.connections.acquire_many(all)).await.is_err() {
            tracing::warn!("some connections did not end in time and are cut");
        }
        app.storage.close().await;
        tracing::info!("stopped");
        match ended {
            Some(Ok(Err(error))) => Err(RunError::Serve(error)),
            Some(Err(error)) => Err(RunError::Serve(io::Error::other(error))),
            _ => Ok(()),
        }
    }
}

/// Listens from now on; the future ends with the first signal.
#[cfg(unix)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends with Ctrl-C, the only signal there is.
#[cfg(not(unix))]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
