//! Which bucket holds which row: a row stays for as long as one does, whatever is pending on it.

use crate::fixture::{Fixture, SCHEMA, applied, at, open};
use rusqlite::Connection;
use seaworthy_engine::client::Divergence;
use seaworthy_protocol::{BucketId, BucketUpdate, Checkpoint, Checksum, Rows, StreamState, Subscription, Value};
use seaworthy_store::{Applied, Store, StreamInfo};

fn id(bucket: &str) -> BucketId {
    BucketId(bucket.into())
}

/// Todos of a bucket, each with its id as title.
fn todos(bucket: &str, ids: &[&str], gone: &[&str]) -> Rows {
    let key = |id: &&str| Value::from(*id);
    Rows {
        bucket: id(bucket),
        table: "todos".into(),
        columns: vec!["id".into(), "title".into()],
        key: vec!["id".into()],
        rows: ids.iter().map(|id| vec![key(id), key(id)]).collect(),
        gone: gone.iter().map(|id| vec![key(id)]).collect(),
    }
}

/// A bucket that holds these todos, as the server says.
fn holds(bucket: &str, ids: &[&str], joined: bool) -> BucketUpdate {
    let sum = todos(bucket, ids, &[]).rows.iter().fold(Checksum(0), |sum, row| sum.plus(Checksum::of_row(row)));
    BucketUpdate { bucket: id(bucket), joined, rows: ids.len() as u64, checksum: sum.0 }
}

/// A stream that consists of these buckets.
fn stream(name: &str, buckets: &[&str]) -> StreamState {
    StreamState { stream: name.into(), params: Default::default(), auto: true, buckets: buckets.iter().map(|bucket| id(bucket)).collect(), error: None }
}

/// Whole buckets that join, and nothing else.
fn join(f: &mut Fixture, buckets: &[(&str, &[&str])]) -> Applied {
    let rows: Vec<Rows> = buckets.iter().map(|(bucket, ids)| todos(bucket, ids, &[])).collect();
    let updates = buckets.iter().map(|(bucket, ids)| holds(bucket, ids, true)).collect();
    f.apply(&rows, &Checkpoint { buckets: updates, ..at(1) })
}

/// From now on these buckets are held.
fn hold_only(f: &mut Fixture, buckets: &[&str]) -> Applied {
    f.apply(&[], &Checkpoint { streams: Some(vec![stream("s", buckets)]), ..at(1) })
}

fn ids(f: &mut Fixture) -> String {
    f.rows("SELECT id FROM todos ORDER BY id").concat()
}

fn held(store: &Store) -> Vec<String> {
    store.replica().buckets.iter().map(|bucket| bucket.0.clone()).collect()
}

#[test]
fn a_row_goes_when_the_last_of_its_buckets_lets_go_of_it() {
    let mut f = Fixture::new();
    assert_eq!(join(&mut f, &[("a", &["1", "2"]), ("b", &["2", "3"]), ("c", &["3"])]).diverged, None);
    assert_eq!((ids(&mut f).as_str(), held(&f.store)), ("123", vec!["a".into(), "b".into(), "c".into()]));
    f.apply(&[todos("a", &[], &["2"])], &Checkpoint { buckets: vec![holds("a", &["1"], false)], ..at(2) });
    assert_eq!(ids(&mut f), "123", "b holds it still");
    hold_only(&mut f, &["a", "c"]);
    assert_eq!(ids(&mut f), "13", "3 is held by c");
    f.apply(&[todos("c", &[], &["3"])], &Checkpoint { buckets: vec![holds("c", &[], false)], ..at(3) });
    assert_eq!((ids(&mut f).as_str(), held(&f.store)), ("1", vec!["a".into(), "c".into()]), "an empty bucket is held too");
    hold_only(&mut f, &[]);
    assert_eq!((ids(&mut f).as_str(), held(&f.store).len()), ("", 0));
}

