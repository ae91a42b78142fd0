//! A sign-in: signs tokens with keys of its own, and publishes the public ones over HTTP.

use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// Keys made for these tests alone, with `openssl genpkey`.
macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("keys/", $name, ".pem"))
    };
}

pub const RSA_PUBLIC: &[u8] = pem!("rsa-good.pub");
pub const EC_PUBLIC: &[u8] = pem!("ec-good.pub");
pub const ED_PUBLIC: &[u8] = pem!("ed-good.pub");

/// A private key with its algorithm and name.
pub struct Signer {
    pub algorithm: Algorithm,
    pub key: EncodingKey,
    pub kid: Option<String>,
}

impl Signer {
    pub fn rsa(other: bool) -> Self {
        let pem: &[u8] = if other { pem!("rsa-other") } else { pem!("rsa-good") };
        Self { algorithm: Algorithm::RS256, key: EncodingKey::from_rsa_pem(pem).unwrap(), kid: None }
    }

    pub fn ec(other: bool) -> Self {
        let pem: &[u8] = if other { pem!("ec-other") } else { pem!("ec-good") };
        Self { algorithm: Algorithm::ES256, key: EncodingKey::from_ec_pem(pem).unwrap(), kid: None }
    }

    pub fn ed(other: bool) -> Self {
        let pem: &[u8] = if other { pem!("ed-other") } else { pem!("ed-good") };
        Self { algorithm: Algorithm::EdDSA, key: EncodingKey::from_ed_pem(pem).unwrap(), kid: None }
    }

    pub fn named(mut self, kid: &str) -> Self {
        self.kid = Some(kid.to_owned());
        self
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: self.kid.clone(), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }

    /// The public key.
    pub fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id.clone_from(&self.kid);
        serde_json::to_value(jwk).unwrap()
    }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn claims() -> Value {
    json!({ "iss": "test", "aud": "test", "sub": "alice", "exp": now() + 600 })
}

pub fn set(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Serves one text over HTTP, or fails.
pub struct Publisher {
    pub address: String,
    pub fetches: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<String>>>,
}

impl Publisher {
    pub fn new(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let this = Self { address, fetches: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let (fetches, answer) = (this.fetches.clone(), this.answer.clone());
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                head.take_while(|line| !line.is_empty()).for_each(drop);
                fetches.fetch_add(1, Ordering::SeqCst);
                let (status, body) = match answer.lock().unwrap().clone() {
                    Some(body) => ("200 OK", body),
                    None => ("500 Internal Server Error", String::new()),
                };
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            }
        });
        this
    }

    /// What it answers from now on; nothing means that it is down.
    pub fn publish(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}
