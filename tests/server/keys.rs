//! Keys other than the secret: static ones, and those that a sign-in publishes and changes.

use crate::{
    issuer::{EC_PUBLIC, ED_PUBLIC, Publisher, RSA_PUBLIC, Signer, claims, now, set},
    peer::{Peer, error_code, pull_frame, token},
    running::{Running, Setup},
};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Sends a token: the status, and the code of the error if there is one.
async fn answer(server: &Running, token: String) -> (u16, String) {
    let mut peer = Peer::new(server, "alice", 1);
    peer.token = token;
    let (status, frames) = peer.send("pull", &pull_frame(peer.replica, None, 0)).await;
    (status, if status == 200 { String::new() } else { error_code(&frames).to_owned() })
}

#[track_caller]
fn refused(answer: (u16, String), why: &str) {
    assert_eq!(answer, (401, "unauthorized".to_owned()), "{why}");
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// RSA and Ed25519 from PEM, here and in a file; P-256 from a JWK.
fn with_static_keys() -> Running {
    let mut setup = Setup::new();
    std::fs::write(setup.folder.path().join("ed.pem"), ED_PUBLIC).unwrap();
    let rsa = std::str::from_utf8(RSA_PUBLIC).unwrap();
    setup.keys = format!(
        "[[auth.keys]]\nkid = \"r\"\nkey = '''{rsa}'''\n[[auth.keys]]\nfile = \"ed.pem\"\n[[auth.keys]]\nkey = '{}'\n",
        Signer::ec(false).named("e").jwk()
    );
    setup.start()
}

fn signers(other: bool) -> [Signer; 3] {
    [Signer::rsa(other).named("r"), Signer::ec(other).named("e"), Signer::ed(other)]
}

#[tokio::test]
async fn each_algorithm_is_taken_with_its_key_and_with_no_other() {
    let server = with_static_keys();
    for signer in signers(false) {
        assert_eq!(answer(&server, signer.sign(&claims())).await.0, 200, "{:?}", signer.algorithm);
        let nameless = Signer { kid: None, ..signer };
        assert_eq!(answer(&server, nameless.sign(&claims())).await.0, 200, "{:?} without a kid", nameless.algorithm);
    }
    assert_eq!(answer(&server, token("alice")).await.0, 200, "the secret");
    for signer in signers(true) {
        refused(answer(&server, signer.sign(&claims())).await, "another key");
    }
    refused(answer(&server, Signer::rsa(false).named("e").sign(&claims())).await, "the kid of another key");
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let server = with_static_keys();
    for public in [RSA_PUBLIC, EC_PUBLIC, ED_PUBLIC, RSA_PUBLIC.trim_ascii()] {
        for kid in [None, Some("r".to_owned()), Some("e".to_owned())] {
            let forger = Signer { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(public), kid };
            refused(answer(&server, forger.sign(&claims())).await, "HS256 with a public key");
        }
    }
    let ps256 = Signer { algorithm: Algorithm::PS256, ..Signer::rsa(false) };
    refused(answer(&server, ps256.sign(&claims())).await, "another algorithm of the same family");
}

#[tokio::test]
async fn claims_are_checked_whatever_the_algorithm() {
    let server = with_static_keys();
    let bad = [
        with("aud", json!("other")),
        with("aud", json!(7)),
        with("aud", json!([])),
        with("iss", json!("other")),
        with("iss", json!(["test", "other"])),
        with("exp", json!(now() - 60)),
        with("exp", json!("never")),
        with("nbf", json!(now() + 60)),
        with("nbf", json!("soon")),
        with("sub", json!({ "name": "alice" })),
        without("sub"),
        without("exp"),
        without("aud"),
        without("iss"),
    ];
    for signer in signers(false) {
        for claims in &bad {
            refused(answer(&server, signer.sign(claims)).await, &claims.to_string());
        }
        assert_eq!(answer(&server, signer.sign(&with("aud", json!(["other", "test"])))).await.0, 200);
    }
}

#[tokio::test]
async fn one_of_several_audiences_is_enough() {
    let mut setup = Setup::new();
    setup.audience = "[\"app\", \"api\"]".to_owned();
    setup.keys = format!("[[auth.keys]]\nkey = '{}'\n", Signer::ed(false).jwk());
    let server = setup.start();
    for (audience, status) in [("app", 200), ("api", 200), ("test", 401)] {
        assert_eq!(answer(&server, Signer::ed(false).sign(&with("aud", json!(audience)))).await.0, status, "{audience}");
    }
}

/// A server that takes the keys of the publisher only as often as these times say.
fn subscribed(publisher: &Publisher, refetch_after_ms: u64, max_age_ms: u64) -> Running {
    let mut setup = Setup::new();
    setup.keys =
        format!("[auth.jwks]\nurl = \"http://{}/jwks.json?key=hidden\"\nrefetch_after_ms = {refetch_after_ms}\nmax_age_ms = {max_age_ms}\n", publisher.address);
    setup.start()
}

#[tokio::test]
async fn a_key_that_is_not_known_is_fetched_and_one_that_was_taken_out_is_not_taken() {
    let (old, new) = (Signer::rsa(false).named("1"), Signer::ec(false).named("2"));
    let publisher = Publisher::new(Some(set(&[&old])));
    let server = subscribed(&publisher, 300, 3_600_000);
    assert_eq!(answer(&server, old.sign(&claims())).await.0, 200);
    assert_eq!(publisher.fetches(), 1, "known keys are not fetched again");
    publisher.publish(Some(set(&[&new])));
    sleep(Duration::from_millis(400)).await;
    assert_eq!(answer(&server, new.sign(&claims())).await.0, 200);
    assert_eq!(publisher.fetches(), 2);
    refused(answer(&server, old.sign(&claims())).await, "taken out");
    assert!(!server.log().contains("hidden"), "the address is logged whole");
}

#[tokio::test]
async fn tokens_with_invented_keys_cause_no_storm_of_fetches() {
    let publisher = Publisher::new(Some(set(&[&Signer::rsa(false).named("1")])));
    let server = subscribed(&publisher, 3_600_000, 3_600_000);
    for nth in 0..20 {
        refused(answer(&server, Signer::rsa(true).named(&format!("x{nth}")).sign(&claims())).await, "invented");
    }
    assert_eq!(publisher.fetches(), 1);
    assert_eq!(answer(&server, Signer::rsa(false).named("1").sign(&claims())).await.0, 200);
}

#[tokio::test]
async fn a_key_is_gone_after_the_maximum_age_though_nobody_asks() {
    let (old, new) = (Signer::ed(false).named("1"), Signer::ed(true).named("2"));
    let publisher = Publisher::new(Some(set(&[&old])));
    let server = subscribed(&publisher, 100, 200);
    assert_eq!(answer(&server, old.sign(&claims())).await.0, 200);
    publisher.publish(Some(set(&[&new])));
    let before = publisher.fetches();
    while publisher.fetches() < before + 2 {
        sleep(Duration::from_millis(20)).await;
    }
    refused(answer(&server, old.sign(&claims())).await, "taken out");
}

#[tokio::test]
async fn a_publisher_that_is_down_pauses_nobody_whose_key_is_known() {
    let signer = Signer::rsa(false).named("1");
    let publisher = Publisher::new(None);
    let server = subscribed(&publisher, 200, 400);
    assert_eq!(answer(&server, signer.sign(&claims())).await, (503, "unavailable".to_owned()), "nobody can say that it is bad");
    assert_eq!(answer(&server, token("alice")).await.0, 200, "the secret needs no fetch");
    publisher.publish(Some(set(&[&signer])));
    while answer(&server, signer.sign(&claims())).await.0 != 200 {
        sleep(Duration::from_millis(50)).await;
    }
    publisher.publish(Some("x".repeat(300_000)));
    while !server.log().contains("more than 262144 bytes") {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(answer(&server, signer.sign(&claims())).await.0, 200, "the former keys stay");
    server.logs("500");
}

#[tokio::test]
async fn a_secret_in_a_published_set_is_not_used() {
    let secret = b"a secret that was published by mistake";
    let forger = Signer { algorithm: Algorithm::HS256, key: EncodingKey::from_secret(secret), kid: Some("s".to_owned()) };
    let publisher = Publisher::new(Some(set(&[&forger])));
    let server = subscribed(&publisher, 3_600_000, 3_600_000);
    refused(answer(&server, forger.sign(&claims())).await, "published");
    server.logs("no place in a published set");
}

#[tokio::test]
async fn a_file_of_keys_may_change_while_the_server_runs() {
    let (old, new) = (Signer::rsa(false).named("1"), Signer::ec(false).named("2"));
    let mut setup = Setup::new();
    let file = setup.folder.path().join("jwks.json");
    std::fs::write(&file, set(&[&old])).unwrap();
    setup.keys = "[auth.jwks]\nfile = \"jwks.json\"\nrefetch_after_ms = 100\nmax_age_ms = 3600000\n".to_owned();
    let server = setup.start();
    assert_eq!(answer(&server, old.sign(&claims())).await.0, 200);
    std::fs::write(&file, set(&[&new])).unwrap();
    sleep(Duration::from_millis(150)).await;
    assert_eq!(answer(&server, new.sign(&claims())).await.0, 200, "a kid that is not known makes it read again");
    refused(answer(&server, old.sign(&claims())).await, "taken out");
}

#[tokio::test]
async fn a_publisher_that_never_answers_is_waited_for_no_longer_than_is_said() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut setup = Setup::new();
    setup.keys = format!("[auth.jwks]\nurl = \"http://{}/\"\ntimeout_ms = 200\nrefetch_after_ms = 60000\nmax_age_ms = 60000\n", silent.local_addr().unwrap());
    let server = setup.start();
    let asked = Instant::now();
    assert_eq!(answer(&server, Signer::rsa(false).named("1").sign(&claims())).await, (503, "unavailable".to_owned()));
    assert_eq!(answer(&server, token("alice")).await.0, 200, "and it holds up nobody else");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_token_that_demands_an_extension_is_refused() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as base64};
    let server = with_static_keys();
    let signer = Signer::ed(false);
    let signed = |header: &Value| {
        let message = format!("{}.{}", base64.encode(header.to_string()), base64.encode(claims().to_string()));
        format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &signer.key, signer.algorithm).unwrap())
    };
    assert_eq!(answer(&server, signed(&json!({ "alg": "EdDSA" }))).await.0, 200);
    refused(answer(&server, signed(&json!({ "alg": "EdDSA", "crit": ["exp-strict"], "exp-strict": true }))).await, "crit");
}
