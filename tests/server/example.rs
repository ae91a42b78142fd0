//! The example backend, as the README runs it: `npm run example:backend`, and the server with its configuration.

use crate::{
    peer::{Peer, error_code},
    running::{Running, Setup, root},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

struct Backend {
    child: Child,
    address: String,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Backend {
    fn start() -> Self {
        let mut node = Command::new("node");
        node.args(["--import", "./scripts/typescript.mjs", "examples/backend/main.ts"]).env("PORT", "0").current_dir(root());
        let mut child = node.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().unwrap();
        let address = first.split_once("http://").unwrap().1.to_owned();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let into = printed.clone();
        thread::spawn(move || lines.for_each(|line| into.lock().unwrap().push(line)));
        Self { child, address, printed }
    }

    /// What it printed, once there are so many lines.
    async fn printed(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let printed = self.printed.lock().unwrap().clone();
            if printed.len() >= count {
                return printed;
            }
            assert!(Instant::now() < deadline, "{printed:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn server(&self, secret: Option<&str>) -> Running {
        let url = |path: &str| format!("http://{}/{path}", self.address);
        let mut setup = Setup::new();
        setup.config = Some(root().join("examples/backend/seaworthy.toml"));
        setup.dev = true;
        setup.env = vec![("SEAWORTHY_HANDLERS__SHOP__URL", url("decide")), ("SEAWORTHY_WEBHOOKS__SHOP__URL", url("events"))];
        setup.env.extend(secret.map(|secret| ("SEAWORTHY_HANDLERS__SHOP__SECRET", secret.to_owned())));
        setup.start()
    }
}

async fn dev_token(server: &Running, user: &str) -> String {
    let asked = crate::peer::http().post(server.url("/dev/token")).json(&json!({ "user": user })).send().await.unwrap();
    asked.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
}

/// Pushes changes of one order in JSON, each a transaction, and gives the outcomes.
async fn order(alice: &Peer, from: u64, changes: &[Value]) -> Vec<Value> {
    let transactions: Vec<Value> =
        changes.iter().zip(from..).map(|(change, sequence)| json!({ "id": format!("{sequence:032x}"), "sequence": sequence, "changes": [change] })).collect();
    let push = json!({ "push": { "replica": alice.replica.to_string(), "transactions": transactions } });
    let answer = alice.http.post(format!("{}/push", alice.url)).bearer_auth(&alice.token).json(&push).send().await.unwrap();
    let frames: Value = answer.json().await.unwrap();
    frames[0]["results"]["results"].as_array().unwrap().iter().map(|result| result["outcome"].clone()).collect()
}

fn new_order(id: &str, item: &str, quantity: u32) -> Value {
    json!({ "table": "orders", "op": "insert", "key": { "id": id }, "new": { "customer_id": "alice", "item": item, "quantity": quantity } })
}

#[tokio::test]
async fn it_prices_orders_refuses_some_and_hears_of_those_that_were_accepted() {
    let backend = Backend::start();
    let server = backend.server(None);
    let mut alice = Peer::new(&server, "alice", 1);
    alice.token = dev_token(&server, "alice").await;
    let outcomes = order(
        &alice,
        1,
        &[
            new_order("o1", " Tea ", 2),
            new_order("o2", "rum", 1),
            new_order("o3", "coffee", 11),
            json!({ "table": "orders", "op": "update", "key": { "id": "o1" }, "new": { "quantity": 3, "price_cents": 1 } }),
            json!({ "table": "orders", "op": "delete", "key": { "id": "o1" }, "old": {} }),
        ],
    )
    .await;
    assert_eq!(outcomes[0]["merged"]["rewritten"], json!([{ "table": "orders", "key": ["o1"], "new": { "item": "tea", "price_cents": 900 } }]));
    assert_eq!(outcomes[1]["rejected"]["code"], "unknown_item");
    assert_eq!((&outcomes[2]["rejected"]["code"], &outcomes[2]["rejected"]["message"]), (&json!("refused"), &json!("Order between 1 and 10.")));
    assert_eq!(outcomes[3]["merged"]["rewritten"][0]["new"], json!({ "item": "tea", "price_cents": 1350 }));
    assert_eq!(outcomes[4]["rejected"]["code"], "no_cancelling");
    let printed = backend.printed(7).await;
    let committed: Vec<_> = printed.iter().filter(|line| line.starts_with("committed")).collect();
    assert_eq!(committed.len(), 2, "{printed:?}");
    assert!(committed[0].contains(r#"alice insert {"id":"o1""#) && committed[0].contains(r#""price_cents":900"#), "{printed:?}");
    assert!(committed[1].contains("alice update") && committed[1].contains(r#""quantity":3"#), "{printed:?}");
}

#[tokio::test]
async fn it_answers_nobody_who_does_not_have_its_secret() {
    let backend = Backend::start();
    let server = backend.server(Some("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    let mut alice = Peer::new(&server, "alice", 1);
    let (_, frames) = alice.send("pull", &crate::peer::pull_frame(alice.replica, None, 0)).await;
    assert_eq!(error_code(&frames), "unauthorized");
    alice.token = dev_token(&server, "alice").await;
    let outcomes = order(&alice, 1, &[new_order("o1", "tea", 1)]).await;
    assert!(outcomes[0]["retry_later"]["retry_after_ms"].is_u64(), "{outcomes:?}");
    server.logs("401 Unauthorized");
    let unsigned = alice.http.post(format!("http://{}/decide", backend.address)).json(&json!({})).send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
}
