//! A backend's say about writes: it accepts, refuses, rewrites, is late, talks nonsense, and is down.

use crate::{
    backend::{Asked, Backend, Reply, Reserved, SECRET},
    peer::{Peer, end, error_code, insert, push_frame, rename, renamed},
    running::{Running, Setup},
};
use rusqlite::Connection;
use seaworthy_protocol::{Outcome, Transaction};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

fn accept(_: &Asked) -> Reply {
    Reply::Json(json!({ "decision": "accept" }))
}

async fn one(peer: &Peer, transaction: &Transaction) -> Outcome {
    peer.push(std::slice::from_ref(transaction)).await.remove(0)
}

/// How long the server asks to wait.
fn later(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::RetryLater { retry_after_ms, .. } => *retry_after_ms,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_is_shown_the_write_beside_the_rows_and_can_tell_that_the_server_asks() {
    let backend = Backend::new(accept);
    let server = Setup::asking(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let (new, renamed) = (alice.write(insert("l1", "One", "alice")), alice.write(rename("l1", "Uno")));
    let outcomes = alice.push(&[new, renamed.clone()]).await;
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["applied", "applied"]);
    let asked = backend.asked();
    assert_eq!(asked.len(), 2);
    let question = &asked[1];
    assert_eq!(question.path, "/decide");
    assert_eq!(question.body["type"], "write.proposed");
    assert_eq!(question.body["transaction"], renamed.id.to_string());
    assert_eq!(question.body["replica"], alice.replica.to_string());
    assert_eq!(question.body["user"], json!({ "issuer": "test", "subject": "alice" }));
    assert_eq!(question.body["claims"]["sub"], "alice");
    let current = json!({ "name": "One", "owner_id": "alice", "position": { "real": "1.0" }, "created_at": 1, "archived": 0 });
    let change = json!({
        "table": "lists", "op": "update", "indirect": false, "key": { "id": "l1" }, "old": { "name": "" }, "new": { "name": "Uno" }, "current": current
    });
    assert_eq!(question.body["changes"], json!([change]));
    assert_eq!(asked[0].body["changes"][0]["current"], Value::Null);
    assert_eq!(question.headers["webhook-id"], renamed.id.to_string());
    assert!(asked.iter().all(Asked::is_signed));
    assert!(!server.log().contains(&SECRET["whsec_".len()..]));
}

#[tokio::test]
async fn a_refusal_is_final_and_is_asked_for_once() {
    let backend = Backend::new(|_| Reply::Json(json!({ "decision": "reject", "code": "sold_out", "message": "There is none left." })));
    let server = Setup::asking(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    let outcome = one(&alice, &first).await;
    let Outcome::Rejected { code, message, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!((code.as_str(), message.as_str()), ("sold_out", "There is none left."));
    assert_eq!(one(&alice, &first).await, outcome);
    assert_eq!(backend.asked().len(), 1);
    backend.answer(|_| Reply::Json(json!({ "decision": "reject", "message": "No." })));
    let second = alice.write(insert("l2", "Two", "alice"));
    assert_eq!(end(&one(&alice, &second).await), "refused");
    assert!(alice.pull(None).await.lists.is_empty());
}

#[tokio::test]
async fn what_it_rewrote_comes_back_to_the_writer() {
    let backend = Backend::new(|asked| {
        let change = &asked.body["changes"][0];
        let name = change["new"]["name"].as_str().unwrap().trim().to_owned();
        Reply::Json(json!({ "decision": "rewrite", "rows": [{ "table": "lists", "key": change["key"], "new": { "name": name } }] }))
    });
    let server = Setup::asking(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let queue = [alice.write(insert("l1", " One ", "alice")), alice.write(insert("l2", "Two", "alice"))];
    let outcomes = alice.push(&queue).await;
    // What is written as it was is no rewriting.
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["merged", "applied"]);
    let lists = alice.pull(None).await.lists;
    assert_eq!(lists, [("l1".to_owned(), "One".to_owned()), ("l2".to_owned(), "Two".to_owned())]);
}

#[tokio::test]
async fn one_that_is_late_or_broken_decides_nothing_and_the_client_waits_longer_each_time() {
    let backend = Backend::new(|_| Reply::Hang);
    let server = Setup::asking(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    let mut waits = vec![later(&one(&alice, &first).await)];
    assert_eq!(backend.asked().len(), 2, "it is asked `attempts` times");
    let ids: Vec<_> = backend.asked().iter().map(|asked| asked.headers["webhook-id"].clone()).collect();
    assert_eq!(ids[0], ids[1]);
    backend.answer(|_| Reply::Text(503, "down".to_owned()));
    for _ in 0..9 {
        waits.push(later(&one(&alice, &first).await));
    }
    assert!(waits[0] >= 1000 && waits[0] < 2500, "{waits:?}");
    assert!(waits[4] > waits[0] && waits[9] >= 30_000 && waits.iter().all(|wait| *wait <= 62_000), "{waits:?}");
    assert!(alice.pull(None).await.lists.is_empty());
    backend.answer(accept);
    assert_eq!(end(&one(&alice, &first).await), "applied");
    assert_eq!(backend.asked().len(), 2 + 9 * 2 + 1);
}

#[tokio::test]
async fn nonsense_is_never_applied_and_never_a_rejection() {
    let elsewhere = Backend::new(accept);
    let other = format!("http://{}/decide", elsewhere.address);
    let backend = Backend::new(accept);
    let server = Setup::asking(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    let rewrite = |row: Value| Reply::Json(json!({ "decision": "rewrite", "rows": [row] }));
    let key = json!({ "id": "l1" });
    let replies = [
        Reply::Text(200, "yes".to_owned()),
        Reply::Text(200, String::new()),
        Reply::Text(204, String::new()),
        Reply::Text(400, "{\"decision\": \"accept\"}".to_owned()),
        Reply::Text(401, String::new()),
        Reply::Elsewhere(other),
        Reply::Json(json!({ "decision": "perhaps" })),
        Reply::Json(json!({ "decision": "reject" })),
        Reply::Json(json!({ "decision": "reject", "message": "" })),
        Reply::Json(json!({ "decision": "reject", "message": "No.", "code": "conflict" })),
        Reply::Json(json!({ "decision": "reject", "message": "No.", "code": "Sold out" })),
        Reply::Json(json!({ "decision": "accept", "padding": "x".repeat(2 * 1024 * 1024) })),
        rewrite(json!({ "table": "lists", "key": key, "new": { "id": "l2" } })),
        rewrite(json!({ "table": "lists", "key": key, "new": { "colour": "red" } })),
        rewrite(json!({ "table": "lists", "key": { "id": "l9" }, "new": { "name": "x" } })),
        rewrite(json!({ "table": "todos", "key": { "id": "t1" }, "new": { "title": "x" } })),
        rewrite(json!({ "table": "nothing", "key": key, "new": {} })),
        rewrite(json!({ "table": "lists", "key": key, "new": { "name": [] } })),
    ];
    for (nth, reply) in replies.into_iter().enumerate() {
        let text = format!("{reply:?}").chars().take(200).collect::<String>();
        backend.answer(move |_| reply.clone());
        later(&one(&alice, &first).await);
        assert_eq!(backend.asked().len(), nth + 1, "{text} was asked again");
    }
    assert!(elsewhere.asked().is_empty(), "a redirect was followed");
    assert!(alice.pull(None).await.lists.is_empty());
    for reason in ["no decision", "400 Bad Request", "A key cannot be rewritten", "lists.colour", "one of the server's own", "not registered"] {
        server.logs(reason);
    }
    backend.answer(accept);
    assert_eq!(end(&one(&alice, &first).await), "applied");
}

#[tokio::test]
async fn while_it_is_down_the_queue_is_held_and_then_everything_is_applied_once_and_in_order() {
    let nobody = Reserved::new();
    let mut server = Setup::asking(&nobody.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let mut queue = vec![alice.write(insert("l0", "x", "alice"))];
    queue.extend((1..6).map(|n| alice.write(rename("l0", &format!("name {n}")))));
    for _ in 0..3 {
        assert_eq!(alice.push(&queue).await.iter().map(end).collect::<Vec<_>>(), ["retry_later"]);
    }
    let mut bob = Peer::new(&server, "bob", 2);
    let his = bob.write(insert("b1", "x", "bob"));
    assert_eq!(end(&one(&bob, &his).await), "retry_later");
    let backend = nobody.open(|asked| match asked.body["changes"][0]["new"]["name"].as_str() {
        Some("name 3") => Reply::Text(500, String::new()),
        _ => accept(asked),
    });
    let outcomes = alice.push(&queue).await;
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["applied", "applied", "applied", "retry_later"], "nothing behind it is looked at");
    backend.answer(accept);
    // The client does not know yet what was decided.
    let all = alice.push(&queue).await;
    assert_eq!(all[..3], outcomes[..3]);
    assert!(all.iter().all(|outcome| end(outcome) == "applied") && all.len() == 6);
    assert_eq!(end(&one(&bob, &his).await), "applied");
    let names: Vec<_> = backend.asked().iter().map(|asked| asked.body["changes"][0]["new"]["name"].clone()).collect();
    assert_eq!(names, ["x", "name 1", "name 2", "name 3", "name 3", "name 3", "name 4", "name 5", "x"]);
    server.stop();
    let database = Connection::open(server.setup.database()).unwrap();
    let logged = database.query_row("SELECT count(*) FROM seaworthy_log WHERE replica = ?1", [alice.replica.0], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(logged, 6);
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_it() {
    let backend = Backend::new(|_| Reply::Hang);
    let mut setup = Setup::asking(&backend.address);
    setup.more = setup.more.replace("timeout_ms = 400", "timeout_ms = 20000");
    let mut server = setup.start();
    let mut alice = Peer::new(&server, "alice", 1);
    let frame = push_frame(alice.replica, &[alice.write(insert("l1", "One", "alice"))]);
    let pushing = tokio::spawn(async move { alice.send("push", &frame).await });
    backend.until(|asked| asked.len() == 1).await;
    let started = Instant::now();
    assert!(server.stop().success());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    let (status, frames) = pushing.await.unwrap();
    assert_eq!((status, error_code(&frames)), (503, "unavailable"));
}

/// A server whose lists somebody changes each time that the backend is asked, up to `times`.
async fn restless(times: usize) -> (Outcome, Vec<Asked>) {
    let backend = Backend::new(accept);
    let server: Running = Setup::asking(&backend.address).start();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    one(&alice, &first).await;
    let (path, asked) = (server.setup.database(), AtomicUsize::new(0));
    backend.answer(move |question| {
        if asked.fetch_add(1, Ordering::SeqCst) < times {
            Connection::open(&path).unwrap().execute("UPDATE lists SET position = position + 1", []).unwrap();
        }
        accept(question)
    });
    let second = alice.write(rename("l1", "Uno"));
    let outcome = one(&alice, &second).await;
    (outcome, backend.asked()[1..].to_vec())
}

#[tokio::test]
async fn rows_that_change_while_it_thinks_are_shown_again() {
    let (outcome, asked) = restless(2).await;
    assert_eq!(end(&outcome), "applied");
    let positions: Vec<_> = asked.iter().map(|asked| asked.body["changes"][0]["current"]["position"]["real"].clone()).collect();
    assert_eq!(positions, ["1.0", "2.0", "3.0"]);
    let (outcome, asked) = restless(usize::MAX).await;
    assert_eq!((end(&outcome), asked.len()), ("retry_later", 3));
}

#[tokio::test]
async fn nobody_conflicts_with_themselves_after_a_rewrite() {
    let backend = Backend::new(|asked| {
        let change = &asked.body["changes"][0];
        match change["new"]["name"].as_str() {
            Some("One!") => Reply::Json(json!({ "decision": "rewrite", "rows": [{ "table": "lists", "key": change["key"], "new": { "name": "One" } }] })),
            _ => accept(asked),
        }
    });
    let mut setup = Setup::asking(&backend.address);
    setup.tables = setup.tables.replacen("handler", "conflict = \"fail\"\nhandler", 1);
    let server = setup.start();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    let mut second = alice.write(renamed("l1", "One", "One!"));
    second.after = vec![first.sequence];
    let mut third = alice.write(renamed("l1", "One!", "Two"));
    third.after = vec![second.sequence];
    let outcomes = alice.push(&[first, second, third]).await;
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["applied", "merged", "applied"]);
}
