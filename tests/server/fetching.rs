//! Push and pull over fetch: exactly once, in order, and by hand.

use crate::{
    peer::{Peer, answer, end, error_code, insert, pull_frame, push_frame, rename, token},
    running::Running,
};
use seaworthy_protocol::{ClientFrame, Format, Outcome, Ping, Sequence, ServerFrame};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_push_that_comes_twice_gets_the_same_answer_and_has_one_effect() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let batch = [alice.write(insert("l1", "One", "alice")), alice.write(rename("l1", "Uno"))];
    let first = alice.push(&batch).await;
    assert_eq!(first.iter().map(end).collect::<Vec<_>>(), ["applied", "applied"]);
    let later = alice.write(rename("l1", "Eins"));
    alice.push(&[later]).await;
    assert_eq!(alice.push(&batch).await, first);
    assert_eq!(alice.pull(None).await.lists, [("l1".to_owned(), "Eins".to_owned())]);
}

#[tokio::test]
async fn an_answer_that_is_lost_changes_nothing_for_the_retry() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let cursor = alice.pull(None).await.cursor;
    let transaction = alice.write(insert("l1", "One", "alice"));
    let frame = push_frame(alice.replica, std::slice::from_ref(&transaction));
    // Sent whole, and given up before the answer is there.
    for wait_us in [200, 500, 1000, 2000, 4000, 8000] {
        let request = alice.request("push", &frame).send();
        let _ = tokio::time::timeout(Duration::from_micros(wait_us), request).await;
    }
    let answer = alice.push(std::slice::from_ref(&transaction)).await;
    assert_eq!(alice.push(&[transaction]).await, answer);
    let pulled = alice.pull(Some(cursor)).await;
    assert_eq!(pulled.lists.len(), 1);
    assert_eq!(pulled.cursor.position.0, cursor.position.0 + 1);
}

#[tokio::test]
async fn a_push_that_overtakes_another_is_a_gap() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let (first, second) = (alice.write(insert("l1", "One", "alice")), alice.write(rename("l1", "Uno")));
    assert_eq!(alice.push(std::slice::from_ref(&second)).await, [Outcome::Gap { expected: Sequence(1) }]);
    assert!(alice.pull(None).await.lists.is_empty());
    alice.push(&[first]).await;
    assert_eq!(end(&alice.push(&[second]).await[0]), "applied");
}

#[tokio::test]
async fn one_rejected_in_the_middle_does_not_hold_up_the_others() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let first = alice.write(insert("l1", "One", "alice"));
    let bad = alice.write(insert("l2", "Two", "bob"));
    let mut dependent = alice.write(rename("l2", "Due"));
    dependent.after = vec![bad.sequence];
    let last = alice.write(insert("l3", "Three", "alice"));
    let batch = [first, bad, dependent, last];
    let outcomes = alice.push(&batch).await;
    assert_eq!(outcomes.iter().map(end).collect::<Vec<_>>(), ["applied", "forbidden", "depends_on", "applied"]);
    let names: Vec<_> = alice.pull(None).await.lists.into_iter().map(|(id, _)| id).collect();
    assert_eq!(names, ["l1", "l3"]);
    assert_eq!(alice.push(&batch).await, outcomes);
}

#[tokio::test]
async fn a_pull_waits_for_news_and_no_longer() {
    let server = Running::new();
    let (mut alice, laptop) = (Peer::new(&server, "alice", 1), Peer::new(&server, "alice", 2));
    let bob = Peer::new(&server, "bob", 3);
    let cursor = laptop.pull(None).await.cursor;
    let started = Instant::now();
    let (quiet, woken, ()) = tokio::join!(
        bob.wait(Some(cursor), 1500),
        async {
            let answer = laptop.wait(Some(cursor), 20_000).await;
            (answer, started.elapsed())
        },
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let transaction = alice.write(insert("l1", "One", "alice"));
            alice.push(&[transaction]).await;
        }
    );
    let ((_, frames), elapsed) = woken;
    assert_eq!(crate::peer::got(&frames).lists.len(), 1);
    assert!(elapsed > Duration::from_millis(250) && elapsed < Duration::from_secs(10), "{elapsed:?}");
    // Nothing of it was Bob's: nobody has looked for him.
    let his = crate::peer::got(&quiet.1);
    assert_eq!((his.lists.len(), his.reset, his.cursor.position.0), (0, false, cursor.position.0));
}

