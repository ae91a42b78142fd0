//! Tokens that must not be taken, over fetch and over the socket.

use crate::{
    peer::{Peer, auth, error_code, pull_frame, token},
    running::{Running, SECRET, Setup},
    socket::{Socket, hello},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use seaworthy_server::Tokens;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims() -> Value {
    json!({ "iss": "test", "aud": "test", "sub": "alice", "exp": now() + 600 })
}

/// A good token's claims, and this one.
pub fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub fn signed(algorithm: Algorithm, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn unsigned(header: &str) -> String {
    let part = |text: &str| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(text)
    };
    format!("{}.{}.", part(header), part(&claims().to_string()))
}

/// Every token that must be refused, with why.
fn bad() -> Vec<(&'static str, String)> {
    let issue = |secret: &str, audience: &str| Tokens::new(&auth(secret, audience)).unwrap().issue("alice", Duration::from_secs(60)).unwrap();
    let good = token("alice");
    let (body, signature) = good.rsplit_once('.').unwrap();
    let hs256 = |claims: Value| signed(Algorithm::HS256, &claims);
    vec![
        ("no algorithm", unsigned(r#"{"alg":"none","typ":"JWT"}"#)),
        ("no algorithm, in capitals", unsigned(r#"{"alg":"NONE"}"#)),
        ("no signature", format!("{body}.")),
        ("a cut signature", format!("{body}.{}", &signature[..signature.len() - 4])),
        ("another algorithm", signed(Algorithm::HS512, &claims())),
        ("another key", issue("another secret, which is also long enough", "test")),
        ("another audience", issue(SECRET, "somebody else")),
        ("another issuer", hs256(with("iss", json!("evil")))),
        ("expired", hs256(with("exp", json!(now() - 60)))),
        ("not yet valid", hs256(with("nbf", json!(now() + 60)))),
        ("no expiry", hs256(without("exp"))),
        ("no audience", hs256(without("aud"))),
        ("no issuer", hs256(without("iss"))),
        ("no subject", hs256(without("sub"))),
        ("a subject that is a number", hs256(with("sub", json!(7)))),
        ("a subject that is empty", hs256(with("sub", json!("")))),
        ("an expiry that is a text", hs256(with("exp", json!("never")))),
        ("nonsense", "nonsense".to_owned()),
        ("nothing", String::new()),
    ]
}

#[tokio::test]
async fn a_bad_token_is_refused_over_fetch_and_says_so() {
    let server = Running::new();
    let mut peer = Peer::new(&server, "alice", 1);
    for (why, token) in bad() {
        peer.token = token;
        let response = peer.request("pull", &pull_frame(peer.replica, None, 0)).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer", "{why}");
        let (status, frames) = crate::peer::answer(response).await;
        assert_eq!((status, error_code(&frames)), (401, "unauthorized"), "{why}");
    }
    peer.token = token("alice");
    assert_eq!(peer.send("pull", &pull_frame(peer.replica, None, 0)).await.0, 200);
}

#[tokio::test]
async fn a_bad_token_is_refused_over_the_socket() {
    let server = Running::new();
    for (why, token) in bad() {
        let mut socket = Socket::open(&server).await;
        socket.send(&hello(token, 1, None)).await;
        assert_eq!(socket.end().await, "unauthorized", "{why}");
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let server = Running::new();
    // The server allows for clocks that differ by five seconds.
    let short = signed(Algorithm::HS256, &with("exp", json!(now() - 3)));
    let (mut socket, _) = Socket::join(&server, short, 1, None).await;
    assert_eq!(socket.end().await, "unauthorized");
}

#[tokio::test]
async fn no_token_is_ever_logged() {
    let mut server = Setup::new();
    server.dev = true;
    let mut server = server.start();
    let http = crate::peer::http();
    let issued: Value = http.post(server.url("/dev/token")).json(&json!({ "user": "alice" })).send().await.unwrap().json().await.unwrap();
    let mut peer = Peer::new(&server, "alice", 1);
    let mut tokens: Vec<String> = bad().into_iter().map(|(_, token)| token).filter(|token| token.len() > 20).collect();
    tokens.extend([issued["token"].as_str().unwrap().to_owned(), token("alice")]);
    for token in &tokens {
        peer.token.clone_from(token);
        peer.send("pull", &pull_frame(peer.replica, None, 0)).await;
        let mut socket = Socket::open(&server).await;
        socket.send(&hello(token.clone(), 1, None)).await;
        socket.next().await;
    }
    server.stop();
    server.logs("a token was refused");
    let log = server.log();
    for token in tokens {
        let signature = token.rsplit('.').next().filter(|part| part.len() > 8).unwrap_or(&token);
        assert!(!log.contains(signature), "a token is in the log");
    }
    assert!(!log.contains(SECRET));
}

#[tokio::test]
async fn a_development_token_has_the_claims_that_are_asked_for_and_none_of_them_replaces_its_own() {
    let mut setup = Setup::new();
    setup.dev = true;
    let server = setup.start();
    let request = json!({ "user": "alice", "claims": { "team": "blue", "sub": "eve", "exp": 1, "iss": "eve" } });
    let issued: Value = crate::peer::http().post(server.url("/dev/token")).json(&request).send().await.unwrap().json().await.unwrap();
    let token = issued["token"].as_str().unwrap().to_owned();
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).unwrap().claims;
    assert_eq!((&claims["team"], &claims["sub"]), (&json!("blue"), &json!("alice")));
    let mut peer = Peer::new(&server, "alice", 1);
    peer.token = token;
    assert_eq!(peer.send("pull", &pull_frame(peer.replica, None, 0)).await.0, 200);
}
