//! Every interval and bound of a session, named.

/// How long a new connection may take until its first frame has come and was found good, in milliseconds.
pub const OPENING_TIMEOUT_MS: u64 = 10_000;
/// How long a connection may be silent, in milliseconds. Clients ping after 20 s.
pub const IDLE_TIMEOUT_MS: u64 = 90_000;
/// Most frames that may wait for an answer to one before them.
pub const MAX_WAITING_FRAMES: usize = 8;
/// Most pushes among them: a client has one under way at a time.
pub const MAX_WAITING_PUSHES: usize = 1;
