//! A store with todos in it, a server that is just a position, and words to talk about both.

use rusqlite::Connection;
use seaworthy_protocol::{
    BucketId, Changes, Checkpoint, Cursor, Incarnation, Op, Outcome, Policy, Position, ReplicaId, Rows, Sequence, TransactionId, TransactionResult, Value,
};
use seaworthy_store::{Applied, Call, Receipt, Schema, Stamp, Statement, Store, StoreError};
use std::sync::atomic::{AtomicU64, Ordering};

pub const SCHEMA: &str = r#"{
  "version": 1,
  "tables": [
    { "name": "lists", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" }, { "name": "name", "type": "TEXT" } ] },
    { "name": "todos", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" },
      { "name": "list_id", "type": "TEXT", "nullable": true, "references": { "table": "lists", "column": "id", "on_delete": "cascade" } },
      { "name": "title", "type": "TEXT" },
      { "name": "done", "type": "INTEGER", "default": 0 },
      { "name": "slug", "type": "TEXT", "nullable": true, "unique": true } ] },
    { "name": "notes", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" },
      { "name": "todo_id", "type": "TEXT", "references": { "table": "todos", "column": "id", "on_delete": "cascade" } } ] },
    { "name": "drafts", "primary_key": ["id"], "local_only": true, "columns": [
      { "name": "id", "type": "TEXT" }, { "name": "body", "type": "TEXT" } ] }
  ]
}"#;

pub struct Fixture {
    pub store: Store,
    position: u64,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with_schema(SCHEMA)
    }

    pub fn with_schema(schema: &str) -> Self {
        Self::on(Connection::open_in_memory().unwrap(), schema)
    }

    pub fn on(conn: Connection, schema: &str) -> Self {
        Self { store: open(conn, schema).unwrap(), position: 0 }
    }

    pub fn stamp(&mut self) -> Stamp {
        // Unique in the process: a database that is opened again must not meet its old request ids.
        static STAMPS: AtomicU64 = AtomicU64::new(1);
        let n = STAMPS.fetch_add(1, Ordering::Relaxed);
        Stamp { id: TransactionId(u128::from(n).to_be_bytes()), now_ms: 1000 + n as i64, policy: Policy::Rebase }
    }

    pub fn try_exec(&mut self, statements: &[&str]) -> Result<Receipt, StoreError> {
        let stamp = self.stamp();
        let call = Call::batch(statements.iter().copied());
        self.store.write(&request(stamp), stamp, &call).map(|written| written.receipt)
    }

    pub fn exec(&mut self, statements: &[&str]) -> Receipt {
        self.try_exec(statements).unwrap()
    }

    pub fn exec_with(&mut self, sql: &str, values: Vec<Value>) -> Receipt {
        let stamp = self.stamp();
        self.store.write(&request(stamp), stamp, &Call::one(sql, values)).unwrap().receipt
    }

    /// The changes of the newest pending write, one readable line per row, sorted.
    pub fn last_changes(&self) -> Vec<String> {
        lines(&self.store.pending().unwrap().last().unwrap().changes)
    }

    pub fn pending_count(&self) -> u64 {
        self.store.counts().unwrap().pending
    }

    /// The rows of a query of one column, as text.
    pub fn rows(&mut self, sql: &str) -> Vec<String> {
        query(&mut self.store, sql)
    }

    pub fn titles(&mut self) -> Vec<String> {
        self.rows("SELECT id || '=' || title FROM todos ORDER BY id")
    }

    pub fn todos(&self, rows: &[(&str, &str)], gone: &[&str]) -> Rows {
        Rows {
            bucket: BucketId("todos".into()),
            table: "todos".into(),
            columns: vec!["id".into(), "title".into(), "done".into()],
            key: vec!["id".into()],
            rows: rows.iter().map(|(id, title)| vec![(*id).into(), (*title).into(), 0.into()]).collect(),
            gone: gone.iter().map(|id| vec![(*id).into()]).collect(),
        }
    }

    /// The server's log grows by one and its checkpoint arrives.
    pub fn checkpoint(&mut self, rows: &[Rows]) -> Applied {
        self.position += 1;
        self.checkpoint_at(self.position, rows, false)
    }

    pub fn checkpoint_at(&mut self, position: u64, rows: &[Rows], reset: bool) -> Applied {
        self.apply(rows, &Checkpoint { reset, ..at(position) })
    }

    /// A checkpoint that says which of the doubtful writes the server knows.
    pub fn answer_at(&mut self, position: u64, rows: &[Rows], reset: bool, known: &[TransactionId]) -> Applied {
        self.apply(rows, &Checkpoint { reset, known: Some(known.to_vec()), ..at(position) })
    }

    pub fn apply(&mut self, rows: &[Rows], checkpoint: &Checkpoint) -> Applied {
        self.position = checkpoint.cursor.position.0;
        self.store.apply(rows, checkpoint, 1234).unwrap()
    }

    /// The server decides one pushed transaction at the next position.
    pub fn decide(&mut self, sequence: u64, outcome: impl FnOnce(Position) -> Outcome) {
        let outcome = outcome(Position(self.position + 1));
        self.store.record(&[TransactionResult { sequence: Sequence(sequence), outcome }]).unwrap();
    }
}