#[tokio::test]
async fn json_by_hand_is_enough() {
    let server = Running::new();
    let http = crate::peer::http();
    let post = |path: &str, body: &'static str| {
        let request = http.post(server.url(&format!("/sync/v1/{path}"))).bearer_auth(token("alice"));
        request.header("content-type", "application/json; charset=utf-8").body(body).send()
    };
    let pushed = post(
        "push",
        r#"{"push": {"replica": "019212d0-a2c4-7d6e-8f00-112233445566", "transactions": [
            {"id": "a0000000000000000000000000000001", "sequence": 1, "changes": [
                {"table": "lists", "op": "insert", "key": {"id": "l1"}, "new": {"name": "One", "owner_id": "alice", "position": 1.5, "created_at": 3}},
                {"table": "todos", "op": "insert", "key": {"id": "t1"}, "new": {"list_id": "l1", "title": "Milk", "done": 0, "position": 1, "owner_id": "alice", "created_at": 3, "updated_at": 3}}]}]}}"#,
    );
    let pushed: serde_json::Value = pushed.await.unwrap().json().await.unwrap();
    assert!(pushed[0]["results"]["results"][0]["outcome"]["applied"]["position"].is_u64(), "{pushed}");
    let pulled = post("pull", r#"{"pull": {"protocol": 1, "replica": "019212d0a2c47d6e8f00112233445566", "cursor": null}}"#);
    let pulled: serde_json::Value = pulled.await.unwrap().json().await.unwrap();
    assert_eq!(pulled[0]["welcome"]["last_sequence"], 1);
    assert_eq!(pulled[1]["rows"]["rows"][0], serde_json::json!(["l1", "One", "alice", 1.5, 3, 0]));
    assert_eq!(pulled[2]["rows"]["rows"][0][2], "Milk");
    assert_eq!(pulled[3]["checkpoint"]["reset"], true);
}

#[tokio::test]
async fn the_answer_takes_the_form_that_was_asked_for() {
    let server = Running::new();
    let alice = Peer::new(&server, "alice", 1);
    let frame = pull_frame(alice.replica, None, 0);
    let json = alice.request("pull", &frame).header("accept", "text/html, application/json;q=0.9").send().await.unwrap();
    assert_eq!(json.headers()["content-type"], "application/json");
    assert_eq!(json.headers()["cache-control"], "no-store");
    assert!(matches!(answer(json).await.1[0], ServerFrame::Welcome(_)));
    let packed = alice.request("pull", &frame).header("accept", "*/*").send().await.unwrap();
    assert_eq!(packed.headers()["content-type"], Format::MessagePack.media_type());
}

#[tokio::test]
async fn a_request_that_is_not_one_is_refused_with_what_to_do() {
    let server = Running::new();
    let alice = Peer::new(&server, "alice", 1);
    let pull = pull_frame(alice.replica, None, 0);
    let (status, frames) = alice.send("push", &pull).await;
    assert_eq!((status, error_code(&frames)), (400, "bad_frame"));
    let (status, frames) = alice.send("pull", &ClientFrame::Ping(Ping {})).await;
    assert_eq!((status, error_code(&frames)), (400, "bad_frame"));
    let (status, frames) = alice.send("push", &push_frame(alice.replica, &[])).await;
    assert_eq!((status, error_code(&frames)), (400, "bad_frame"));
    let bare = alice.http.post(format!("{}/pull", alice.url)).bearer_auth(&alice.token);
    let (status, frames) = answer(bare.body("x").send().await.unwrap()).await;
    assert_eq!((status, error_code(&frames)), (415, "bad_frame"));
    let mut old = pull;
    if let ClientFrame::Pull(pull) = &mut old {
        pull.protocol = 99;
    }
    let (status, frames) = alice.send("pull", &old).await;
    assert_eq!((status, error_code(&frames)), (426, "upgrade_required"));
}