#[test]
fn a_row_that_enters_by_one_bucket_and_leaves_by_another_stays() {
    let mut f = Fixture::new();
    join(&mut f, &[("a", &["1", "2"])]);
    let moved = [todos("b", &["1"], &[]), todos("a", &[], &["1"])];
    f.apply(&moved, &Checkpoint { buckets: vec![holds("b", &["1"], true), holds("a", &["2"], false)], ..at(2) });
    assert_eq!(ids(&mut f), "12");
    let moved = [todos("c", &["1", "2"], &[])];
    f.apply(&moved, &Checkpoint { streams: Some(vec![stream("s", &["c"])]), buckets: vec![holds("c", &["1", "2"], true)], ..at(3) });
    assert_eq!((ids(&mut f).as_str(), held(&f.store)), ("12", vec!["c".into()]));
}

#[test]
fn what_joins_replaces_what_its_bucket_held_and_a_reset_all_there_was() {
    let mut f = Fixture::new();
    join(&mut f, &[("a", &["1", "2", "3"]), ("b", &["3"])]);
    let again = join(&mut f, &[("a", &["2", "4"])]);
    assert_eq!((ids(&mut f).as_str(), again.diverged), ("234", None));
    f.exec(&["INSERT INTO todos (id, title) VALUES ('9', 'mine')"]);
    let reset = Checkpoint { reset: true, streams: Some(vec![stream("s", &["a", "b"])]), buckets: vec![holds("a", &["5"], true)], ..at(1) };
    assert_eq!(f.apply(&[todos("a", &["5"], &[])], &reset).diverged, None);
    assert_eq!((ids(&mut f).as_str(), held(&f.store)), ("59", vec!["a".into()]), "b is still to come, what is pending stays");
}

#[test]
fn pending_writes_stay_on_top_of_what_buckets_hold_and_wait_for_what_was_left() {
    let mut f = Fixture::new();
    join(&mut f, &[("a", &["1", "2"]), ("b", &["2"])]);
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = '1'"]);
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = '2'"]);
    hold_only(&mut f, &["b"]);
    assert_eq!((f.titles(), f.store.counts().unwrap().blocked), (vec!["2=mine".to_owned()], 1));
    join(&mut f, &[("a", &["1"])]);
    assert_eq!((f.titles(), f.store.counts().unwrap().blocked), (vec!["1=mine".to_owned(), "2=mine".to_owned()], 0));
}

#[test]
fn nothing_leaves_the_queue_before_the_download_is_whole() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('1', '1')"]);
    f.decide(1, applied);
    let partial = Checkpoint { partial: true, buckets: vec![holds("a", &["7"], true)], ..at(5) };
    assert_eq!(f.apply(&[todos("a", &["7"], &[])], &partial).confirmed, []);
    assert_eq!((ids(&mut f).as_str(), f.pending_count(), f.store.replica().awaiting_checkpoint), ("17", 1, true));
    assert_eq!(f.store.last_synced_at_ms(), None);
    let whole = Checkpoint { buckets: vec![holds("b", &["1"], true)], ..at(5) };
    assert_eq!(f.apply(&[todos("b", &["1"], &[])], &whole).confirmed.len(), 1);
    assert_eq!((ids(&mut f).as_str(), f.pending_count()), ("17", 0));
}

