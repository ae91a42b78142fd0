//! Each rule for a single frame, broken once.

use seaworthy_protocol::*;

const REPLICA: &str = "0192f0c15e0070008000000000000001";

fn push(transactions: &str) -> Result<ClientFrame, DecodeError> {
    decode_client(format!(r#"{{"push":{{"replica":"{REPLICA}","transactions":[{transactions}]}}}}"#).as_bytes(), Format::Json)
}

fn transaction(sequence: u64, after: &str, changes: &str) -> String {
    format!(r#"{{"id":"11111111111111111111111111111111","sequence":{sequence},"after":[{after}],"changes":[{changes}]}}"#)
}

fn changes(rows: &str) -> String {
    match push(&transaction(1, "", rows)) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn rows(fields: &str) -> Result<ServerFrame, DecodeError> {
    decode_server(format!(r#"{{"rows":{{{fields}}}}}"#).as_bytes(), Format::Json)
}

#[test]
fn an_unknown_frame_is_refused_by_its_name() {
    let expected = Err(DecodeError::UnknownFrame { name: "published".into() });
    assert_eq!(decode_client(br#"{"published":{"to":["everything"]}}"#, Format::Json), expected);
    assert_eq!(decode_client(b"\x81\xa9published\x80", Format::MessagePack), expected);
    assert_eq!(decode_client(br#"{"welcome":{}}"#, Format::Json), Err(DecodeError::UnknownFrame { name: "welcome".into() }));
    assert_eq!(DecodeError::UnknownFrame { name: "x".into() }.code(), ErrorCode::BadFrame);
}

#[test]
fn a_frame_is_one_frame() {
    assert_eq!(decode_client(b"\x81\xa4ping\x80\x80\x80", Format::MessagePack), Err(DecodeError::TrailingBytes { extra: 2 }));
    assert!(matches!(decode_client(br#"{"ping":{}} {}"#, Format::Json), Err(DecodeError::Malformed { .. })));
    assert!(matches!(decode_client(br#"{"ping":{},"ping":{}}"#, Format::Json), Err(DecodeError::Malformed { .. })));
    assert!(matches!(decode_client(b"\x80", Format::MessagePack), Err(DecodeError::Malformed { .. })));
    assert!(matches!(decode_client(b"", Format::MessagePack), Err(DecodeError::Malformed { .. })));
}

#[test]
fn limits_are_kept() {
    let large = vec![b' '; limits::MAX_FRAME_BYTES + 1];
    assert_eq!(decode_client(&large, Format::Json), Err(DecodeError::TooLarge { size: large.len(), limit: limits::MAX_FRAME_BYTES }));

    let token = format!(r#"{{"token":{{"token":"{}"}}}}"#, "x".repeat(limits::MAX_TOKEN_BYTES + 1));
    assert_eq!(decode_client(token.as_bytes(), Format::Json).unwrap_err().code(), ErrorCode::TooLarge);

    let many: Vec<String> = (1..=limits::MAX_PUSH_TRANSACTIONS as u64 + 1).map(|sequence| transaction(sequence, "", "")).collect();
    assert!(push(&many[..limits::MAX_PUSH_TRANSACTIONS].join(",")).is_ok());
    assert_eq!(push(&many.join(",")).unwrap_err().code(), ErrorCode::TooLarge);

    let after = vec!["1"; limits::MAX_AFTER + 1].join(",");
    assert_eq!(push(&transaction(2, &after, "")).unwrap_err().code(), ErrorCode::TooLarge);
}

#[test]
fn nobody_asks_or_answers_about_more_transactions_than_the_limit() {
    let cursor = Cursor { position: Position(1), incarnation: Incarnation([1; 16]) };
    for (count, fits) in [(limits::MAX_DOUBTFUL, true), (limits::MAX_DOUBTFUL + 1, false)] {
        let ids = vec![TransactionId([1; 16]); count];
        let pull =
            ClientFrame::Pull(Pull { protocol: VERSION, replica: ReplicaId([1; 16]), cursor: None, wait_ms: 0, doubtful: ids.clone(), ..Pull::default() });
        let hello = ClientFrame::Hello(Hello {
            protocol: VERSION,
            token: String::new(),
            replica: ReplicaId([1; 16]),
            cursor: None,
            doubtful: ids.clone(),
            ..Hello::default()
        });
        let checkpoint = ServerFrame::Checkpoint(Checkpoint { known: Some(ids), ..Checkpoint::at(cursor) });
        for format in [Format::MessagePack, Format::Json] {
            let asked = [&pull, &hello].map(|frame| decode_client(&encode_client(frame, format), format).map(drop));
            let answered = decode_server(&encode_server(&checkpoint, format), format).map(drop);
            for decoded in asked.into_iter().chain([answered]) {
                let code = decoded.err().map(|error| error.code());
                assert_eq!(code, (!fits).then_some(ErrorCode::TooLarge), "{count}");
            }
        }
    }
}

#[test]
fn sequences_start_at_one_and_follow_one_another() {
    assert!(push(&[transaction(7, "6", ""), transaction(8, "7", "")].join(",")).is_ok());
    assert!(matches!(push(&transaction(0, "", "")), Err(DecodeError::BadTransaction { sequence: 0, .. })));
    assert!(matches!(push(&[transaction(7, "", ""), transaction(9, "", "")].join(",")), Err(DecodeError::BadTransaction { sequence: 9, .. })));
    assert!(matches!(push(&transaction(7, "7", "")), Err(DecodeError::BadTransaction { sequence: 7, .. })));
}

#[test]
fn a_position_or_sequence_beyond_2_to_the_53_is_refused_in_both_encodings() {
    assert!(push(&transaction(limits::MAX_COUNTER, "", "")).is_ok());
    assert!(push(&transaction(limits::MAX_COUNTER + 1, "", "")).unwrap_err().to_string().contains("2^53"));
    let cursor = Cursor { position: Position(u64::MAX), incarnation: Incarnation([1; 16]) };
    let bytes = encode_server(&ServerFrame::Checkpoint(Checkpoint::at(cursor)), Format::MessagePack);
    assert!(matches!(decode_server(&bytes, Format::MessagePack), Err(DecodeError::Malformed { .. })));
    assert_eq!(Sequence(u64::MAX).next(), Sequence(u64::MAX));
}

#[test]
fn changed_rows_are_whole_and_named_once() {
    let insert = r#"{"table":"t","op":"insert","key":{"id":1},"new":{"a":1}}"#;
    assert_eq!(changes(insert), "accepted");
    assert!(changes(&[insert, insert].join(",")).contains("names a row once"));
    assert!(changes(r#"{"table":"t","op":"insert","key":{}}"#).contains("primary key"));
    assert!(changes(r#"{"table":"t","op":"insert","key":{"id":null}}"#).contains("primary key"));
    assert!(changes(r#"{"table":"t","op":"update","key":{"id":1},"new":{"id":2}}"#).contains("may not change the key column id"));
    assert!(changes(r#"{"table":"t","op":"insert","key":{"id":1},"old":{"a":2}}"#).contains("no values before"));
    assert!(changes(r#"{"table":"t","op":"delete","key":{"id":1},"new":{"a":2}}"#).contains("none after"));
    assert!(changes(r#"{"table":"a\u0000b","op":"delete","key":{"id":1}}"#).contains("name"));
    assert!(changes(r#"{"table":"","op":"delete","key":{"id":1}}"#).contains("name"));
    assert!(changes(&format!(r#"{{"table":"t","op":"delete","key":{{"{}":1}}}}"#, "x".repeat(limits::MAX_NAME_BYTES + 1))).contains("name"));
    assert!(changes(r#"{"table":"t","op":"upsert","key":{"id":1}}"#).contains("upsert"));
}

#[test]
fn the_groups_of_a_transaction_are_counted_as_they_come() {
    let rows: Vec<String> = (0..=limits::MAX_TABLES).map(|nth| format!(r#"{{"table":"t{nth}","op":"delete","key":{{"id":1}}}}"#)).collect();
    assert_eq!(changes(&rows[1..].join(",")), "accepted");
    assert!(changes(&rows.join(",")).contains("groups"));
}

#[test]
fn an_integer_grows_in_the_changeset_and_is_counted_so() {
    let cells: Vec<String> = (0..1_400_000).map(|nth| format!(r#""{nth:x}":1"#)).collect();
    let rows: Vec<String> = cells
        .chunks(limits::MAX_COLUMNS - 1)
        .enumerate()
        .map(|(id, cells)| format!(r#"{{"table":"t","op":"insert","key":{{"id":{id}}},"new":{{{}}}}}"#, cells.join(",")))
        .collect();
    let answer = changes(&rows.join(","));
    assert!(answer.contains("bytes") || answer.contains("limit"), "{answer}");
}

#[test]
fn changesets_that_sqlite_would_not_write_are_refused() {
    let parse = |bytes: &[u8], columns: &[&str]| Changes::from_changeset(bytes, |_| Some(columns.iter().map(|name| (*name).to_owned()).collect()));
    let table = || "t".to_owned();
    assert_eq!(parse(b"P\x01\x01t\0", &["id"]), Err(ChangesetError::BadRecord { at: 0, found: b'P' }));
    assert_eq!(parse(b"\x12\0\x05", &["id"]), Err(ChangesetError::NoTable { at: 0 }));
    assert_eq!(parse(b"T\x01\x00t\0", &["id"]), Err(ChangesetError::KeyMissing { table: table() }));
    assert_eq!(parse(b"T\x01\x01t\0", &["id", "a"]), Err(ChangesetError::ColumnCount { table: table(), named: 2, found: 1 }));
    assert_eq!(parse(b"T\x02\x01\x00t\0", &["id", "id"]), Err(ChangesetError::DuplicateColumn { table: table(), column: "id".into() }));
    assert_eq!(parse(b"T\x01\x01t\0\x12\0\x05", &["id"]), Err(ChangesetError::KeyMissing { table: table() }));
    assert_eq!(parse(b"T\x01\x01t\0\x12\0\x02\x7f\xf8\0\0\0\0\0\0", &["id"]), Err(ChangesetError::KeyMissing { table: table() }));
    assert_eq!(parse(b"T\x02\x01\x00t\0\x12\0\x03\x01a\x00", &["id", "a"]), Err(ChangesetError::WrongImage { table: table() }));
    assert_eq!(parse(b"T\x01\x01t\0\x17\0\x03\x01a\x03\x01b", &["id"]), Err(ChangesetError::KeyChanged { table: table(), column: "id".into() }));
    assert_eq!(parse(b"T\x01\x01t\0\x12\0\x03\x01\xff", &["id"]), Err(ChangesetError::NotUtf8 { at: 9 }));
    assert_eq!(parse(b"T\x01\x01t\0\x12\0\x06", &["id"]), Err(ChangesetError::BadValue { at: 7, found: 6 }));
    assert_eq!(parse(b"T\x01\x01t", &["id"]), Err(ChangesetError::Truncated));
    assert!(parse(b"T\x01\x01t\0\x12\0\x03\x80\x01a", &["id"]).is_ok(), "a varint longer than needed is read as SQLite reads it");
}

#[test]
fn the_tables_named_beside_a_changeset_are_those_in_it() {
    let frame = |tables: &[u8]| [b"\x82\xa6tables".to_vec(), tables.to_vec(), b"\xa9changeset\xc4\x09T\x01\x01t\0\x12\0\x03\0".to_vec()].concat();
    let decode = |tables: &[u8]| rmp_serde::from_slice::<Changes>(&frame(tables)).map_err(|error| error.to_string());
    let t = b"\x82\xa4name\xa1t\xa7columns\x91\xa2id";
    assert!(decode(&[b"\x91".as_slice(), t].concat()).is_ok());
    assert!(decode(b"\x90").unwrap_err().contains("not declared"));
    assert!(decode(&[b"\x92".as_slice(), t, t].concat()).unwrap_err().contains("does not hold it"));
}

#[test]
fn rows_agree_with_their_columns() {
    let good = r#""bucket":"1.0[]","table":"t","columns":["id","a"],"key":["id"],"rows":[[1,2]],"gone":[[3]]"#;
    assert!(rows(good).is_ok());
    let broken = [
        (r#""rows":[[1,2]]"#, r#""rows":[[1]]"#),
        (r#""gone":[[3]]"#, r#""gone":[[3,4]]"#),
        (r#""key":["id"]"#, r#""key":["b"]"#),
        (r#""key":["id"]"#, r#""key":[]"#),
        (r#"["id","a"]"#, r#"["id","id"]"#),
        (r#""table":"t""#, r#""table":"""#),
    ];
    for (from, to) in broken {
        assert!(matches!(rows(&good.replace(from, to)), Err(DecodeError::BadRows { .. })), "{to}");
    }
}

#[test]
fn an_id_is_sixteen_bytes_or_thirty_two_digits() {
    assert_eq!(ReplicaId::parse(REPLICA).unwrap(), ReplicaId::parse("0192F0C1-5E00-7000-8000-000000000001").unwrap());
    assert_eq!(ReplicaId::parse(REPLICA).unwrap().to_string(), REPLICA);
    for wrong in ["", "0192", "zz92f0c15e0070008000000000000001", "0192f0c15e00700080000000000000012"] {
        assert_eq!(ReplicaId::parse(wrong), Err(IdError));
    }
}

#[test]
fn media_types_are_recognised_with_parameters() {
    assert_eq!(Format::from_media_type("Application/JSON; charset=utf-8"), Some(Format::Json));
    assert_eq!(Format::from_media_type("application/vnd.msgpack"), Some(Format::MessagePack));
    assert_eq!(Format::from_media_type("text/html"), None);
}
