//! `seaworthy-server explain`: which buckets a user gets, and how much is in them.

use crate::{
    checking::{output, sharing, stopped},
    peer::{Peer, end, insert, token},
    running::Setup,
    starting::{failure, says},
};
use rusqlite::Connection;
use serde_json::{Value, json};

const ALICE: &str = r#"{"sub":"alice"}"#;
const BOB: &str = r#"{"sub":"bob"}"#;

const ROWS: &str = "
    INSERT INTO lists (id, name, owner_id) VALUES ('a', 'Groceries', 'alice'), ('b', 'Work', 'bob'), ('c', 'Garden', 'carol');
    INSERT INTO members VALUES ('a', 'alice'), ('b', 'alice'), ('b', 'bob');
    INSERT INTO todos VALUES ('1', 'a', 'Milk'), ('2', 'b', 'Report'), ('3', 'b', 'Slides'), ('4', 'c', 'Weeds');
    INSERT INTO news VALUES ('n', 'Hello');";

/// A stopped server whose database has rows.
fn filled() -> Setup {
    let mut server = stopped();
    Connection::open(server.setup.database()).unwrap().execute_batch(ROWS).unwrap();
    std::mem::replace(&mut server.setup, Setup::new())
}

#[track_caller]
fn explained(setup: &Setup, args: &[&str]) -> Value {
    let args = [&["explain", "--json"], args].concat();
    serde_json::from_str(&output(setup, &args)).unwrap()
}

/// Streams, each with its buckets and how many rows they hold.
fn buckets(explanation: &Value) -> Vec<(String, Vec<(String, u64)>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_stream = |stream: &Value| {
        let buckets = stream["buckets"].as_array().unwrap().iter();
        (text(&stream["stream"]), buckets.map(|bucket| (text(&bucket["bucket"]), bucket["rows"].as_u64().unwrap())).collect())
    };
    explanation["streams"].as_array().unwrap().iter().map(of_stream).collect()
}

fn named(stream: &str, buckets: &[(&str, u64)]) -> (String, Vec<(String, u64)>) {
    (stream.to_owned(), buckets.iter().map(|(bucket, rows)| ((*bucket).to_owned(), *rows)).collect())
}

#[test]
fn two_users_get_what_is_theirs_and_what_they_share() {
    let setup = filled();
    let before = setup.files();
    let alice = explained(&setup, &["--claims", ALICE]);
    let names = buckets(&alice);
    assert_eq!(names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["shared", "lists"]);
    let number = |name: &str| names.iter().find(|(stream, _)| stream == name).unwrap().1[0].0.split_once('.').unwrap().0.to_owned();
    let (shared, own) = (number("shared"), number("lists"));
    let bucket = |number: &str, value: &str| format!("{number}.0[{value:?}]");
    assert_eq!(names[0], named("shared", &[(&bucket(&shared, "a"), 1), (&bucket(&shared, "b"), 1)]));
    assert_eq!(names[1], named("lists", &[(&bucket(&own, "alice"), 1)]));
    // The list that is her own and that she is a member of is one row.
    assert_eq!((&alice["rows"], &alice["issuer"], &alice["subject"]), (&json!(2), &json!("test"), &json!("alice")));
    let bob = explained(&setup, &["--claims", BOB]);
    assert_eq!(buckets(&bob), [named("shared", &[(&bucket(&shared, "b"), 1)]), named("lists", &[(&bucket(&own, "bob"), 1)])]);
    assert_eq!(bob["rows"], json!(1));
    assert_eq!(bob["bytes"], bob["streams"][0]["buckets"][0]["bytes"]);
    assert!(bob["bytes"].as_u64().unwrap() > "bWorkbob".len() as u64);
    assert_eq!(setup.files(), before);
}

#[test]
fn a_subscription_is_explained_with_its_parameters() {
    let setup = filled();
    let list = |user: &str, list: &str| {
        let explanation = explained(&setup, &["--claims", user, "--stream", "list_todos", "--param", list]);
        assert_eq!(explanation["streams"][0]["params"]["list_id"].as_str(), Some(&list[list.len() - 1..]));
        buckets(&explanation)[0].1.iter().map(|(_, rows)| *rows).collect::<Vec<_>>()
    };
    assert_eq!(list(ALICE, "list_id=b"), [2]);
    assert_eq!(list(BOB, "list_id=b"), [2]);
    assert_eq!(list(BOB, "list_id=a"), [0; 0], "he is no member");
    let text = output(&setup, &["explain", "--claims", BOB, "--stream", "list_todos", "--param", r#"list_id:="b""#]);
    for words in ["user bob of test", "stream list_todos: 1 bucket of todos, on subscription", "[\"b\"]: 2 rows, about ", "In all 2 rows, about "] {
        assert!(text.contains(words), "{words:?} is missing in:\n{text}");
    }
    assert_eq!(buckets(&explained(&setup, &["--claims", BOB, "--stream", "all_news"]))[0].1[0].1, 1);
    assert_eq!(buckets(&explained(&setup, &["--claims", BOB, "--stream", "lists"])).len(), 1);
}

#[test]
fn a_token_is_checked_as_the_server_does() {
    let setup = filled();
    let explanation = explained(&setup, &["--token", &token("alice")]);
    assert_eq!((&explanation["subject"], &explanation["rows"]), (&json!("alice"), &json!(2)));
    let (body, _) = token("alice").rsplit_once('.').map(|(body, signature)| (body.to_owned(), signature.to_owned())).unwrap();
    let forged = format!("{body}.AAAA");
    let message = failure(setup.command().args(["explain", "--token", &forged]));
    says(&message, &["--token is not good", "issuer, audience, algorithm and key"]);
    assert!(!message.contains(&body));
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let setup = sharing();
    let ask = |args: &[&str], words: &[&str]| says(&failure(setup.command().arg("explain").args(args)), words);
    ask(&[], &["--token", "--claims"]);
    ask(&["--claims", ALICE, "--token", "x"], &["cannot be used with"]);
    ask(&["--claims", "alice"], &["--claims", "Write an object"]);
    ask(&["--claims", r#"{"sub":7}"#], &["--claims", "`sub`"]);
    ask(&["--claims", ALICE, "--param", "a=b"], &["--stream"]);
    ask(&["--claims", ALICE, "--stream", "nothing"], &["no stream nothing", "[streams.nothing]"]);
    ask(&["--claims", ALICE, "--stream", "list_todos"], &["list_todos", "needs the parameter list_id"]);
    ask(&["--claims", ALICE, "--stream", "list_todos", "--param", "list=a"], &["list_todos", "no parameter list"]);
    ask(&["--claims", ALICE, "--stream", "list_todos", "--param", "list_id"], &["write it like list_id=7"]);
    ask(&["--claims", ALICE, "--stream", "list_todos", "--param", "list_id:=b"], &["as JSON"]);
    assert!(!setup.database().exists());
    // Without a database nobody has anything.
    assert_eq!(explained(&setup, &["--claims", ALICE])["rows"], json!(0));
    assert!(!setup.database().exists());
}

#[tokio::test]
async fn what_a_running_server_has_just_accepted_is_counted() {
    let server = sharing().start();
    let mut alice = Peer::new(&server, "alice", 1);
    let transaction = alice.write(insert("x", "New", "alice"));
    assert_eq!(end(&alice.push(&[transaction]).await[0]), "applied");
    let explanation = explained(&server.setup, &["--claims", ALICE]);
    assert_eq!(explanation["rows"], json!(1));
    assert_eq!(buckets(&explanation)[1].1[0].1, 1);
}
