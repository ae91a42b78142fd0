//! How a push reaches storage: together where nobody must be asked, and never past one who must.

use super::*;
use crate::{
    handler::{HandlerError, ProposedWrite, Verdict, WriteHandler},
    storage::{EmbeddedStorage, LogPart, Migration, Read, Ruling, Served, Shown, TableConfig, Tables, Waiter},
};
use futures_util::future::BoxFuture;
use seaworthy_engine::{
    client::User,
    session::{Admission, Standing},
};
use seaworthy_protocol::{Changes, Op, Position, RowChange, TableChanges, TransactionId, Value};
use std::{collections::BTreeMap, path::Path, sync::Mutex};

/// The embedded storage, which notes how it is asked to decide.
struct Noting {
    storage: EmbeddedStorage,
    noted: Mutex<Vec<String>>,
}

impl Noting {
    fn note(&self, what: &str, push: &Push) {
        let sequences: Vec<String> = push.transactions.iter().map(|transaction| transaction.sequence.0.to_string()).collect();
        self.noted.lock().unwrap().push(format!("{what} {}", sequences.join(" ")));
    }
}

impl Storage for Noting {
    fn admit(&self, user: User, replica: ReplicaId) -> BoxFuture<'_, Result<Admission, StorageError>> {
        self.storage.admit(user, replica)
    }

    fn decide(&self, principal: Principal, push: Push) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>> {
        self.note("decide", &push);
        self.storage.decide(principal, push)
    }

    fn show(&self, principal: Principal, replica: ReplicaId, transaction: Arc<Transaction>) -> BoxFuture<'_, Result<Option<Shown>, StorageError>> {
        self.storage.show(principal, replica, transaction)
    }

    fn settle(&self, principal: Principal, push: Push, ruling: Option<Ruling>) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>> {
        self.note(if ruling.is_some() { "settle" } else { "look up" }, &push);
        self.storage.settle(principal, push, ruling)
    }

    fn pull(&self, principal: Principal, standing: Standing, doubtful: Vec<TransactionId>) -> BoxFuture<'_, Result<Read, StorageError>> {
        self.storage.pull(principal, standing, doubtful)
    }

    fn begin_deliveries(&self, webhooks: Vec<String>) -> BoxFuture<'_, Result<BTreeMap<String, Position>, StorageError>> {
        self.storage.begin_deliveries(webhooks)
    }

    fn log(&self, after: Position) -> BoxFuture<'_, Result<LogPart, StorageError>> {
        self.storage.log(after)
    }

    fn delivered(&self, webhook: String, position: Position) -> BoxFuture<'_, Result<(), StorageError>> {
        self.storage.delivered(webhook, position)
    }

    fn log_needed_from(&self) -> BoxFuture<'_, Result<Option<Position>, StorageError>> {
        self.storage.log_needed_from()
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.storage.head()
    }

    fn waiter(&self) -> Waiter {
        self.storage.waiter()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        self.storage.check()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.storage.close()
    }
}

/// Accepts what has no "no" in its key, which it cannot judge.
struct Yes;

impl WriteHandler for Yes {
    fn judge<'a>(&'a self, write: &'a ProposedWrite) -> BoxFuture<'a, Result<Verdict, HandlerError>> {
        Box::pin(async move {
            let cannot = write.changes.iter().any(|change| change.key["id"] == "no".into());
            if cannot { Err("no".into()) } else { Ok(Verdict::Accept) }
        })
    }
}

fn storage(folder: &Path) -> Noting {
    let sql = "CREATE TABLE plain (id TEXT NOT NULL PRIMARY KEY); CREATE TABLE asked (id TEXT NOT NULL PRIMARY KEY);".to_owned();
    let migration = Migration { number: 1, name: "0001_test.sql".to_owned(), sql };
    let open = TableConfig { open: true, ..TableConfig::default() };
    let tables: Tables = ["plain", "asked"].map(|name| (name.to_owned(), open.clone())).into();
    Noting { storage: EmbeddedStorage::open(&folder.join("test.db"), Served { tables: &tables, streams: &BTreeMap::new() }, &[migration], 0).unwrap(), noted: Mutex::default() }
}

/// One new row per transaction, from sequence 1 on.
fn push(rows: &[(&str, &str)]) -> Push {
    let transaction = |((table, id), sequence): (&(&str, &str), u64)| {
        let new = vec![Some(Value::from(*id))];
        let row = RowChange { op: Op::Insert, indirect: false, old: vec![], new };
        let changes = Changes { tables: vec![TableChanges { name: (*table).to_owned(), columns: vec!["id".to_owned()], key: vec![1], rows: vec![row] }] };
        let id = TransactionId([u8::try_from(sequence).unwrap(); 16]);
        Transaction { id, sequence: Sequence(sequence), base: None, schema_version: 0, after: vec![], policy: None, changes }
    };
    Push { replica: ReplicaId([1; 16]), transactions: rows.iter().zip(1..).map(transaction).collect() }
}

async fn decided(storage: &Noting, push: Push) -> (Vec<&'static str>, Vec<String>) {
    let mut handlers = Handlers::default();
    handlers.register(["asked"], Yes);
    let (_stop, stopped) = watch::channel(false);
    let mut deciders = Deciders { storage, handlers: &handlers, stop: stopped };
    let principal = Principal { user: User { issuer: "test".to_owned(), subject: "alice".to_owned() }, claims: Arc::default() };
    let results = decide(&mut deciders, principal, push).await.unwrap();
    let name = |result: TransactionResult| match result.outcome {
        Outcome::Applied { .. } => "applied",
        Outcome::RetryLater { .. } => "retry_later",
        other => panic!("{other:?}"),
    };
    (results.into_iter().map(name).collect(), std::mem::take(&mut *storage.noted.lock().unwrap()))
}

#[tokio::test]
async fn what_has_no_handler_goes_to_storage_together() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage(folder.path());
    let (outcomes, noted) = decided(&storage, push(&[("plain", "a"), ("plain", "b"), ("plain", "c")])).await;
    assert_eq!((outcomes.len(), noted), (3, vec!["decide 1 2 3".to_owned()]));
}

#[tokio::test]
async fn one_that_has_a_handler_goes_alone_and_in_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage(folder.path());
    let rows = [("plain", "a"), ("plain", "b"), ("asked", "c"), ("asked", "d"), ("plain", "e"), ("plain", "f")];
    let (outcomes, noted) = decided(&storage, push(&rows)).await;
    assert_eq!(outcomes, ["applied"; 6]);
    assert_eq!(noted, ["decide 1 2", "settle 3", "settle 4", "decide 5 6"]);
    // What is decided is looked up, and nobody is asked again.
    let (outcomes, noted) = decided(&storage, push(&rows)).await;
    assert_eq!(outcomes, ["applied"; 6]);
    assert_eq!(noted, ["decide 1 2", "look up 3", "look up 4", "decide 5 6"]);
}

#[tokio::test]
async fn nothing_passes_one_that_waits() {
    let folder = tempfile::tempdir().unwrap();
    let storage = storage(folder.path());
    let (outcomes, noted) = decided(&storage, push(&[("plain", "a"), ("asked", "no"), ("plain", "b")])).await;
    assert_eq!((outcomes, noted), (vec!["applied", "retry_later"], vec!["decide 1".to_owned()]));
}
