//! What was committed is told to a backend: in order, at least once, whoever dies in between.

use crate::{
    backend::{Asked, Backend, Reply, Reserved},
    peer::{Peer, end, insert, rename},
    running::{Running, Setup},
};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn well(_: &Asked) -> Reply {
    Reply::Json(json!({}))
}

fn events(asked: &[Asked]) -> Vec<Value> {
    asked.iter().flat_map(|asked| asked.body["events"].as_array().unwrap().clone()).collect()
}

/// The new names in the order in which they were told.
fn names(asked: &[Asked]) -> Vec<String> {
    events(asked).iter().map(|event| event["changes"][0]["new"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Pushes new names of `l1`, one transaction each.
async fn push_names(alice: &mut Peer, from: usize, to: usize) {
    for n in from..to {
        let write = alice.write(if n == 0 { insert("l1", "n0", "alice") } else { rename("l1", &format!("n{n}")) });
        assert_eq!(end(&alice.push(&[write]).await[0]), "applied");
    }
}

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

#[tokio::test]
async fn everything_that_was_committed_is_told_in_order_with_what_was_before() {
    let backend = Backend::new(well);
    let server = Setup::telling(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let rejected = alice.write(insert("l9", "x", "bob"));
    alice.push(&[rejected]).await;
    push_names(&mut alice, 0, 20).await;
    let asked = backend.until(|asked| events(asked).len() >= 20).await;
    assert_eq!(names(&asked), expected(20));
    assert!(asked.iter().all(|asked| asked.is_signed() && asked.path == "/events" && asked.body["type"] == "writes.committed"));
    let told = events(&asked);
    assert!(told.windows(2).all(|pair| pair[0]["position"].as_u64() < pair[1]["position"].as_u64()));
    let first = &told[0];
    assert_eq!((&first["user"], &first["replica"]), (&json!({ "issuer": "test", "subject": "alice" }), &json!(alice.replica.to_string())));
    assert!(first["transaction"].is_string() && first["decided_at_ms"].as_u64() > Some(1_700_000_000_000));
    assert_eq!(told[1]["changes"], json!([{ "table": "lists", "op": "update", "key": { "id": "l1" }, "old": { "name": "n0" }, "new": { "name": "n1" } }]));
}

#[tokio::test]
async fn only_the_tables_that_it_names_are_told() {
    let backend = Backend::new(well);
    let mut setup = Setup::telling(&backend.address);
    setup.more = setup.more.replace("[\"lists\"]", "[\"todos\"]");
    let server = setup.start();
    let mut alice = Peer::new(&server, "alice", 1);
    push_names(&mut alice, 0, 3).await;
    let transaction = json!({ "id": "a".repeat(32), "sequence": 4, "changes": [
        { "table": "lists", "op": "update", "key": { "id": "l1" }, "new": { "name": "with a todo" } },
        { "table": "todos", "op": "insert", "key": { "id": "t1" }, "new": {
            "list_id": "l1", "title": "Milk", "done": 0, "position": 1, "owner_id": "alice", "created_at": 3, "updated_at": 3 } }] });
    let push = json!({ "push": { "replica": alice.replica.to_string(), "transactions": [transaction] } });
    let answer = alice.http.post(format!("{}/push", alice.url)).bearer_auth(&alice.token).json(&push).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let told = events(&backend.until(|asked| !asked.is_empty()).await);
    assert_eq!((told.len(), told[0]["changes"].as_array().unwrap().len()), (1, 1));
    assert_eq!(told[0]["changes"][0]["table"], "todos");
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_under_the_same_id_and_holds_up_no_client() {
    let backend = Backend::new(|_| Reply::Text(500, String::new()));
    let server = Setup::telling(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    push_names(&mut alice, 0, 1).await;
    let asked = backend.until(|asked| asked.len() >= 2).await;
    assert_eq!(asked[0].headers["webhook-id"], asked[1].headers["webhook-id"]);
    assert_eq!(asked[0].body, asked[1].body);
    push_names(&mut alice, 1, 5).await;
    backend.answer(well);
    let asked = backend.until(|asked| names(asked).last().is_some_and(|name| name == "n4")).await;
    let mut told = names(&asked);
    told.dedup();
    assert_eq!(told, expected(5));
}

/// Waits until the server knows on disk that everything was taken.
async fn noted(server: &Running) {
    let database = Connection::open(server.setup.database()).unwrap();
    let is_behind = || {
        let behind = "SELECT (SELECT position FROM seaworthy_webhooks) < (SELECT max(position) FROM seaworthy_log)";
        database.query_row(behind, [], |row| row.get::<_, bool>(0)).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while is_behind() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_was_committed_before_a_kill_is_told_after_it() {
    let nobody = Reserved::new();
    let server = Setup::telling(&nobody.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    push_names(&mut alice, 0, 7).await;
    // Nobody has heard of it yet.
    let mut server = server.kill_and_restart();
    let backend = nobody.open(|_| Reply::Hang);
    backend.until(|asked| !asked.is_empty()).await;
    // Somebody has, and the server does not know.
    server.signal("-KILL");
    server.wait();
    let before = backend.asked().len();
    backend.answer(well);
    let server = server.restart();
    let asked = backend.until(|asked| asked.len() > before).await;
    assert_eq!(names(&asked[before..]), expected(7));
    // What was taken is not told again.
    let before = backend.asked().len();
    noted(&server).await;
    let server = server.kill_and_restart();
    let mut bob = Peer::new(&server, "bob", 2);
    let write = bob.write(insert("b1", "last", "bob"));
    bob.push(&[write]).await;
    let asked = backend.until(|asked| asked.len() > before).await;
    assert_eq!(names(&asked[before..]), ["last"]);
}
