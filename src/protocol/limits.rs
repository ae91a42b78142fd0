//! Every bound of the protocol, named.
//!
//! Both sides check them before memory is taken. They are part of the protocol: `PROTOCOL.md` lists
//! them, and changing one raises its version.

/// Largest encoded frame, in bytes. Leaves room for an 8 MiB value with its row.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;
/// Most values, names and containers in one frame. A value takes 24 bytes of memory and may take one byte on the wire.
pub const MAX_FRAME_ELEMENTS: usize = 4 * 1024 * 1024;
/// Deepest nesting of maps and arrays in a frame, unknown fields included.
pub const MAX_FRAME_DEPTH: usize = 32;
/// Largest answer over fetch, in bytes: an array of frames.
pub const MAX_ANSWER_BYTES: usize = 256 * 1024 * 1024;
/// Most frames in an answer over fetch.
pub const MAX_ANSWER_FRAMES: usize = 100_000;
/// Largest changeset of one transaction, in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 12 * 1024 * 1024;
/// Most rows in one transaction.
pub const MAX_TRANSACTION_ROWS: usize = 1_000_000;
/// Most cells (rows, before and after, times columns) in the changeset of one transaction.
pub const MAX_TRANSACTION_CELLS: usize = 4 * 1024 * 1024;
/// Most transactions in one push.
pub const MAX_PUSH_TRANSACTIONS: usize = 500;
/// A push batch closes when its changesets exceed this many bytes (one transaction may be larger).
pub const MAX_PUSH_BYTES: usize = 1024 * 1024;
/// A `rows` frame closes when its values exceed about this many bytes.
pub const TARGET_ROWS_BYTES: usize = 512 * 1024;
/// Most columns in a synced table (SQLite's own default limit is 2,000).
pub const MAX_COLUMNS: usize = 2000;
/// Most groups of rows in one transaction: a table, or a table with another set of columns.
pub const MAX_TABLES: usize = 1000;
/// Longest name of a table or column, in bytes.
pub const MAX_NAME_BYTES: usize = 512;
/// Most sequences in a transaction's `after`. One statement may touch a row of every transaction that waits.
pub const MAX_AFTER: usize = 100_000;
/// Most rows that a rejection shows.
pub const MAX_CONFLICTS: usize = 1000;
/// A rejection shows no further rows when the values of those that it shows would exceed this many bytes.
pub const MAX_CONFLICT_BYTES: usize = 256 * 1024;
/// The results of a push end early when the values of the rows in them exceed this many bytes.
pub const TARGET_RESULTS_BYTES: usize = 4 * 1024 * 1024;
/// Longest time a `pull` over fetch may be held open, in milliseconds.
pub const MAX_PULL_WAIT_MS: u64 = 25_000;
/// Most confirmed transactions that a client asks about at once.
pub const MAX_DOUBTFUL: usize = 10_000;
/// Longest bearer token, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// Largest position, sequence or duration: the largest integer that every JSON reader holds exactly.
pub const MAX_COUNTER: u64 = (1 << 53) - 1;
/// Most subscriptions of a replica, besides the automatic streams.
pub const MAX_SUBSCRIPTIONS: usize = 1000;
/// Most parameters of a subscription.
pub const MAX_PARAMS: usize = 32;
/// Longest bucket id, and most bytes in the parameters of one subscription.
pub const MAX_BUCKET_BYTES: usize = 4096;
/// Most buckets that a replica holds.
pub const MAX_BUCKETS: usize = 10_000;
