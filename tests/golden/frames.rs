//! One sample or more of every frame, with the values that encoders get wrong.

use seaworthy_protocol::{
    BucketId, BucketUpdate, Changes, Checkpoint, ClientFrame, Conflict, ConflictKind, Cursor, DecodeError, Epoch, ErrorCode, ErrorFrame, Format, Hello, Image,
    Incarnation, Op, Outcome, Ping, Policy, Pong, Position, Pull, Push, RejectCode, RejectData, ReplicaId, Results, RewrittenRow, RowChange, RowKey, Rows,
    Sequence, ServerFrame, StreamError, StreamErrorCode, StreamState, Subscribe, Subscription, TableChanges, TokenRenewal, Transaction, TransactionId,
    TransactionResult, Value, Welcome, decode_client, decode_server, encode_client, encode_server,
};
use std::collections::BTreeMap;

/// A frame of either side.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// From a client.
    Client(ClientFrame),
    /// From the server.
    Server(ServerFrame),
}

impl Frame {
    pub fn encode(&self, format: Format) -> Vec<u8> {
        match self {
            Self::Client(frame) => encode_client(frame, format),
            Self::Server(frame) => encode_server(frame, format),
        }
    }

    /// Decodes a frame of the same side as this one.
    pub fn decode_same(&self, bytes: &[u8], format: Format) -> Result<Self, DecodeError> {
        match self {
            Self::Client(_) => decode_client(bytes, format).map(Self::Client),
            Self::Server(_) => decode_server(bytes, format).map(Self::Server),
        }
    }
}

pub fn samples() -> Vec<(&'static str, Frame)> {
    let client = client_samples().into_iter().map(|(name, frame)| (name, Frame::Client(frame)));
    let server = server_samples().into_iter().map(|(name, frame)| (name, Frame::Server(frame)));
    client.chain(server).collect()
}

const REPLICA: ReplicaId = ReplicaId([0x01, 0x92, 0xf0, 0xc1, 0x5e, 0x00, 0x70, 0x00, 0x80, 0, 0, 0, 0, 0, 0, 0x01]);
const CURSOR: Cursor = Cursor { position: Position(42), incarnation: Incarnation([0xab; 16]) };
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl";

fn client_samples() -> Vec<(&'static str, ClientFrame)> {
    let hello = Hello { protocol: 1, token: TOKEN.into(), replica: REPLICA, ..Hello::default() };
    let pull = Pull { protocol: 1, replica: REPLICA, ..Pull::default() };
    let (subscriptions, buckets) = (vec![subscription()], bucket_ids());
    vec![
        ("hello_first", ClientFrame::Hello(hello.clone())),
        (
            "hello",
            ClientFrame::Hello(Hello {
                cursor: Some(CURSOR),
                schema_version: 3,
                doubtful: ids(),
                subscriptions: subscriptions.clone(),
                buckets: buckets.clone(),
                ..hello
            }),
        ),
        ("push", ClientFrame::Push(Push { replica: REPLICA, transactions: vec![first_transaction(), second_transaction()] })),
        ("pull_first", ClientFrame::Pull(pull.clone())),
        (
            "pull",
            ClientFrame::Pull(Pull {
                cursor: Some(CURSOR),
                wait_ms: 20_000,
                schema_version: 3,
                doubtful: ids(),
                subscriptions: subscriptions.clone(),
                buckets,
                ..pull
            }),
        ),
        ("subscribe", ClientFrame::Subscribe(Subscribe { subscriptions })),
        ("token", ClientFrame::Token(TokenRenewal { token: TOKEN.into() })),
        ("ping", ClientFrame::Ping(Ping {})),
    ]
}

fn subscription() -> Subscription {
    let params = [("list_id".to_owned(), "l1".into()), ("since".to_owned(), 9_007_199_254_740_993.into())];
    Subscription { stream: "list_todos".into(), params: params.into() }
}

fn bucket_ids() -> Vec<BucketId> {
    vec![BucketId("1.0[\"alice\"]".into()), BucketId("2.0[\"l1\"]".into())]
}

fn stream_states() -> Vec<StreamState> {
    let Subscription { stream, params } = subscription();
    let [lists, todos] = bucket_ids().try_into().unwrap_or_default();
    let error = StreamError::new(StreamErrorCode::UnknownStream, "the server has no stream archive");
    vec![
        StreamState { stream: "lists".into(), params: BTreeMap::new(), auto: true, buckets: vec![lists], error: None },
        StreamState { stream, params, auto: false, buckets: vec![todos], error: None },
        StreamState { stream: "archive".into(), params: BTreeMap::new(), auto: false, buckets: vec![], error: Some(error) },
    ]
}

fn updates() -> Vec<BucketUpdate> {
    let update = |(bucket, joined)| BucketUpdate { bucket, joined, rows: 2, checksum: 9_007_199_254_740_991 };
    bucket_ids().into_iter().zip([false, true]).map(update).collect()
}

fn ids() -> Vec<TransactionId> {
    vec![TransactionId([0x33; 16]), TransactionId([0x44; 16])]
}

fn first_transaction() -> Transaction {
    let columns = ["id", "title", "done"].map(str::to_owned).to_vec();
    let insert = RowChange { op: Op::Insert, indirect: false, old: Vec::new(), new: vec![Some("t1".into()), Some("Buy milk".into()), Some(0.into())] };
    let table = TableChanges { name: "todos".into(), columns, key: vec![1, 0, 0], rows: vec![insert] };
    Transaction {
        id: TransactionId([0x11; 16]),
        sequence: Sequence(7),
        base: None,
        schema_version: 0,
        after: Vec::new(),
        policy: None,
        changes: Changes { tables: vec![table] },
    }
}

