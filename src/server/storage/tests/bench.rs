//! A server's core and clients that capture their writes with SQLite's session extension.

use crate::storage::{Fresh, Location, Migration, OpenError, Read, Served, SqliteCore, StreamConfig, StreamConfigs, TableConfig, Tables};
use rusqlite::{Connection, session::Session};
use seaworthy_engine::{
    client::User,
    session::{Principal, Pulled, Standing},
};
use seaworthy_protocol::{BucketId, Changes, Cursor, Epoch, Incarnation, Outcome, Push, ReplicaId, Sequence, Transaction, TransactionId, Value};
use std::{collections::BTreeMap, sync::Arc};

pub const SCHEMA: &str = "
    CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner_id TEXT NOT NULL, slug TEXT UNIQUE);
    CREATE TABLE todos (
        id TEXT NOT NULL PRIMARY KEY,
        list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE ON UPDATE CASCADE,
        title TEXT NOT NULL CHECK (title <> ''),
        owner_id TEXT NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE tags (a TEXT NOT NULL, b INTEGER NOT NULL, label TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;";

pub fn user(subject: &str) -> User {
    User { issuer: "test".to_owned(), subject: subject.to_owned() }
}

pub fn principal(subject: &str) -> Principal {
    Principal { user: user(subject), claims: Arc::default() }
}

pub fn owned() -> TableConfig {
    TableConfig { owner: Some("owner_id".to_owned()), ..TableConfig::default() }
}

pub fn open() -> TableConfig {
    TableConfig { open: true, ..TableConfig::default() }
}

pub fn tables() -> Tables {
    BTreeMap::from([("lists".to_owned(), owned()), ("todos".to_owned(), owned()), ("tags".to_owned(), open())])
}

static NO_STREAMS: StreamConfigs = BTreeMap::new();

/// Tables without streams of their own.
pub fn served(tables: &Tables) -> Served<'_> {
    Served { tables, streams: &NO_STREAMS }
}

/// A stream that one has to ask for.
pub fn asked(query: &str) -> StreamConfig {
    StreamConfig { query: query.to_owned(), auto: false, public: false, priority: 1 }
}

/// A stream that is there without asking.
pub fn auto(query: &str) -> StreamConfig {
    StreamConfig { auto: true, ..asked(query) }
}

pub fn migration(number: u32, sql: &str) -> Migration {
    Migration { number, name: format!("{number:04}_test.sql"), sql: sql.to_owned() }
}

pub fn fresh(run: u8) -> Fresh {
    Fresh { epoch: Epoch([1; 16]), incarnation: Incarnation([run; 16]) }
}

/// The server.
pub struct Bench {
    pub core: SqliteCore,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(SCHEMA, &tables()).unwrap()
    }

    pub fn with(schema: &str, tables: &Tables) -> Result<Self, OpenError> {
        Self::serving(schema, served(tables))
    }

    pub fn serving(schema: &str, served: Served<'_>) -> Result<Self, OpenError> {
        SqliteCore::open(&Location::Memory, served, &[migration(1, schema)], fresh(1), 0).map(|core| Self { core })
    }

    /// Runs a statement that no client sent.
    pub fn sql(&self, sql: &str) {
        self.core.connection().execute_batch(sql).unwrap();
    }

    /// The rows that a query gives, as text.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        rows(self.core.connection(), sql)
    }

    /// What a replica with this cursor gets that holds all that it is to hold.
    pub fn pull(&self, subject: &str, cursor: Option<Cursor>) -> Pulled {
        let standing = Standing { cursor, buckets: self.buckets(subject), subscriptions: Vec::new() };
        self.read(&principal(subject), &standing).pulled
    }

    /// The buckets of the automatic streams.
    pub fn buckets(&self, subject: &str) -> Vec<BucketId> {
        let streams = self.read(&principal(subject), &Standing::default()).pulled.checkpoint.streams.unwrap();
        streams.into_iter().flat_map(|state| state.buckets).collect()
    }

    /// What a replica with this standing gets.
    pub fn read(&self, principal: &Principal, standing: &Standing) -> Read {
        self.core.pull(principal, standing, &[]).unwrap()
    }
}

pub fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let count = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let cells = (0..count).map(|column| match super::super::binding::value(row.get_ref(column)?) {
            Value::Null => Ok("NULL".to_owned()),
            Value::Integer(i) => Ok(i.to_string()),
            Value::Real(r) => Ok(format!("{r:?}")),
            Value::Text(t) => Ok(t),
            Value::Blob(b) => Ok(format!("{b:?}")),
        });
        cells.collect::<rusqlite::Result<Vec<_>>>().map(|cells| cells.join("|"))
    };
    statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

/// A client database that captures what it writes.
pub struct Client {
    pub conn: Connection,
    pub principal: Principal,
    pub replica: ReplicaId,
    pub sequence: u64,
}

impl Client {
    pub fn new(subject: &str, replica: u8) -> Self {
        Self::with(SCHEMA, subject, replica)
    }

    pub fn with(schema: &str, subject: &str, replica: u8) -> Self {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        conn.execute_batch(schema).unwrap();
        Self { conn, principal: principal(subject), replica: ReplicaId([replica; 16]), sequence: 0 }
    }

    /// Writes without capturing: what the client got from elsewhere.
    pub fn given(self, sql: &str) -> Self {
        self.conn.execute_batch(sql).unwrap();
        self
    }

    pub fn capture(&self, sql: &str) -> Changes {
        let mut session = Session::new(&self.conn).unwrap();
        session.attach(None::<&str>).unwrap();
        self.conn.execute_batch(&format!("BEGIN; PRAGMA defer_foreign_keys = ON; {sql}; COMMIT")).unwrap();
        let mut bytes = Vec::new();
        session.changeset_strm(&mut bytes).unwrap();
        let columns = |table: &str| {
            let mut statement = self.conn.prepare("SELECT name FROM pragma_table_info(?1) ORDER BY cid").ok()?;
            statement.query_map([table], |row| row.get(0)).ok()?.collect::<rusqlite::Result<_>>().ok()
        };
        Changes::from_changeset(&bytes, columns).unwrap()
    }

    /// A committed transaction, as it would be pushed.
    pub fn write(&mut self, sql: &str) -> Transaction {
        let changes = self.capture(sql);
        self.transaction(changes)
    }

    pub fn transaction(&mut self, changes: Changes) -> Transaction {
        self.sequence += 1;
        let mut id = self.replica.0;
        id[8..].copy_from_slice(&self.sequence.to_be_bytes());
        Transaction { id: TransactionId(id), sequence: Sequence(self.sequence), base: None, schema_version: 0, after: Vec::new(), policy: None, changes }
    }

    pub fn push(&self, server: &mut Bench, transactions: &[Transaction]) -> Vec<Outcome> {
        let push = Push { replica: self.replica, transactions: transactions.to_vec() };
        server.core.decide(&self.principal, &push, 0).unwrap().into_iter().map(|result| result.outcome).collect()
    }

    /// Writes, pushes, and gives the one outcome.
    pub fn sync(&mut self, server: &mut Bench, sql: &str) -> Outcome {
        let transaction = self.write(sql);
        self.push(server, &[transaction]).remove(0)
    }
}

/// The code of a rejection.
pub fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Rejected { code, .. } => code,
        Outcome::Applied { .. } => "applied",
        Outcome::Merged { .. } => "merged",
        other => panic!("{other:?}"),
    }
}
