//! From a configuration to a server that listens, and from a signal to its orderly end.

use crate::{
    App, Site,
    auth::{AuthError, Tokens},
    config::{Config, ConfigError},
    endpoint::Endpoint,
    gate::Gate,
    handler::{Handlers, WebhookHandler},
    listen, router,
    storage::{EmbeddedStorage, MigrationError, OpenError, Served, Storage, StorageError, load_migrations},
    webhook::Webhook,
};
use seaworthy_protocol::Position;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
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
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("a write handler is registered for {table}, which is not synchronised. Correct the name (case matters), or add a section [tables.{table}]")]
    HandlerTable { table: String },
    #[error("{table} has a write handler in the program and another in [tables.{table}]. Keep one")]
    TwoHandlers { table: String },
    #[error("webhooks: HTTPS cannot be set up: {0}. Install the certificates of the system (often the package ca-certificates)")]
    Http(reqwest::Error),
    #[error("the places of webhooks cannot be read: {0}")]
    Webhooks(StorageError),
    #[error("signals cannot be listened for: {0}")]
    Signal(io::Error),
    #[error("the server failed: {0}")]
    Serve(tokio::task::JoinError),
}

/// A server that is bound and has its database open.
pub struct Server {
    listener: TcpListener,
    app: Arc<App>,
    site: Site,
    stop: watch::Sender<bool>,
    webhooks: Vec<(Webhook, Position)>,
}

impl Server {
    /// Binds first, so that a second server does not touch the database, and then opens it.
    pub async fn open(config: &Config) -> Result<Self, RunError> {
        Self::open_with(config, Handlers::default()).await
    }

    /// As [`Server::open`], with write handlers of the program besides those of the configuration.
    pub async fn open_with(config: &Config, handlers: Handlers) -> Result<Self, RunError> {
        let handlers = with_configured(handlers, config)?;
        let address = config.listen;
        let listener = listen::bind(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => RunError::AddressInUse { address },
            _ => RunError::Bind { address, source },
        })?;
        listen::raise_file_limit(config.limits.max_connections);
        let tokens = Tokens::new(&config.auth)?;
        tokens.start().await?;
        let migrations = load_migrations(&config.migrations)?;
        let storage =
            EmbeddedStorage::open(&config.database, Served { tables: &config.tables, streams: &config.streams }, &migrations, config.restore_window_ms())?;
        let (stop, stopped) = watch::channel(false);
        let webhooks = webhooks(config, &storage).await?;
        let app = App {
            storage: Arc::new(storage),
            tokens,
            handlers,
            gate: Gate::new(&config.limits),
            limits: config.limits.clone(),
            connections: Arc::new(Semaphore::new(config.limits.max_connections)),
            stop: stopped,
        };
        let site = Site { www: config.www.clone(), allowed_origins: config.allowed_origins.clone(), dev: config.dev };
        Ok(Self { listener, app: Arc::new(app), site, stop, webhooks })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until SIGINT or SIGTERM, then finishes what it has begun.
    pub async fn run(self) -> Result<(), RunError> {
        let signal = shutdown_signal().map_err(RunError::Signal)?;
        self.run_until(signal).await
    }

    /// As [`Server::run`], until `signal` is ready.
    pub async fn run_until(self, signal: impl Future<Output = ()>) -> Result<(), RunError> {
        let Self { listener, app, site, stop, webhooks } = self;
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, dev = site.dev, "listening");
        }
        let mut deliveries = JoinSet::new();
        for (webhook, place) in webhooks {
            deliveries.spawn(webhook.run(app.storage.clone(), place, stop.subscribe()));
        }
        let patience = Duration::from_millis(app.limits.shutdown_timeout_ms);
        let mut serving = tokio::spawn(listen::serve(listener, router(app.clone(), &site), app.clone(), stop.subscribe()));
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
        deliveries.join_all().await;
        app.storage.close().await;
        tracing::info!("stopped");
        match ended {
            Some(Err(error)) => Err(RunError::Serve(error)),
            _ => Ok(()),
        }
    }
}

/// Puts the handlers of the configuration beside those of the program.
pub(crate) fn with_configured(mut handlers: Handlers, config: &Config) -> Result<Handlers, RunError> {
    if let Some(table) = handlers.tables().find(|table| !config.tables.contains_key(*table)) {
        return Err(RunError::HandlerTable { table: table.to_owned() });
    }
    for (name, handler) in &config.handlers {
        let asked = config.tables.iter().filter(|(_, table)| table.handler.as_ref() == Some(name)).map(|(table, _)| table);
        let tables: Vec<String> = asked.cloned().collect();
        if let Some(table) = handlers.tables().find(|table| tables.iter().any(|other| other == table)) {
            return Err(RunError::TwoHandlers { table: table.to_owned() });
        }
        let endpoint = Endpoint::new(handler.endpoint(name)?).map_err(RunError::Http)?;
        handlers.register(tables, WebhookHandler::new(endpoint, usize::try_from(handler.attempts).unwrap_or(usize::MAX)));
    }
    Ok(handlers)
}

async fn webhooks(config: &Config, storage: &EmbeddedStorage) -> Result<Vec<(Webhook, Position)>, RunError> {
    let mut places = storage.begin_deliveries(config.webhooks.keys().cloned().collect()).await.map_err(RunError::Webhooks)?;
    let mut webhooks = Vec::new();
    for (name, webhook) in &config.webhooks {
        let place = places.remove(name).unwrap_or_default();
        webhooks.push((Webhook::new(name.clone(), webhook.endpoint(name)?, webhook.tables.clone()).map_err(RunError::Http)?, place));
    }
    Ok(webhooks)
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