#[test]
fn a_bucket_that_does_not_add_up_is_fetched_anew_and_counted_until_it_does() {
    let mut f = Fixture::new();
    join(&mut f, &[("a", &["1"]), ("b", &["2"])]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('9', 'mine')"]);
    let lacking = |joined| Checkpoint { buckets: vec![holds("a", &["1", "3", "4"], joined)], ..at(2) };
    assert_eq!(f.apply(&[todos("a", &["3"], &[])], &lacking(false)).diverged, Some(Divergence::Once));
    assert_eq!((ids(&mut f).as_str(), held(&f.store), f.pending_count()), ("1239", vec!["b".into()], 1));
    assert_eq!(f.apply(&[todos("a", &["1", "3"], &[])], &lacking(true)).diverged, Some(Divergence::Again));
    assert_eq!(f.apply(&[todos("a", &["1", "3", "4"], &[])], &lacking(true)).diverged, None);
    assert_eq!((ids(&mut f).as_str(), held(&f.store)), ("12349", vec!["a".into(), "b".into()]));
    let other = Checkpoint { buckets: vec![BucketUpdate { checksum: 1, ..holds("a", &["1", "3", "4"], false) }], ..at(3) };
    assert_eq!(f.apply(&[], &other).diverged, Some(Divergence::Once), "what was right in between begins anew");
}

#[test]
fn the_book_is_kept_over_a_restart_and_goes_with_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let mut f = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    join(&mut f, &[("a", &["1", "2"]), ("b", &["2"])]);
    f.store.close().unwrap();
    let mut f = Fixture::on(Connection::open(&file).unwrap(), SCHEMA);
    assert_eq!(held(&f.store), ["a", "b"]);
    let image = f.store.image().unwrap();
    let mut copy = Connection::open_in_memory().unwrap();
    copy.deserialize_read_exact(rusqlite::MAIN_DB, image.as_slice(), image.len(), false).unwrap();
    let mut copy = Fixture::on(copy, SCHEMA);
    for f in [&mut f, &mut copy] {
        hold_only(f, &["b"]);
        assert_eq!(ids(f), "2");
    }
}

/// A row of a table that the schema of the fixture does not have.
fn tags(ids: &[&str]) -> Rows {
    Rows { bucket: id("t"), table: "tags".into(), ..todos("t", ids, &[]) }
}

const WITH_TAGS: &str = r#"{ "tables": [
    { "name": "tags", "primary_key": ["id"], "columns": [{ "name": "id", "type": "TEXT" }, { "name": "title", "type": "TEXT", "nullable": true }] } ] }"#;

#[test]
fn what_the_schema_did_not_know_is_in_the_book_and_is_fetched_once_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let with = |schema: &str| Fixture::on(Connection::open(dir.path().join("db")).unwrap(), schema);
    let only_ids = WITH_TAGS.replace(r#", { "name": "title", "type": "TEXT", "nullable": true }"#, "");
    let checkpoint = |ids: &[&str], joined| Checkpoint { buckets: vec![holds("t", ids, joined)], ..at(1) };
    for (before, after) in [(SCHEMA, &*only_ids), (&*only_ids, WITH_TAGS)] {
        let mut f = with(before);
        assert_eq!(f.apply(&[tags(&["1", "2"])], &checkpoint(&["1", "2"], true)).diverged, None);
        assert_eq!(held(&f.store), ["t"]);
        f.store.close().unwrap();
        let mut f = with(after);
        assert_eq!(held(&f.store), [""; 0]);
        f.apply(&[tags(&["1", "2"])], &checkpoint(&["1", "2"], true));
        assert_eq!((f.rows("SELECT id FROM tags"), held(&f.store)), (vec!["1".to_owned(), "2".to_owned()], vec!["t".to_owned()]));
        f.store.close().unwrap();
    }
    let mut f = with(SCHEMA);
    f.apply(&[Rows { gone: vec![vec!["1".into()]], ..tags(&[]) }], &checkpoint(&["2"], false));
    assert_eq!(held(&f.store), ["t"], "a table that is gone from the schema keeps its place in the book");
    f.store.close().unwrap();
}

