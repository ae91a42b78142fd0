//! Every decoder against random, mutated and cunning bytes: a typed error or a value, never a panic,
//! and memory in proportion to the input.

use crate::arbitrary::{changes, client_frame, server_frame};
use crate::memory::peak_of;
use proptest::prelude::*;
use seaworthy_protocol::*;

const FORMATS: [Format; 2] = [Format::MessagePack, Format::Json];

/// A value takes up to 24 bytes of memory for one of the wire, a short row about 100 for four; while a
/// vector grows it is held twice.
const PER_BYTE: usize = 128;
const FIXED: usize = 64 * 1024;

fn decode_all(bytes: &[u8]) {
    let ((), peak) = peak_of(|| {
        for format in FORMATS {
            let _ = decode_client(bytes, format);
            let _ = decode_server(bytes, format);
            let _ = decode_server_frames(bytes, format);
        }
        let _ = Changes::from_changeset(bytes, |_| Some(vec!["id".to_owned(), "value".to_owned()]));
    });
    assert!(peak <= bytes.len() * PER_BYTE + FIXED, "{} bytes took {peak}", bytes.len());
}

#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Remove(usize),
    Insert(usize, u8),
    Cut(usize),
    Double(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        any::<usize>().prop_map(Mutation::Remove),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        any::<usize>().prop_map(Mutation::Cut),
        (any::<usize>(), 1..64_usize).prop_map(|(at, len)| Mutation::Double(at, len)),
    ]
}

fn mutate(mut bytes: Vec<u8>, mutations: Vec<Mutation>) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        match mutation {
            Mutation::Set(at, byte) => bytes[at % len] = byte,
            Mutation::Remove(at) => drop(bytes.remove(at % len)),
            Mutation::Insert(at, byte) => bytes.insert(at % len, byte),
            Mutation::Cut(at) => bytes.truncate(at % len),
            Mutation::Double(at, count) => {
                let start = at % len;
                let copy = bytes[start..len.min(start + count)].to_vec();
                bytes.splice(start..start, copy);
            }
        }
    }
    bytes
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    proptest::collection::vec(mutation(), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic_and_stay_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        decode_all(&bytes);
    }

    #[test]
    fn mutated_frames_never_panic_and_stay_bounded(client in client_frame(), server in server_frame(), mutations in mutations(), json: bool) {
        let format = FORMATS[usize::from(json)];
        decode_all(&mutate(encode_client(&client, format), mutations.clone()));
        decode_all(&mutate(encode_server(&server, format), mutations.clone()));
        decode_all(&mutate(encode_server_frames(&[server], format), mutations));
    }

    #[test]
    fn mutated_changesets_parse_to_what_they_encode_or_to_an_error(changes in changes(), mutations in mutations()) {
        let bytes = mutate(changes.to_changeset(), mutations);
        let columns = |table: &str| changes.tables.iter().find(|t| t.name == table).map(|t| t.columns.clone());
        if let Ok(parsed) = Changes::from_changeset(&bytes, columns) {
            let again = Changes::from_changeset(&parsed.to_changeset(), columns).unwrap();
            prop_assert_eq!(again.hash(), parsed.hash());
        }
    }
}

#[test]
fn every_prefix_of_a_frame_is_refused() {
    let frame = ServerFrame::Checkpoint(Checkpoint::resetting(Cursor { position: Position(9), incarnation: Incarnation([7; 16]) }));
    for format in FORMATS {
        let bytes = encode_server(&frame, format);
        for end in 0..bytes.len() {
            assert!(matches!(decode_server(&bytes[..end], format), Err(DecodeError::Malformed { .. })), "{format:?} {end}");
        }
    }
}

#[test]
fn a_declared_length_far_beyond_the_input_takes_no_memory() {
    let lies: [&[u8]; 8] = [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\xa4rows\x85\xa5table\xa1t\xa7columns\xdd\xff\xff\xff\xff",
        b"\x81\xa4push\x82\xa7replica\xc4\x10................\xactransactions\xdd\xff\xff\xff\xff",
        b"T\x8f\xff\xff\xff\xff\xff\xff\xff\xff",
        b"T\x01\x01t\0\x12\0\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    lies.into_iter().for_each(decode_all);
}

#[test]
fn nesting_is_refused_before_any_stack_is_used() {
    for depth in [limits::MAX_FRAME_DEPTH, 1_000_000] {
        let arrays = [b"\x81\xa4ping".to_vec(), vec![0x91; depth], vec![0xc0]].concat();
        assert_eq!(decode_client(&arrays, Format::MessagePack), Err(DecodeError::TooDeep));
        let json = [br#"{"ping":{"x":"#.to_vec(), vec![b'['; depth], vec![b']'; depth], b"}}".to_vec()].concat();
        assert_eq!(decode_client(&json, Format::Json), Err(DecodeError::TooDeep));
        let objects = br#"{"x":"#.repeat(depth + 2);
        assert_eq!(decode_server_frames(&objects, Format::Json).map_err(|error| error.code()), Err(ErrorCode::TooLarge));
    }
}

#[test]
fn a_frame_of_a_million_nulls_is_counted_before_it_is_held() {
    let nulls = limits::MAX_FRAME_ELEMENTS + 1;
    let header = [b"\x81\xa4rows\x81\xa4rows\x91\xdd".to_vec(), u32::try_from(nulls).unwrap().to_be_bytes().to_vec()].concat();
    let msgpack = [header, vec![0xc0; nulls]].concat();
    let json = [br#"{"rows":{"rows":[["#.to_vec(), b"0,".repeat(nulls), b"0]]}}".to_vec()].concat();
    for (bytes, format) in [(msgpack, Format::MessagePack), (json, Format::Json)] {
        let (result, peak) = peak_of(|| decode_server(&bytes, format));
        assert!(matches!(result, Err(DecodeError::TooMany { what: "elements in one frame", .. })), "{result:?}");
        assert!(peak < FIXED, "{peak}");
    }
}

#[test]
fn a_changeset_of_empty_cells_or_tiny_rows_is_counted_before_it_is_held() {
    let columns = limits::MAX_COLUMNS;
    let named: Vec<String> = (0..columns).map(|nth| format!("c{nth}")).collect();
    let header = [b"T\x8f\x50\x01".to_vec(), vec![0; columns - 1], b"t\0".to_vec()].concat();
    let update = [b"\x17\0\x03\0".to_vec(), vec![0; 2 * columns - 1]].concat();
    let wide = [header, update.repeat(limits::MAX_TRANSACTION_CELLS / columns / 2 + 1)].concat();
    assert_eq!(Changes::from_changeset(&wide, |_| Some(named.clone())), Err(ChangesetError::TooManyCells));

    let tiny = [b"T\x01\x01t\0".to_vec(), b"\x12\0\x03\0".repeat(limits::MAX_TRANSACTION_ROWS + 1)].concat();
    let (result, peak) = peak_of(|| Changes::from_changeset(&tiny, |_| Some(vec!["id".to_owned()])));
    assert_eq!(result, Err(ChangesetError::TooManyRows));
    assert!(peak < 300 * 1024 * 1024, "{peak}");
}

#[test]
fn an_error_is_short_however_long_the_input() {
    let long = "x".repeat(1_000_000);
    for text in [format!(r#"{{"{long}":{{}}}}"#), format!(r#"{{"hello":"{long}"}}"#), format!(r#"{{"ping":{{"é{long}":"#)] {
        let error = decode_client(text.as_bytes(), Format::Json).unwrap_err();
        assert!(error.to_string().len() < 400, "{error}");
    }
}