fn second_transaction() -> Transaction {
    let update = RowChange { op: Op::Update, indirect: false, old: vec![Some("t1".into()), None, Some(0.into())], new: vec![None, None, Some(1.into())] };
    let delete = RowChange { op: Op::Delete, indirect: true, old: vec![Some("t0".into()), Some("Old".into()), Some(1.into())], new: Vec::new() };
    let columns = ["id", "title", "done"].map(str::to_owned).to_vec();
    let todos = TableChanges { name: "todos".into(), columns, key: vec![1, 0, 0], rows: vec![update, delete] };
    let insert = RowChange { op: Op::Insert, indirect: false, old: Vec::new(), new: vec![Some("bob".into()), Some("l1".into())] };
    let columns = ["user", "list"].map(str::to_owned).to_vec();
    let members = TableChanges { name: "members".into(), columns, key: vec![2, 1], rows: vec![insert] };
    Transaction {
        id: TransactionId([0x22; 16]),
        sequence: Sequence(8),
        base: Some(CURSOR),
        schema_version: 3,
        after: vec![Sequence(7)],
        policy: Some(Policy::Fail),
        changes: Changes { tables: vec![todos, members] },
    }
}

fn server_samples() -> Vec<(&'static str, ServerFrame)> {
    let welcome = Welcome {
        protocol: 1,
        epoch: Epoch([0xee; 16]),
        issuer: "https://issuer.example".into(),
        subject: "alice".into(),
        last_sequence: Sequence(6),
        durable_through: Position(3),
        token_expires_in_ms: 3_600_000,
    };
    vec![
        ("welcome", ServerFrame::Welcome(welcome)),
        ("results", ServerFrame::Results(Results { results: outcomes() })),
        ("rows", ServerFrame::Rows(rows())),
        ("checkpoint", ServerFrame::Checkpoint(checkpoint())),
        ("checkpoint_reset", ServerFrame::Checkpoint(Checkpoint::resetting(CURSOR))),
        ("error", ServerFrame::Error(ErrorFrame::new(ErrorCode::Unauthorized, "the token has expired: sign in again"))),
        ("error_retry", ServerFrame::Error(ErrorFrame::new(ErrorCode::Unavailable, "the server is stopping: try again"))),
        ("pong", ServerFrame::Pong(Pong {})),
    ]
}

fn checkpoint() -> Checkpoint {
    Checkpoint { known: Some(ids()), streams: Some(stream_states()), buckets: updates(), partial: true, ..Checkpoint::at(CURSOR) }
}

fn outcomes() -> Vec<TransactionResult> {
    let dropped = vec![RowKey { table: "members".into(), key: vec!["l1".into(), 9_007_199_254_740_993.into()] }];
    let rewritten = vec![RewrittenRow { table: "todos".into(), key: vec!["t1".into()], new: Image::from([("title".into(), "Milk".into())]) }];
    let outcomes = [
        Outcome::Applied { position: Position(43) },
        Outcome::Merged { position: Position(9_007_199_254_740_991), dropped, rewritten: vec![] },
        Outcome::Merged { position: Position(43), dropped: vec![], rewritten },
        Outcome::Rejected {
            position: Position(43),
            code: RejectCode::Forbidden.as_str().into(),
            message: "the list belongs to another user".into(),
            data: None,
        },
        Outcome::Rejected { position: Position(43), code: RejectCode::Conflict.as_str().into(), message: "others wrote".into(), data: Some(conflicts()) },
        Outcome::RetryLater { retry_after_ms: 500, message: "the server is busy".into() },
        Outcome::Gap { expected: Sequence(7) },
        Outcome::IdentityReused,
    ];
    (7..).zip(outcomes).map(|(sequence, outcome)| TransactionResult { sequence: Sequence(sequence), outcome }).collect()
}

fn conflicts() -> RejectData {
    let image = |cells: &[(&str, Value)]| -> Image { cells.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect() };
    let todo = |kind, id: &str, base, local, remote| Conflict { table: "todos".into(), kind, key: image(&[("id", id.into())]), base, local, remote };
    let conflicts = vec![
        todo(
            ConflictKind::Data,
            "t1",
            Some(image(&[("done", 0.into())])),
            Some(image(&[("done", 1.into())])),
            Some(image(&[("done", 2.into()), ("title", "Soy milk".into())])),
        ),
        todo(ConflictKind::NotFound, "t0", Some(image(&[("done", 1.into()), ("title", "Old".into())])), None, None),
    ];
    RejectData { policy: Policy::Fail, conflicts, left_out: 3 }
}

fn rows() -> Rows {
    let values = [
        Value::Null,
        Value::Integer(0),
        Value::Integer(-1),
        Value::Integer(9_007_199_254_740_991),
        Value::Integer(9_007_199_254_740_993),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(1.0),
        Value::Real(0.1),
        Value::Real(-0.0),
        Value::Real(1e300),
        Value::Real(5e-324),
        Value::Real(2.225_073_858_507_201e-308),
        Value::Real(f64::INFINITY),
        Value::Text(String::new()),
        Value::Text("naïve \u{0} 🌊".into()),
        Value::Blob(Vec::new()),
        Value::Blob(vec![0, 0xff, 0x80]),
    ];
    let rows = (1..).zip(values).map(|(id, value)| vec![Value::Integer(id), value]).collect();
    let bucket = BucketId("3.0[]".into());
    Rows { bucket, table: "values".into(), columns: vec!["id".into(), "value".into()], key: vec!["id".into()], rows, gone: vec![vec![Value::Integer(99)]] }
}