#[test]
fn a_row_that_left_while_the_schema_did_not_know_its_table_goes_when_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let with = |schema: &str| Fixture::on(Connection::open(dir.path().join("db")).unwrap(), schema);
    let checkpoint = |ids: &[&str], joined| Checkpoint { buckets: vec![holds("t", ids, joined)], ..at(1) };
    let mut f = with(WITH_TAGS);
    f.apply(&[tags(&["1", "2"])], &checkpoint(&["1", "2"], true));
    f.store.close().unwrap();
    let mut f = with(SCHEMA);
    f.apply(&[Rows { gone: vec![vec!["1".into()]], ..tags(&["3"]) }], &checkpoint(&["2", "3"], false));
    f.store.close().unwrap();
    let mut f = with(WITH_TAGS);
    assert_eq!(held(&f.store), [""; 0]);
    f.exec(&["INSERT INTO tags (id) VALUES ('9')"]);
    f.apply(&[tags(&["2", "3"])], &checkpoint(&["2", "3"], true));
    assert_eq!(f.rows("SELECT id FROM tags ORDER BY id"), ["2", "3", "9"]);
}

#[test]
fn a_subscription_stands_until_it_is_ended_or_has_been_kept_long_enough() {
    let dir = tempfile::tempdir().unwrap();
    let with = || open(Connection::open(dir.path().join("db")).unwrap(), SCHEMA).unwrap();
    let list = |id: &str| Subscription { stream: "list".into(), params: [("id".to_owned(), Value::from(id))].into() };
    let mut store = with();
    for id in ["a", "b", "c"] {
        store.subscribe(&list(id)).unwrap();
        store.subscribe(&list(id)).unwrap();
    }
    store.unsubscribe(&list("a"), None).unwrap();
    store.unsubscribe(&list("b"), Some(2000)).unwrap();
    store.close().unwrap();
    let mut store = with();
    assert_eq!(*store.replica().subscriptions, [list("b"), list("c")]);
    assert!(!store.expire_subscriptions(1999).unwrap());
    store.abandon_subscriptions(5000).unwrap();
    assert!(store.expire_subscriptions(2000).unwrap());
    assert_eq!(*store.replica().subscriptions, [list("c")]);
    store.subscribe(&list("c")).unwrap();
    assert!(!store.expire_subscriptions(9000).unwrap(), "it is in use again");
    assert_eq!(*store.replica().subscriptions, [list("c")]);
    assert!(store.subscribe(&list(&"x".repeat(5000))).is_err(), "no frame may carry it");
}

#[test]
fn a_stream_is_ready_once_all_of_its_buckets_are_here_and_says_so() {
    let mut f = Fixture::new();
    let wanted = Subscription { stream: "list".into(), ..Subscription::default() };
    f.store.subscribe(&wanted).unwrap();
    let info = |stream: &str, auto: bool, here: (u64, u64, u64)| StreamInfo {
        stream: stream.into(),
        params: Default::default(),
        auto,
        subscribed: !auto,
        ready: here.0 > 0 && here.0 == here.1,
        buckets: here.0,
        joined: here.1,
        rows: here.2,
        error: None,
    };
    assert_eq!(f.store.streams().unwrap(), [info("list", false, (0, 0, 0))], "the server has not said anything");
    let states = vec![stream("all", &["a", "b"]), StreamState { auto: false, ..stream("list", &["b"]) }];
    let first = Checkpoint { partial: true, streams: Some(states.clone()), buckets: vec![holds("a", &["1"], true)], ..at(1) };
    assert!(f.apply(&[todos("a", &["1"], &[])], &first).streams);
    assert_eq!(f.store.streams().unwrap(), [info("all", true, (2, 1, 1)), info("list", false, (1, 0, 0))]);
    join(&mut f, &[("b", &["1", "2"])]);
    assert_eq!(f.store.streams().unwrap(), [info("all", true, (2, 2, 3)), info("list", false, (1, 1, 2))]);
    let same = Checkpoint { streams: Some(states), ..at(2) };
    assert!(!f.apply(&[], &same).streams, "nothing has changed");
    f.store.unsubscribe(&wanted, None).unwrap();
    assert_eq!(f.store.streams().unwrap(), [info("all", true, (2, 2, 3))]);
    assert_eq!(ids(&mut f), "12", "it goes when the server has said so");
}
