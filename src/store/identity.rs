//! Who this replica is, and where it stands: the one row of `seaworthy_replica`.

use crate::StoreError;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seaworthy_engine::client::User;
use seaworthy_protocol::{Cursor, Incarnation, Position, ReplicaId, Sequence};

/// The replica's identity and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub replica: ReplicaId,
    pub user: Option<User>,
    /// The application said that nobody is signed in, and no user has taken over what was written since.
    pub anonymous: bool,
    pub cursor: Option<Cursor>,
    /// Everything through this sequence may have reached the server.
    pub sent_through: Sequence,
    /// The highest sequence that has left the outbox.
    pub left_through: Sequence,
    /// The highest confirmed sequence in [`crate::kept`]; 0 if none.
    pub kept_through: Sequence,
    /// When the last checkpoint was applied, by the wall clock.
    pub last_synced_at_ms: Option<i64>,
}

impl Identity {
    /// Reads the identity, or makes it with `fresh`.
    pub fn load(conn: &Connection, fresh: ReplicaId) -> Result<Self, StoreError> {
        const SELECT: &str = "SELECT replica, issuer, subject, position, incarnation, sent_through, left_through, last_synced_at_ms, anonymous, kept_through
                              FROM seaworthy_replica";
        const CREATE: &str = "INSERT INTO seaworthy_replica (one, replica) VALUES (1, ?1)";
        if let Some(identity) = conn.query_row(SELECT, [], Self::from_row).optional()? {
            return Ok(identity);
        }
        conn.execute(CREATE, [fresh.0])?;
        Ok(conn.query_row(SELECT, [], Self::from_row)?)
    }

    /// Writes the identity back.
    pub fn save(&self, conn: &Connection) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE seaworthy_replica
                           SET replica = ?1, issuer = ?2, subject = ?3, position = ?4, incarnation = ?5, sent_through = ?6, left_through = ?7,
                               last_synced_at_ms = ?8, anonymous = ?9, kept_through = ?10";
        let user = self.user.as_ref();
        let cursor = self.cursor;
        conn.prepare_cached(SQL)?.execute(params![
            self.replica.0,
            user.map(|u| &u.issuer),
            user.map(|u| &u.subject),
            cursor.map(|c| c.position.0 as i64),
            cursor.map(|c| c.incarnation.0),
            self.sent_through.0 as i64,
            self.left_through.0 as i64,
            self.last_synced_at_ms,
            self.anonymous,
            self.kept_through.0 as i64,
        ])?;
        Ok(())
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let user = match (row.get(1)?, row.get(2)?) {
            (Some(issuer), Some(subject)) => Some(User { issuer, subject }),
            _ => None,
        };
        let cursor = match (row.get::<_, Option<i64>>(3)?, row.get(4)?) {
            (Some(position), Some(incarnation)) => Some(Cursor { position: Position(position as u64), incarnation: Incarnation(incarnation) }),
            _ => None,
        };
        let (sent, left, kept): (i64, i64, i64) = (row.get(5)?, row.get(6)?, row.get(9)?);
        Ok(Self {
            replica: ReplicaId(row.get(0)?),
            user,
            cursor,
            sent_through: Sequence(sent as u64),
            left_through: Sequence(left as u64),
            kept_through: Sequence(kept as u64),
            last_synced_at_ms: row.get(7)?,
            anonymous: row.get(8)?,
        })
    }
}
