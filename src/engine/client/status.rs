//! What the application may show of the connection.

use seaworthy_protocol::ErrorFrame;

/// What the application may show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// See [`Connection`].
    pub connection: Connection,
    /// Whether fetch does the work because the WebSocket is blocked.
    pub over_fetch: bool,
    /// The last failure, until a connection is made: a stable code and a message that says what to do.
    pub error: Option<StatusError>,
}

/// The state of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// Not wanted, or not to be had: it is tried again and again, unless the error is `bucket_diverged`.
    #[default]
    Offline,
    /// Being made.
    Connecting,
    /// Made, and authenticated.
    Online,
    /// The application must sign in. The queue is kept.
    NeedsAuth,
    /// The server speaks only other versions: reload the application.
    UpgradeRequired,
    /// The token names another user than the database belongs to. The queue is kept.
    UserChanged,
    /// Somebody is signed in, and what was written before waits to be adopted. Nothing is sent.
    NeedsAdopt,
}

/// A failure that the application may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusError {
    /// Stable: a protocol [`seaworthy_protocol::ErrorCode`], or `network`, `not_seaworthy`, `storage`, `user_changed`, `needs_adopt`, `bucket_diverged`.
    pub code: String,
    /// What to do.
    pub message: String,
}

impl StatusError {
    fn new(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned() }
    }

    pub(super) fn network() -> Self {
        Self::new("network", "The server does not answer. Check the network; it is tried again by itself.")
    }

    pub(super) fn not_seaworthy() -> Self {
        Self::new(
            "not_seaworthy",
            "Something other than a Seaworthy server answered. Sign in to this network if it asks for that, or check the sync URL; it is tried again by itself.",
        )
    }

    pub(super) fn bad_frame() -> Self {
        Self::new("bad_frame", "The server sent something that does not belong there. It is tried again by itself; if it stays, update the server.")
    }

    pub(super) fn too_large() -> Self {
        Self::new("too_large", "The server sent more rows before a checkpoint than this device can take. Narrow what the user may see.")
    }

    pub(super) fn storage() -> Self {
        Self::new("storage", "The database could not be written. Free some space; it is tried again by itself.")
    }

    pub(super) fn bucket_diverged() -> Self {
        Self::new(
            "bucket_diverged",
            "What the server sent does not add up to what it says that this device is to hold, twice in a row. Update the server and the application, then reload. What is pending is kept.",
        )
    }

    pub(super) fn no_token() -> Self {
        Self::new("unauthorized", "The application has no token to give. It is asked again by itself.")
    }

    pub(super) fn token_too_long() -> Self {
        Self::new("unauthorized", "The token is longer than the protocol allows. Issue a smaller one and sign in again.")
    }

    pub(super) fn upgrade_required() -> Self {
        Self::new("upgrade_required", "The server speaks another version of the protocol. Reload the application.")
    }

    pub(super) fn user_changed() -> Self {
        Self::new(
            "user_changed",
            "This database belongs to another user. Call db.switchUser() to open the one of who is signed in, or sign in as its user. What is pending is kept.",
        )
    }

    pub(super) fn needs_adopt() -> Self {
        Self::new(
            "needs_adopt",
            "What was written while nobody was signed in is not sent yet. Call db.adopt() to give it to who is signed in now, or db.switchUser({ discardPending: true }) to drop it.",
        )
    }

    pub(super) fn of_frame(frame: ErrorFrame) -> Self {
        Self { code: frame.code, message: frame.message }
    }
}
