//! Flags, variables, and the development mode.

use crate::{
    peer::{Peer, pull_frame},
    running::{Running, Setup},
};
use serde_json::json;

fn http() -> reqwest::Client {
    crate::peer::http()
}

#[tokio::test]
async fn in_development_anybody_gets_a_token_and_the_server_warns() {
    let mut setup = Setup::new();
    setup.dev = true;
    let server = setup.start();
    server.logs("DEVELOPMENT MODE");
    let ask = |body: serde_json::Value| http().post(server.url("/dev/token")).json(&body).send();
    let answer: serde_json::Value = ask(json!({ "user": "alice" })).await.unwrap().json().await.unwrap();
    assert_eq!((answer["user"].as_str(), answer["expires_in_ms"].as_u64()), (Some("alice"), Some(3_600_000)));
    let mut peer = Peer::new(&server, "alice", 1);
    peer.token = answer["token"].as_str().unwrap().to_owned();
    assert_eq!(peer.send("pull", &pull_frame(peer.replica, None, 0)).await.0, 200);
    assert_eq!(ask(json!({ "user": "" })).await.unwrap().status(), 400);
    assert!(ask(json!({})).await.unwrap().status().is_client_error());
    // A web page elsewhere cannot ask without a preflight, which nobody allows it.
    let simple = http().post(server.url("/dev/token")).header("content-type", "text/plain").body(r#"{"user": "alice"}"#).send().await.unwrap();
    assert_eq!(simple.status(), 415);
}

#[tokio::test]
async fn without_the_flag_there_are_no_tokens_to_be_had() {
    let server = Running::new();
    assert!(!server.log().contains("DEVELOPMENT MODE"));
    let answer = http().post(server.url("/dev/token")).json(&json!({ "user": "alice" })).send().await.unwrap();
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn variables_and_flags_override_the_file() {
    let setup = Setup::new();
    let mut command = setup.command();
    let secret = "12345678901234567890123456789012";
    command.env("SEAWORTHY_AUTH__SECRET", secret).env("SEAWORTHY_LIMITS__MAX_CONNECTIONS", "0");
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("limits.max_connections"), "{message}");
    let mut command = setup.command();
    command.env("SEAWORTHY_LISTEN", "nowhere").args(["--listen", "also nowhere"]);
    let message = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(message.contains("also nowhere"), "{message}");
}
