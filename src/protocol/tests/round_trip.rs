//! What was encoded decodes to itself, in both encodings.

use crate::arbitrary::{changes, client_frame, server_frame, value};
use proptest::prelude::*;
use seaworthy_protocol::*;
use serde_json::Value as Json;

fn json_of(bytes: &[u8]) -> Json {
    serde_json::from_slice(bytes).unwrap()
}

proptest! {
    #[test]
    fn a_client_frame_survives_messagepack(frame in client_frame()) {
        prop_assert_eq!(decode_client(&encode_client(&frame, Format::MessagePack), Format::MessagePack).unwrap(), frame);
    }

    /// JSON keeps the order of neither columns nor rows, so its text and the content are compared.
    #[test]
    fn a_client_frame_survives_json(frame in client_frame()) {
        let text = encode_client(&frame, Format::Json);
        let decoded = decode_client(&text, Format::Json).unwrap();
        match (&frame, &decoded) {
            (ClientFrame::Push(before), ClientFrame::Push(after)) => {
                prop_assert_eq!(before.replica, after.replica);
                for (before, after) in before.transactions.iter().zip(&after.transactions) {
                    prop_assert_eq!(before.changes.hash(), after.changes.hash());
                    prop_assert_eq!(before, &Transaction { changes: before.changes.clone(), ..after.clone() });
                }
            }
            _ => prop_assert_eq!(&decoded, &frame),
        }
    }

    #[test]
    fn a_server_frame_survives_both_encodings(frame in server_frame()) {
        for format in [Format::MessagePack, Format::Json] {
            prop_assert_eq!(&decode_server(&encode_server(&frame, format), format).unwrap(), &frame);
        }
    }

    #[test]
    fn an_answer_survives_both_encodings(frames in proptest::collection::vec(server_frame(), 0..5)) {
        for format in [Format::MessagePack, Format::Json] {
            prop_assert_eq!(&decode_server_frames(&encode_server_frames(&frames, format), format).unwrap(), &frames);
        }
    }

    #[test]
    fn a_value_survives_both_encodings(value in value()) {
        prop_assert_eq!(&rmp_serde::from_slice::<Value>(&rmp_serde::to_vec(&value).unwrap()).unwrap(), &value);
        prop_assert_eq!(&serde_json::from_slice::<Value>(&serde_json::to_vec(&value).unwrap()).unwrap(), &value);
    }

    #[test]
    fn changes_survive_as_changeset_bytes(changes in changes()) {
        let columns = |table: &str| changes.tables.iter().find(|t| t.name == table).map(|t| t.columns.clone());
        prop_assert_eq!(&Changes::from_changeset(&changes.to_changeset(), columns).unwrap(), &changes);
    }

    /// JSON may need several groups for one table; they survive the binary form.
    #[test]
    fn changes_from_json_survive_messagepack(changes in changes()) {
        let from_json: Changes = serde_json::from_value(serde_json::to_value(&changes).unwrap()).unwrap();
        let from_binary: Changes = rmp_serde::from_slice(&rmp_serde::to_vec_named(&from_json).unwrap()).unwrap();
        prop_assert_eq!(&from_binary, &from_json);
        prop_assert_eq!(from_binary.hash(), changes.hash());
    }

    #[test]
    fn inverting_twice_changes_nothing(changes in changes()) {
        prop_assert_eq!(changes.inverted().inverted(), changes);
    }

    #[test]
    fn the_hash_ignores_the_order_of_rows_and_sees_every_value(changes in changes()) {
        let mut reordered = changes.clone();
        reordered.tables.reverse();
        reordered.tables.iter_mut().for_each(|table| table.rows.reverse());
        prop_assert_eq!(reordered.hash(), changes.hash());
        let mut other = changes.clone();
        if let Some(row) = other.tables.first_mut().and_then(|table| table.rows.first_mut()) {
            row.indirect = !row.indirect;
            prop_assert_ne!(other.hash(), changes.hash());
        }
    }
}

/// Stored beside every transaction that a server has seen: it may not move.
#[test]
fn the_hash_of_a_known_change_is_fixed() {
    let changes: Changes = serde_json::from_str(r#"[{"table":"todos","op":"insert","key":{"id":"t1"},"new":{"title":"Buy milk","done":0}}]"#).unwrap();
    let hash: String = changes.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, "66ca188ccd10882b7b02a80a9fbccb86");
}

#[test]
fn a_group_without_rows_leaves_no_trace_on_the_wire() {
    let empty = TableChanges { name: "todos".into(), columns: vec!["id".into()], key: vec![1], rows: Vec::new() };
    let row = RowChange { op: Op::Insert, indirect: false, old: Vec::new(), new: vec![Some(1.into())] };
    let full = TableChanges { columns: vec!["key".into()], rows: vec![row], ..empty.clone() };
    let bytes = rmp_serde::to_vec_named(&Changes { tables: vec![empty, full.clone()] }).unwrap();
    assert_eq!(rmp_serde::from_slice::<Changes>(&bytes).unwrap(), Changes { tables: vec![full] });
}

#[test]
fn values_keep_their_type_and_bits_in_json() {
    let cases = [
        (Value::Integer(1), "1"),
        (Value::Real(1.0), r#"{"real":"1.0"}"#),
        (Value::Real(-0.0), r#"{"real":"-0.0"}"#),
        (Value::Real(0.1), "0.1"),
        (Value::Real(5e-324), "5e-324"),
        (Value::Real(f64::NEG_INFINITY), r#"{"real":"-inf"}"#),
        (Value::Integer(9_007_199_254_740_991), "9007199254740991"),
        (Value::Integer(9_007_199_254_740_993), r#"{"integer":"9007199254740993"}"#),
        (Value::Integer(i64::MIN), r#"{"integer":"-9223372036854775808"}"#),
        (Value::Blob(vec![0, 255]), r#"{"blob":"AP8="}"#),
        (Value::Text("a\0b".into()), r#""a\u0000b""#),
        (Value::Null, "null"),
    ];
    for (value, json) in cases {
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
        assert_eq!(serde_json::from_str::<Value>(json).unwrap(), value);
    }
}

#[test]
fn a_number_that_is_none_becomes_null_as_in_sqlite() {
    let nan = Value::Real(f64::NAN);
    assert_eq!(serde_json::to_string(&nan).unwrap(), "null");
    assert_eq!(rmp_serde::from_slice::<Value>(&rmp_serde::to_vec(&f64::NAN).unwrap()).unwrap(), Value::Null);
    assert!(serde_json::from_str::<Value>(r#"{"real":"NaN"}"#).is_err());
}

#[test]
fn unknown_fields_are_ignored() {
    let text = br#"{"checkpoint":{"later":[{"x":1}],"cursor":{"position":1,"incarnation":"abababababababababababababababab","more":null},"reset":false}}"#;
    let frame = decode_server(text, Format::Json).unwrap();
    assert!(matches!(frame, ServerFrame::Checkpoint(_)));
    let msgpack = rmp_serde::to_vec_named(&json_of(text)).unwrap();
    assert_eq!(decode_server(&msgpack, Format::MessagePack).unwrap(), frame);
}
