//! A client over fetch: tokens, transactions and requests.

use crate::running::{Running, SECRET};
use seaworthy_protocol::{
    BucketId, Changes, ClientFrame, Cursor, Format, Op, Outcome, Pull, Push, ReplicaId, RowChange, Sequence, ServerFrame, TableChanges, Transaction, TransactionId,
    VERSION, Value, decode_server_frames, encode_client,
};
use seaworthy_server::{
    Tokens,
    config::{Audience, AuthConfig, Secret},
};
use std::time::Duration;

pub fn auth(secret: &str, audience: &str) -> AuthConfig {
    AuthConfig {
        issuer: "test".to_owned(),
        audience: Audience(vec![audience.to_owned()]),
        secret: Some(Secret(secret.to_owned())),
        keys: Vec::new(),
        jwks: None,
    }
}

pub fn http() -> reqwest::Client {
    seaworthy_server::http::client().no_proxy().build().unwrap()
}

pub fn token(subject: &str) -> String {
    Tokens::new(&auth(SECRET, "test")).unwrap().issue(subject, Duration::from_secs(600)).unwrap()
}

const LISTS: [&str; 5] = ["id", "name", "owner_id", "position", "created_at"];

fn change(op: Op, old: Vec<Option<Value>>, new: Vec<Option<Value>>) -> Changes {
    let rows = vec![RowChange { op, indirect: false, old, new }];
    Changes { tables: vec![TableChanges { name: "lists".to_owned(), columns: LISTS.map(str::to_owned).to_vec(), key: vec![1, 0, 0, 0, 0], rows }] }
}

/// A new list.
pub fn insert(id: &str, name: &str, owner: &str) -> Changes {
    change(Op::Insert, vec![], vec![Some(id.into()), Some(name.into()), Some(owner.into()), Some(Value::Real(1.0)), Some(1.into())])
}

/// Another name of a list, whatever it was before.
pub fn rename(id: &str, name: &str) -> Changes {
    renamed(id, "", name)
}

/// Another name of a list than the one that was seen.
pub fn renamed(id: &str, seen: &str, name: &str) -> Changes {
    change(Op::Update, vec![Some(id.into()), Some(seen.into()), None, None, None], vec![None, Some(name.into()), None, None, None])
}

/// A list that goes.
pub fn delete(id: &str, owner: &str) -> Changes {
    change(Op::Delete, vec![Some(id.into()), Some("".into()), Some(owner.into()), Some(Value::Real(1.0)), Some(1.into())], vec![])
}

pub fn transaction(replica: ReplicaId, sequence: u64, changes: Changes) -> Transaction {
    let mut id = replica.0;
    id[8..].copy_from_slice(&sequence.to_be_bytes());
    Transaction { id: TransactionId(id), sequence: Sequence(sequence), base: None, schema_version: 1, after: vec![], policy: None, changes }
}

/// What a replica of the tests holds once it has a cursor. Buckets of other users are no use to it.
pub fn held(cursor: Option<Cursor>) -> Vec<BucketId> {
    let of_user = |user| (1..=4).map(move |number| BucketId(format!("{number}.0[\"{user}\"]")));
    if cursor.is_some() { ["alice", "bob", "carol"].into_iter().flat_map(of_user).collect() } else { Vec::new() }
}

pub fn pull_frame(replica: ReplicaId, cursor: Option<Cursor>, wait_ms: u64) -> ClientFrame {
    ClientFrame::Pull(Pull { protocol: VERSION, replica, cursor, wait_ms, schema_version: 1, buckets: held(cursor), ..Pull::default() })
}

pub fn push_frame(replica: ReplicaId, transactions: &[Transaction]) -> ClientFrame {
    ClientFrame::Push(Push { replica, transactions: transactions.to_vec() })
}

/// What a pull brought.
pub struct Got {
    pub lists: Vec<(String, String)>,
    pub gone: Vec<Vec<Value>>,
    pub cursor: Cursor,
    pub reset: bool,
}

