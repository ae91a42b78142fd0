//! Scenario 6: values arrive as they were written.

use crate::fixture::Fixture;
use seaworthy_protocol::{ClientFrame, Format, Push, ReplicaId, Sequence, Value, decode_client, encode_client};
use seaworthy_store::Call;

const SCHEMA: &str = r#"{ "tables": [{ "name": "v", "primary_key": ["id"], "columns": [
    { "name": "id", "type": "TEXT" }, { "name": "x", "type": "BLOB", "nullable": true }, { "name": "n", "type": "INTEGER", "nullable": true } ] }] }"#;

fn samples() -> Vec<Value> {
    vec![
        Value::Integer((1 << 53) + 1),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Real(-0.0),
        Value::Real(0.0),
        Value::Integer(1),
        Value::Real(1.0),
        Value::Real(5e-324),
        Value::Real(f64::MAX),
        Value::Real(f64::NEG_INFINITY),
        "a\0b\u{1F600}é".into(),
        "".into(),
        Value::Blob(vec![]),
        Value::Blob(vec![0xff, 0xfe, 0x00, 0xc3]),
        Value::Blob(vec![7; 8 * 1024 * 1024]),
        Value::Null,
    ]
}

#[test]
fn every_value_is_captured_sent_and_replayed_bit_for_bit() {
    for value in samples() {
        let mut f = Fixture::with_schema(SCHEMA);
        f.exec_with("INSERT INTO v (id, x) VALUES ('k', ?1)", vec![value.clone()]);
        let transactions = f.store.outbox(Sequence(0), 10, usize::MAX).unwrap();
        for format in [Format::MessagePack, Format::Json] {
            let frame = ClientFrame::Push(Push { replica: ReplicaId([1; 16]), transactions: transactions.clone() });
            let bytes = encode_client(&frame, format);
            let ClientFrame::Push(push) = decode_client(&bytes, format).unwrap() else { panic!("a push") };
            let table = &push.transactions[0].changes.tables[0];
            let x = table.columns.iter().position(|name| name == "x").unwrap();
            assert_eq!(table.rows[0].new[x], Some(value.clone()), "{format:?}");
        }
    }
}

#[test]
fn a_value_is_stored_as_sqlite_converts_it() {
    let mut f = Fixture::with_schema(SCHEMA);
    f.exec_with("INSERT INTO v (id, n) VALUES ('k', ?1)", vec!["007".into()]);
    let transactions = f.store.outbox(Sequence(0), 10, usize::MAX).unwrap();
    assert_eq!(transactions[0].changes.tables[0].rows[0].new[2], Some(Value::Integer(7)), "'007' into an INTEGER column is 7 on both sides");
}

#[test]
fn text_that_is_not_utf8_is_refused_whole() {
    let mut f = Fixture::with_schema(SCHEMA);
    let error = f.try_exec(&["INSERT INTO v (id, x) VALUES ('k', CAST(x'ff' AS TEXT))"]).unwrap_err();
    assert_eq!(error.code(), "BadValue");
    assert_eq!(f.pending_count(), 0);
    assert_eq!(f.rows("SELECT count(*) FROM v"), ["0"]);
}

#[test]
fn a_transaction_beyond_the_limit_is_refused_whole() {
    let mut f = Fixture::with_schema(SCHEMA);
    let stamp = f.stamp();
    let error = f.store.write("r", stamp, &Call::one("INSERT INTO v (id, x) VALUES ('k', zeroblob(13000000))", vec![])).unwrap_err();
    assert_eq!(error.code(), "BadValue");
    assert!(error.to_string().contains("split it"), "{error}");
    assert_eq!(f.rows("SELECT count(*) FROM v"), ["0"]);
}