pub fn at(position: u64) -> Checkpoint {
    Checkpoint::at(Cursor { position: Position(position), incarnation: Incarnation([9; 16]) })
}

pub fn open(conn: Connection, schema: &str) -> Result<Store, StoreError> {
    Store::open(conn, &Schema::from_json(schema)?, ReplicaId([7; 16]))
}

pub fn applied(position: Position) -> Outcome {
    Outcome::Applied { position }
}

pub fn rejected(position: Position) -> Outcome {
    Outcome::Rejected { position, code: "forbidden".into(), message: "not yours".into(), data: None }
}

/// `op table key column=value …`, with `*` before indirect changes.
pub fn lines(changes: &Changes) -> Vec<String> {
    let mut lines = Vec::new();
    for table in &changes.tables {
        for row in &table.rows {
            let op = match row.op {
                Op::Insert => "insert",
                Op::Update => "update",
                Op::Delete => "delete",
            };
            let key: Vec<_> = table.key_of(row).into_iter().map(text).collect();
            let mut line = format!("{}{op} {} {}", if row.indirect { "*" } else { "" }, table.name, key.join("+"));
            for (at, column) in table.columns.iter().enumerate().filter(|(at, _)| row.op == Op::Update && table.key[*at] == 0) {
                if let (Some(Some(old)), Some(Some(new))) = (row.old.get(at), row.new.get(at)) {
                    line.push_str(&format!(" {column}:{}>{}", text(old), text(new)));
                }
            }
            lines.push(line);
        }
    }
    lines.sort();
    lines
}

pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Integer(i) => i.to_string(),
        Value::Real(r) => format!("{r:?}"),
        Value::Text(t) => t.clone(),
        Value::Blob(b) => format!("x{}", b.len()),
    }
}

/// Runs a query of one column through the store: one text per row. A lone empty text reads as no row.
pub fn query(store: &mut Store, sql: &str) -> Vec<String> {
    // One text cell carries the whole result, so that this fixture needs no decoder of packed rows.
    let wrapped = format!("WITH t(x) AS ({sql}) SELECT coalesce(group_concat(x, char(10)), '') FROM t");
    let buffer = store.read(&Call { statements: vec![Statement::new(wrapped, vec![])] }).unwrap();
    let cell = single_text(&buffer);
    if cell.is_empty() { Vec::new() } else { cell.split('\n').map(str::to_owned).collect() }
}

/// The id of the request that a stamp is for.
pub fn request(stamp: Stamp) -> String {
    format!("request {}", stamp.id)
}

/// The only text of an answer with one row and one column.
fn single_text(buffer: &[u8]) -> String {
    let u32_at = |at: usize| u32::from_le_bytes(buffer[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!((u32_at(0), u32_at(4), u32_at(12)), (1, 1, 1), "one statement with rows");
    assert_eq!((u32_at(16), u32_at(20)), (1, 1), "one column, one row");
    let mut at = 24;
    for _ in 0..3 {
        at += 4 + u32_at(at);
    }
    at = at.next_multiple_of(8);
    assert_eq!(buffer[at..at + 2], [3, 0], "a text");
    at += 8;
    let len = u32_at(at);
    at = (at + 12).next_multiple_of(8);
    String::from_utf8(buffer[at..at + len].to_vec()).unwrap()
}