pub fn got(frames: &[ServerFrame]) -> Got {
    let (mut lists, mut gone) = (Vec::new(), Vec::new());
    for frame in frames {
        match frame {
            ServerFrame::Rows(rows) if rows.table == "lists" => {
                let text = |value: &Value| if let Value::Text(text) = value { text.clone() } else { panic!("{value:?}") };
                lists.extend(rows.rows.iter().map(|row| (text(&row[0]), text(&row[1]))));
                gone.extend(rows.gone.iter().cloned());
            }
            ServerFrame::Checkpoint(checkpoint) => {
                lists.sort();
                return Got { lists, gone, cursor: checkpoint.cursor, reset: checkpoint.reset };
            }
            _ => {}
        }
    }
    panic!("no checkpoint in {frames:?}");
}

/// One client database, over fetch.
pub struct Peer {
    pub url: String,
    pub token: String,
    pub replica: ReplicaId,
    pub http: reqwest::Client,
    sequence: u64,
}

impl Peer {
    pub fn new(server: &Running, subject: &str, replica: u8) -> Self {
        Self::at(&server.address, subject, replica)
    }

    pub fn at(address: &str, subject: &str, replica: u8) -> Self {
        Self { url: format!("http://{address}/sync/v1"), token: token(subject), replica: ReplicaId([replica; 16]), http: http(), sequence: 0 }
    }

    pub fn write(&mut self, changes: Changes) -> Transaction {
        self.sequence += 1;
        transaction(self.replica, self.sequence, changes)
    }

    pub fn request(&self, path: &str, frame: &ClientFrame) -> reqwest::RequestBuilder {
        let body = encode_client(frame, Format::MessagePack);
        self.http.post(format!("{}/{path}", self.url)).bearer_auth(&self.token).header("content-type", Format::MessagePack.media_type()).body(body)
    }

    pub async fn send(&self, path: &str, frame: &ClientFrame) -> (u16, Vec<ServerFrame>) {
        answer(self.request(path, frame).send().await.unwrap()).await
    }

    pub async fn push(&self, transactions: &[Transaction]) -> Vec<Outcome> {
        let (status, frames) = self.send("push", &push_frame(self.replica, transactions)).await;
        match frames.as_slice() {
            [ServerFrame::Results(results)] if status == 200 => results.results.iter().map(|result| result.outcome.clone()).collect(),
            other => panic!("{status} {other:?}"),
        }
    }

    pub async fn pull(&self, cursor: Option<Cursor>) -> Got {
        let (status, frames) = self.send("pull", &pull_frame(self.replica, cursor, 0)).await;
        assert_eq!(status, 200, "{frames:?}");
        assert!(matches!(frames[0], ServerFrame::Welcome(_)));
        got(&frames)
    }
}

pub async fn answer(response: reqwest::Response) -> (u16, Vec<ServerFrame>) {
    let status = response.status().as_u16();
    let format = Format::from_media_type(response.headers()["content-type"].to_str().unwrap()).unwrap();
    let bytes = response.bytes().await.unwrap();
    (status, decode_server_frames(&bytes, format).unwrap_or_else(|error| panic!("{status}: {error}: {:?}", String::from_utf8_lossy(&bytes))))
}

/// The code of an answer that is one error.
pub fn error_code(frames: &[ServerFrame]) -> &str {
    match frames {
        [.., ServerFrame::Error(error)] => &error.code,
        other => panic!("{other:?}"),
    }
}

/// The name of an outcome, or the code of a rejection.
pub fn end(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Applied { .. } => "applied",
        Outcome::Merged { .. } => "merged",
        Outcome::Rejected { code, .. } => code,
        Outcome::RetryLater { .. } => "retry_later",
        Outcome::Gap { .. } => "gap",
        Outcome::IdentityReused => "identity_reused",
    }
}
