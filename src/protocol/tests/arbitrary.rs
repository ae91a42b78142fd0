//! Strategies for everything that can cross the wire.

use proptest::collection::{btree_map, hash_set, vec};
use proptest::prelude::*;
use seaworthy_protocol::*;
use std::collections::BTreeMap;

pub fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        key_value(),
        prop_oneof![any::<f64>().prop_filter("SQLite stores no NaN", |real| !real.is_nan()), Just(-0.0), Just(1.0), Just(f64::INFINITY)].prop_map(Value::Real),
    ]
}

/// Values that may stand in a key: everything but NULL, and few enough to meet again.
pub fn key_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        prop_oneof![-2..3_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just((1 << 53) + 1)].prop_map(Value::Integer),
        prop_oneof!["[a-c]?", any::<String>(), Just("a\0b".to_owned())].prop_map(Value::Text),
        vec(any::<u8>(), 0..20).prop_map(Value::Blob),
    ]
}

pub fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,6}", "[^\0]{1,12}"]
}

fn id() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>()
}

fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![0..100_u64, 0..=limits::MAX_COUNTER, Just(limits::MAX_COUNTER)]
}

fn cursor() -> impl Strategy<Value = Cursor> {
    (counter(), id()).prop_map(|(position, incarnation)| Cursor { position: Position(position), incarnation: Incarnation(incarnation) })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![Just(Op::Insert), Just(Op::Update), Just(Op::Delete)]
}

/// A row's values for each of the other columns, before and after.
type Rest = Vec<(Option<Value>, Option<Value>)>;

fn row(columns: usize) -> impl Strategy<Value = (Op, bool, Rest)> {
    (op(), any::<bool>(), vec((proptest::option::of(value()), proptest::option::of(value())), columns))
}

fn whole(key: Vec<Value>, rest: impl Iterator<Item = Option<Value>>) -> Vec<Option<Value>> {
    key.into_iter().map(Some).chain(rest).collect()
}

fn change(key: Vec<Value>, (op, indirect, rest): (Op, bool, Rest)) -> RowChange {
    let no_key = vec![None; key.len()];
    let (old, new): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
    let complete = |image: Vec<Option<Value>>| image.into_iter().map(|cell| Some(cell.unwrap_or_default()));
    let (old, new) = match op {
        Op::Insert => (Vec::new(), whole(key, complete(new))),
        Op::Delete => (whole(key, complete(old)), Vec::new()),
        Op::Update => (whole(key, old.into_iter()), no_key.into_iter().chain(new).collect()),
    };
    RowChange { op, indirect, old, new }
}

fn table(name: String) -> impl Strategy<Value = TableChanges> {
    let sizes = (1..3_usize, 0..4_usize);
    sizes.prop_flat_map(move |(keys, others)| {
        let name = name.clone();
        let columns = hash_set(self::name(), keys + others).prop_map(|set| set.into_iter().collect::<Vec<_>>());
        let key = Just((1..=keys as u8).collect::<Vec<_>>()).prop_shuffle();
        let rows = hash_set(vec(key_value(), keys), 1..6).prop_flat_map(move |keys| {
            let keys: Vec<_> = keys.into_iter().collect();
            let count = keys.len();
            (Just(keys), vec(row(others), count))
        });
        (columns, key, rows).prop_map(move |(columns, mut key, (keys, rows))| {
            key.resize(columns.len(), 0);
            let rows = keys.into_iter().zip(rows).map(|(key, row)| change(key, row)).collect();
            TableChanges { name: name.clone(), columns, key, rows }
        })
    })
}

pub fn changes() -> impl Strategy<Value = Changes> {
    hash_set(name(), 0..4).prop_flat_map(|names| names.into_iter().map(table).collect::<Vec<_>>()).prop_map(|tables| Changes { tables })
}

fn transaction(sequence: u64) -> impl Strategy<Value = Transaction> {
    let after = if sequence > 1 { vec(1..sequence, 0..3).boxed() } else { Just(Vec::new()).boxed() };
    (id(), proptest::option::of(cursor()), any::<u32>(), after, proptest::option::of(policy()), changes()).prop_map(
        move |(id, base, schema_version, after, policy, changes)| Transaction {
            id: TransactionId(id),
            sequence: Sequence(sequence),
            base,
            schema_version,
            after: after.into_iter().map(Sequence).collect(),
            policy,
            changes,
        },
    )
}

fn push() -> impl Strategy<Value = Push> {
    let transactions = (1..1000_u64, 0..3_u64).prop_flat_map(|(first, count)| (first..first + count).map(transaction).collect::<Vec<_>>());
    (id(), transactions).prop_map(|(replica, transactions)| Push { replica: ReplicaId(replica), transactions })
}

fn transaction_ids() -> impl Strategy<Value = Vec<TransactionId>> {
    vec(id().prop_map(TransactionId), 0..3)
}

fn params() -> impl Strategy<Value = BTreeMap<String, Value>> {
    btree_map(name(), value(), 0..3)
}

fn subscriptions() -> impl Strategy<Value = Vec<Subscription>> {
    vec((name(), params()).prop_map(|(stream, params)| Subscription { stream, params }), 0..3)
}

fn bucket_ids() -> impl Strategy<Value = Vec<BucketId>> {
    vec(name().prop_map(BucketId), 0..3)
}

