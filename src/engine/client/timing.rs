//! Every interval and bound of the client, named. Milliseconds.

/// How long the application may take to give a token before it is asked again.
pub const TOKEN_TIMEOUT_MS: u64 = 30_000;
/// How long a WebSocket may take to open.
pub const OPEN_TIMEOUT_MS: u64 = 10_000;
/// How long the server may take to answer `hello`.
pub const WELCOME_TIMEOUT_MS: u64 = 10_000;
/// Silence after which a `ping` is sent.
pub const SILENCE_MS: u64 = 20_000;
/// Silence after a `ping` that ends the connection.
pub const PONG_TIMEOUT_MS: u64 = 10_000;
/// How long the server may take to answer a push.
pub const PUSH_TIMEOUT_MS: u64 = 60_000;
/// How long a `pull` over fetch may take beyond the time that it asked the server to wait.
pub const PULL_TIMEOUT_MS: u64 = 30_000;
/// Shortest time between two `pull`s over fetch when the first brought no rows.
pub const PULL_SPACING_MS: u64 = 1_000;
/// Between two tries of the WebSocket while fetch does the work; jitter adds up to half of it.
pub const PROBE_INTERVAL_MS: u64 = 120_000;
/// WebSockets in a row that did not reach `welcome`, after which fetch is tried.
pub const SOCKET_FAILURES: u32 = 2;
/// Fetches in a row that may fail before the connection counts as lost.
pub const FETCH_FAILURES: u32 = 3;
/// The first back-off is drawn from 0 to this; each further one from twice as much.
pub const BACKOFF_BASE_MS: u64 = 1_000;
/// No back-off is drawn from more than this.
pub const BACKOFF_CAP_MS: u64 = 60_000;
/// The longest wait that a server may ask for.
pub const RETRY_AFTER_CAP_MS: u64 = 300_000;
/// A token is renewed this long before its end, or at half of its life if that is shorter.
pub const RENEWAL_MARGIN_MS: u64 = 60_000;
/// A token that is refused within this time of being given was never good.
pub const FRESH_TOKEN_MS: u64 = 30_000;
/// Shortest time between two renewals.
pub const RENEWAL_SPACING_MS: u64 = 5_000;
/// Most bytes of rows that are held before their checkpoint.
pub const MAX_COLLECTED_BYTES: usize = 512 * 1024 * 1024;
