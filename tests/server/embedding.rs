//! The server as a library: a program of its own that has its say about writes, through the public API alone.

use crate::{
    peer::{Peer, delete, end, insert, rename},
    running::Setup,
};
use futures_util::future::BoxFuture;
use seaworthy_protocol::{Op, Outcome, Value};
use seaworthy_server::{
    RunError, Server,
    config::{Config, Flags},
    handler::{HandlerError, Handlers, ProposedWrite, RewrittenCells, Verdict, WriteHandler},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{sync::oneshot, task::JoinHandle};

/// Trims names, keeps what begins with "keep", and counts how often it was asked.
struct House {
    asked: Arc<AtomicUsize>,
}

impl WriteHandler for House {
    fn judge<'a>(&'a self, write: &'a ProposedWrite) -> BoxFuture<'a, Result<Verdict, HandlerError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let mut rows = Vec::new();
            for change in &write.changes {
                let name = |image: &BTreeMap<String, Value>| match image.get("name") {
                    Some(Value::Text(name)) => Some(name.clone()),
                    _ => None,
                };
                if change.op == Op::Delete && change.current.as_ref().and_then(name).is_some_and(|name| name.starts_with("keep")) {
                    return Ok(Verdict::Reject { code: Some("kept".to_owned()), message: format!("{} may not delete this.", write.user.subject) });
                }
                if let Some(wanted) = name(&change.new) {
                    if wanted == "broken" {
                        return Err("the list of names cannot be read".into());
                    }
                    let new = BTreeMap::from([("name".to_owned(), Value::Text(wanted.trim().to_owned()))]);
                    rows.push(RewrittenCells { table: change.table.clone(), key: change.key.clone(), new });
                }
            }
            Ok(Verdict::Rewrite { rows })
        })
    }
}

struct Embedded {
    address: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), RunError>>,
}

fn config(setup: &Setup) -> Config {
    let flags = Flags { config: setup.write(), listen: None, database: None, migrations: None, www: None, dev: false, command: None };
    Config::load(&flags).unwrap()
}

async fn start(setup: &Setup, handlers: Handlers) -> Embedded {
    let server = Server::open_with(&config(setup), handlers).await.unwrap();
    let address = server.address().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run_until(async move {
        let _ = stopped.await;
    }));
    Embedded { address, stop, running }
}

#[tokio::test]
async fn a_handler_in_the_program_accepts_rejects_and_rewrites() {
    let (setup, asked) = (Setup::new(), Arc::new(AtomicUsize::new(0)));
    let mut handlers = Handlers::default();
    handlers.register(["lists"], House { asked: asked.clone() });
    let server = start(&setup, handlers).await;
    let mut alice = Peer::at(&server.address, "alice", 1);
    let queue = [
        alice.write(insert("l1", " keep me ", "alice")),
        alice.write(insert("l2", "plain", "alice")),
        alice.write(delete("l1", "alice")),
        alice.write(delete("l2", "alice")),
        alice.write(rename("l1", "broken")),
        alice.write(rename("l1", "behind it")),
    ];
    let outcomes = alice.push(&queue).await;
    // A handler that fails is asked again later, and so is what is behind it.
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["merged", "applied", "kept", "applied", "retry_later"]);
    let Outcome::Merged { rewritten, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(rewritten[0].new["name"], "keep me".into());
    let Outcome::Rejected { message, .. } = &outcomes[2] else { panic!("{outcomes:?}") };
    assert_eq!(message, "alice may not delete this.");
    assert_eq!(alice.pull(None).await.lists, [("l1".to_owned(), "keep me".to_owned())]);
    assert_eq!(alice.push(&queue[..4]).await, outcomes[..4]);
    assert_eq!(asked.load(Ordering::SeqCst), 5);
    server.stop.send(()).unwrap();
    server.running.await.unwrap().unwrap();
    // Whoever ran it may run it again: nothing holds the database any more.
    let again = start(&setup, Handlers::default()).await;
    assert_eq!(Peer::at(&again.address, "alice", 1).pull(None).await.lists.len(), 1);
}

#[tokio::test]
async fn a_handler_of_a_table_that_is_not_there_or_has_one_already_is_refused() {
    let asking = |table: &str| {
        let mut handlers = Handlers::default();
        handlers.register([table], House { asked: Arc::default() });
        handlers
    };
    let setup = Setup::new();
    assert!(matches!(Server::open_with(&config(&setup), asking("list")).await, Err(RunError::HandlerTable { table }) if table == "list"));
    let setup = Setup::asking("127.0.0.1:1");
    assert!(matches!(Server::open_with(&config(&setup), asking("lists")).await, Err(RunError::TwoHandlers { table }) if table == "lists"));
}