fn stream_state() -> impl Strategy<Value = StreamState> {
    let error = (name(), any::<String>()).prop_map(|(code, message)| StreamError { code, message });
    (name(), params(), any::<bool>(), bucket_ids(), proptest::option::of(error)).prop_map(|(stream, params, auto, buckets, error)| StreamState {
        stream,
        params,
        auto,
        buckets,
        error,
    })
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let update = (name(), any::<bool>(), counter(), counter());
    let update = update.prop_map(|(bucket, joined, rows, checksum)| BucketUpdate { bucket: BucketId(bucket), joined, rows, checksum });
    let streams = proptest::option::of(vec(stream_state(), 0..3));
    let flags = (any::<bool>(), any::<bool>());
    (cursor(), flags, proptest::option::of(transaction_ids()), streams, vec(update, 0..3))
        .prop_map(|(cursor, (reset, partial), known, streams, buckets)| Checkpoint { cursor, reset, known, streams, buckets, partial })
}

pub fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let hello = (any::<u16>(), any::<String>(), id(), proptest::option::of(cursor()), any::<u32>(), transaction_ids(), subscriptions(), bucket_ids());
    let pull = (any::<u16>(), id(), proptest::option::of(cursor()), counter(), any::<u32>(), transaction_ids(), subscriptions(), bucket_ids());
    prop_oneof![
        hello.prop_map(|(protocol, token, replica, cursor, schema_version, doubtful, subscriptions, buckets)| ClientFrame::Hello(Hello {
            protocol,
            token,
            replica: ReplicaId(replica),
            cursor,
            schema_version,
            doubtful,
            subscriptions,
            buckets,
        })),
        push().prop_map(ClientFrame::Push),
        pull.prop_map(|(protocol, replica, cursor, wait_ms, schema_version, doubtful, subscriptions, buckets)| ClientFrame::Pull(Pull {
            protocol,
            replica: ReplicaId(replica),
            cursor,
            wait_ms,
            schema_version,
            doubtful,
            subscriptions,
            buckets,
        })),
        subscriptions().prop_map(|subscriptions| ClientFrame::Subscribe(Subscribe { subscriptions })),
        any::<String>().prop_map(|token| ClientFrame::Token(TokenRenewal { token })),
        Just(ClientFrame::Ping(Ping {})),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Rebase), Just(Policy::Server), Just(Policy::Manual), Just(Policy::Fail)]
}

fn image() -> impl Strategy<Value = Image> {
    btree_map(name(), value(), 0..3)
}

fn reject_data() -> impl Strategy<Value = RejectData> {
    let kind = prop_oneof![Just(ConflictKind::Data), Just(ConflictKind::NotFound), Just(ConflictKind::Exists)];
    let side = || proptest::option::of(image());
    let conflict =
        (name(), kind, image(), side(), side(), side()).prop_map(|(table, kind, key, base, local, remote)| Conflict { table, kind, key, base, local, remote });
    (policy(), vec(conflict, 0..3), any::<u32>()).prop_map(|(policy, conflicts, left_out)| RejectData { policy, conflicts, left_out })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let dropped = vec((name(), vec(value(), 1..3)).prop_map(|(table, key)| RowKey { table, key }), 0..3);
    let rewritten = vec((name(), vec(value(), 1..3), image()).prop_map(|(table, key, new)| RewrittenRow { table, key, new }), 0..3);
    prop_oneof![
        counter().prop_map(|position| Outcome::Applied { position: Position(position) }),
        (counter(), dropped, rewritten).prop_map(|(position, dropped, rewritten)| Outcome::Merged { position: Position(position), dropped, rewritten }),
        (counter(), name(), any::<String>(), proptest::option::of(reject_data())).prop_map(|(position, code, message, data)| Outcome::Rejected {
            position: Position(position),
            code,
            message,
            data
        }),
        (counter(), any::<String>()).prop_map(|(retry_after_ms, message)| Outcome::RetryLater { retry_after_ms, message }),
        counter().prop_map(|expected| Outcome::Gap { expected: Sequence(expected) }),
        Just(Outcome::IdentityReused),
    ]
}

fn rows() -> impl Strategy<Value = Rows> {
    (name(), btree_map(name(), any::<bool>(), 1..5)).prop_flat_map(|(table, columns)| {
        let mut key: Vec<String> = columns.iter().filter(|(_, is_key)| **is_key).map(|(name, _)| name.clone()).collect();
        let columns: Vec<String> = columns.into_keys().collect();
        if key.is_empty() {
            key.push(columns[0].clone());
        }
        let (rows, gone) = (vec(vec(value(), columns.len()), 0..5), vec(vec(key_value(), key.len()), 0..5));
        (name(), rows, gone).prop_map(move |(bucket, rows, gone)| Rows {
            bucket: BucketId(bucket),
            table: table.clone(),
            columns: columns.clone(),
            key: key.clone(),
            rows,
            gone,
        })
    })
}

pub fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let welcome = (any::<u16>(), id(), any::<String>(), any::<String>(), counter(), counter(), counter());
    let results = vec((counter(), outcome()).prop_map(|(sequence, outcome)| TransactionResult { sequence: Sequence(sequence), outcome }), 0..5);
    prop_oneof![
        welcome.prop_map(|(protocol, epoch, issuer, subject, last_sequence, durable_through, token_expires_in_ms)| ServerFrame::Welcome(Welcome {
            protocol,
            epoch: Epoch(epoch),
            issuer,
            subject,
            last_sequence: Sequence(last_sequence),
            durable_through: Position(durable_through),
            token_expires_in_ms
        })),
        results.prop_map(|results| ServerFrame::Results(Results { results })),
        rows().prop_map(ServerFrame::Rows),
        checkpoint().prop_map(ServerFrame::Checkpoint),
        (name(), any::<String>(), proptest::option::of(counter())).prop_map(|(code, message, retry_after_ms)| ServerFrame::Error(ErrorFrame {
            code,
            message,
            retry_after_ms
        })),
        Just(ServerFrame::Pong(Pong {})),
    ]
}
