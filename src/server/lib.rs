//! The Seaworthy server.
//!
//! It exists to decide the writes of replicas and to lead them from checkpoint to checkpoint, over
//! WebSockets and fetch. [`router`] builds it without a port; [`run`] opens the database, binds, and
//! stops in order. It never logs a token, and answers nothing that is not on disk.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod auth;
pub mod config;
mod decision;
mod dev;
mod drive;
pub mod endpoint;
mod fetch;
mod gate;
pub mod handler;
pub mod http;
pub mod inspect;
mod listen;
mod live;
mod pace;
mod run;
pub mod storage;
pub mod webhook;
mod www;

pub use auth::{AuthError, JwksError, KeyError, TokenError, Tokens};
pub use run::{RunError, Server};

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, Method, StatusCode, header},
    routing::{get, post},
};
use config::Limits;
use gate::Gate;
use handler::Handlers;
use std::{path::PathBuf, sync::Arc};
use storage::Storage;
use tokio::sync::{Semaphore, watch};
use tower_http::{
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
    trace::TraceLayer,
};

/// What every request may use.
pub struct App {
    /// The database.
    pub storage: Arc<dyn Storage>,
    /// Who is who.
    pub tokens: Tokens,
    /// The application's say about writes.
    pub handlers: Handlers,
    /// Bounds.
    pub limits: Limits,
    /// How much one address and one user may have of it.
    pub gate: Gate,
    /// One permit per connection that may be served at the same time.
    pub connections: Arc<Semaphore>,
    /// Turns true when the server stops.
    pub stop: watch::Receiver<bool>,
}

/// What the router offers besides synchronisation.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// A folder of static files.
    pub www: Option<PathBuf>,
    /// Origins of other web pages that may use the server; `*` for all.
    pub allowed_origins: Vec<String>,
    /// Whether anybody may have a token for the asking.
    pub dev: bool,
}

/// Every address of the server.
pub fn router(app: Arc<App>, site: &Site) -> Router {
    let sync = Router::new().route("/live", get(live::live)).route("/push", post(fetch::push)).route("/pull", post(fetch::pull));
    let mut router = Router::new().nest(seaworthy_protocol::BASE_PATH, sync).route("/healthz", get(healthz));
    if site.dev {
        router = router.route("/dev/token", post(dev::token));
    }
    let mut router = router.with_state(app);
    if let Some(folder) = &site.www {
        router = router.merge(www::www(folder));
    }
    router.layer(CompressionLayer::new()).layer(cors(&site.allowed_origins)).layer(TraceLayer::new_for_http())
}

/// 200 while the server can take writes.
async fn healthz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if *app.stop.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match app.storage.check().await {
        Ok(()) => (StatusCode::OK, "ok\n"),
        Err(error) => {
            tracing::error!(%error, "the storage is not well");
            (StatusCode::SERVICE_UNAVAILABLE, "storage failed\n")
        }
    }
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())),
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT])
        .expose_headers([header::RETRY_AFTER])
}
