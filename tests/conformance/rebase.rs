//! Scenario 21 and the definition of rebase: the last checkpoint, plus what is pending and can stand.

use crate::fixture::{Fixture, applied};
use seaworthy_protocol::{BucketId, Rows};

#[test]
fn unrelated_remote_rows_appear_although_writes_are_pending() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('mine', 'Mine')"]);
    let rows = f.todos(&[("theirs", "Theirs")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.titles(), ["mine=Mine", "theirs=Theirs"]);
    f.exec(&["UPDATE todos SET title = 'Ours' WHERE id = 'theirs'"]);
    assert_eq!(f.pending_count(), 2);
}

#[test]
fn a_pending_edit_stays_on_top_of_remote_columns_that_it_did_not_touch() {
    let mut f = Fixture::new();
    let rows = f.todos(&[("a", "old")], &[]);
    f.checkpoint(&[rows]);
    f.exec(&["UPDATE todos SET done = 1 WHERE id = 'a'"]);
    let rows = f.todos(&[("a", "remote")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.rows("SELECT title || done FROM todos"), ["remote1"]);
    // What is pushed is still what was seen at COMMIT; only the way back is new.
    assert_eq!(f.last_changes(), ["update todos a done:0>1"]);
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = 'a'"]);
    let rows = f.todos(&[("a", "remote 2")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.rows("SELECT title || done FROM todos"), ["mine1"]);
    assert_eq!(f.last_changes(), ["update todos a title:remote>mine"]);
    f.decide(1, crate::fixture::rejected);
    f.decide(2, crate::fixture::rejected);
    f.checkpoint(&[]);
    assert_eq!(f.rows("SELECT title || done FROM todos"), ["remote 20"], "undone to what the server has, not to what was seen");
}

#[test]
fn an_edit_whose_row_left_is_masked_with_those_that_build_on_it_and_comes_back() {
    let mut f = Fixture::new();
    let rows = f.todos(&[("a", "A"), ("b", "B")], &[]);
    f.checkpoint(&[rows]);
    f.exec(&["UPDATE todos SET title = 'A2' WHERE id = 'a'", "UPDATE todos SET title = 'B2' WHERE id = 'b'"]);
    f.exec(&["UPDATE todos SET title = 'B3' WHERE id = 'b'"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('c', 'C')"]);
    let gone = f.todos(&[], &["a"]);
    f.checkpoint(&[gone]);
    assert_eq!(f.titles(), ["b=B", "c=C"], "masked whole, with its dependent; the other stands");
    let counts = f.store.counts().unwrap();
    assert_eq!((counts.pending, counts.blocked), (3, 2));
    assert!(f.store.pending().unwrap()[0].blocked);
    let back = f.todos(&[("a", "again")], &[]);
    f.checkpoint(&[back]);
    assert_eq!(f.titles(), ["a=A2", "b=B3", "c=C"]);
    assert_eq!(f.store.counts().unwrap().blocked, 0);
}

/// Lists that all have the same name, which is UNIQUE.
fn homes(ids: &[&str], gone: &[&str]) -> Rows {
    Rows {
        bucket: BucketId("lists".into()),
        table: "lists".into(),
        columns: vec!["id".into(), "name".into()],
        key: vec!["id".into()],
        rows: ids.iter().map(|id| vec![(*id).into(), "Home".into()]).collect(),
        gone: gone.iter().map(|id| vec![(*id).into()]).collect(),
    }
}

#[test]
fn what_was_masked_with_another_stands_again_when_that_one_is_rejected() {
    let mut f = Fixture::new();
    f.exec(&["CREATE UNIQUE INDEX names ON lists (name)"]);
    let rows = f.todos(&[("t", "T")], &[]);
    f.checkpoint(&[rows]);
    f.exec(&["INSERT INTO lists VALUES ('mine', 'Home')"]);
    f.exec(&["UPDATE todos SET list_id = 'mine'"]);
    f.checkpoint(&[homes(&["theirs"], &[])]);
    assert_eq!(f.store.counts().unwrap().blocked, 2);
    f.decide(1, crate::fixture::rejected);
    assert_eq!(f.checkpoint(&[]).rejected.len(), 1);
    assert_eq!(f.store.counts().unwrap().blocked, 0);
    assert_eq!(f.rows("SELECT list_id FROM todos"), ["mine"], "until the server says that it depends on the rejected one");
}

#[test]
fn what_waits_for_a_value_stands_again_when_one_that_frees_it_does() {
    let mut f = Fixture::new();
    f.exec(&["CREATE UNIQUE INDEX names ON lists (name)"]);
    let with_slug = |f: &Fixture, slug: &str| {
        let mut rows = f.todos(&[("a", "A")], &[]);
        rows.columns.push("slug".into());
        rows.rows[0].push(slug.into());
        rows
    };
    let rows = with_slug(&f, "s");
    f.checkpoint(&[rows]);
    f.exec(&["INSERT INTO lists VALUES ('mine', 'Home')"]);
    f.exec(&["UPDATE todos SET list_id = 'mine', slug = NULL"]);
    f.exec(&["INSERT INTO todos (id, title, slug) VALUES ('b', 'B', 'u')"]);
    f.checkpoint(&[homes(&["theirs"], &[])]);
    assert_eq!(f.store.counts().unwrap().blocked, 2, "the list, and the todo that was put into it");
    let rows = with_slug(&f, "u");
    f.checkpoint(&[rows]);
    assert_eq!(f.store.counts().unwrap().blocked, 3, "the value is taken, as long as the todo cannot give it up");
    f.checkpoint(&[homes(&[], &["theirs"])]);
    assert_eq!(f.store.counts().unwrap().blocked, 0);
    assert_eq!(f.rows("SELECT id || coalesce(slug, '-') FROM todos ORDER BY id"), ["a-", "bu"]);
}

#[test]
fn a_value_that_only_a_later_write_frees_is_taken_for_an_earlier_one() {
    let mut f = Fixture::new();
    f.exec(&["CREATE UNIQUE INDEX places ON todos (done, title)"]);
    let rows = f.todos(&[("a", "first"), ("b", "second")], &[]);
    f.checkpoint(&[rows]);
    let places = |f: &Fixture, a: i64, b: i64| {
        let mut rows = f.todos(&[("a", "first"), ("b", "second")], &[]);
        (rows.rows[0][2], rows.rows[1][2]) = (a.into(), b.into());
        rows
    };
    let rows = places(&f, 1, 2);
    f.checkpoint(&[rows]);
    f.exec(&["UPDATE todos SET title = 'second' WHERE id = 'a'"]);
    f.exec(&["UPDATE todos SET title = 'third' WHERE id = 'b'"]);
    // Both are in the same place now, and only the second write makes room there for the first.
    let mut rows = places(&f, 2, 2);
    rows.rows.truncate(1);
    assert_eq!(f.checkpoint(&[rows]).moved, 2);
    assert_eq!(f.titles(), ["a=first", "b=third"]);
    assert_eq!(f.store.counts().unwrap().blocked, 1);
}

#[test]
fn a_checkpoint_never_fails_on_a_unique_value_that_a_pending_row_holds() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title, slug) VALUES ('mine', 'Mine', 'x')"]);
    let mut rows = f.todos(&[], &[]);
    rows.columns.push("slug".into());
    rows.rows = vec![vec!["theirs".into(), "Theirs".into(), 0.into(), "x".into()]];
    f.checkpoint(&[rows]);
    assert_eq!(f.titles(), ["theirs=Theirs"]);
    assert_eq!(f.store.counts().unwrap().blocked, 1);
    // The pending write is still pushed, and what the server decides ends it.
    f.decide(1, crate::fixture::rejected);
    assert_eq!(f.checkpoint(&[]).rejected.len(), 1);
    assert_eq!(f.store.counts().unwrap().pending, 0);
}

#[test]
fn remote_rows_that_exchange_unique_values_are_applied() {
    let mut f = Fixture::new();
    let slugs = |f: &Fixture, pairs: &[(&str, &str)]| {
        let mut rows = f.todos(&[], &[]);
        rows.columns.push("slug".into());
        rows.rows = pairs.iter().map(|(id, slug)| vec![(*id).into(), "".into(), 0.into(), (*slug).into()]).collect();
        rows
    };
    let rows = slugs(&f, &[("a", "x"), ("b", "y")]);
    f.checkpoint(&[rows]);
    let rows = slugs(&f, &[("a", "y"), ("b", "x")]);
    f.checkpoint(&[rows]);
    assert_eq!(f.rows("SELECT id || slug FROM todos ORDER BY id"), ["ay", "bx"]);
}

#[test]
fn a_reset_replaces_the_base_and_keeps_what_is_pending() {
    let mut f = Fixture::new();
    let rows = f.todos(&[("a", "A"), ("b", "B")], &[]);
    f.checkpoint(&[rows]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('mine', 'Mine')"]);
    f.exec(&["INSERT INTO drafts VALUES ('d', 'local')"]);
    let rows = f.todos(&[("b", "B2")], &[]);
    f.checkpoint_at(1, &[rows], true);
    assert_eq!(f.titles(), ["b=B2", "mine=Mine"]);
    assert_eq!(f.rows("SELECT id FROM drafts"), ["d"], "local tables are not the server's");
    assert_eq!(f.pending_count(), 1);
}

#[test]
fn an_inserted_row_that_arrives_from_elsewhere_too_keeps_the_pending_values() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'mine')"]);
    let rows = f.todos(&[("a", "theirs")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.titles(), ["a=mine"]);
    f.decide(1, applied);
    let rows = f.todos(&[("a", "mine")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!((f.titles(), f.pending_count()), (vec!["a=mine".to_owned()], 0));
}

#[test]
fn columns_and_tables_that_only_one_side_knows_are_left_alone() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title, slug) VALUES ('a', 'A', 'kept')"]);
    let mut rows = f.todos(&[], &[]);
    rows.columns.push("server_only".into());
    rows.rows = vec![vec!["a".into(), "A".into(), 0.into(), "?".into()]];
    let mut unknown = rows.clone();
    (unknown.bucket, unknown.table) = (BucketId("nowhere".into()), "nowhere".into());
    f.decide(1, applied);
    f.checkpoint(&[rows, unknown]);
    assert_eq!(f.titles(), ["a=A"]);
}

#[test]
fn a_confirmed_row_that_no_stream_returns_disappears() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    f.decide(1, applied);
    f.checkpoint(&[]);
    assert!(f.titles().is_empty(), "the replica holds what its streams hold");
}

#[test]
fn a_local_trigger_that_fails_does_not_hold_up_what_the_server_decided() {
    let mut f = Fixture::new();
    f.exec(&["CREATE TRIGGER once AFTER INSERT ON todos BEGIN INSERT INTO drafts VALUES ('only', new.title); END"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('mine', 'Mine')"]);
    let rows = f.todos(&[("theirs", "Theirs"), ("more", "More")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.titles(), ["mine=Mine", "more=More", "theirs=Theirs"]);
    assert_eq!(f.store.counts().unwrap().blocked, 0);
    assert_eq!(f.rows("SELECT body FROM drafts"), ["Mine"]);
    assert!(f.try_exec(&["INSERT INTO todos (id, title) VALUES ('x', '')"]).is_err(), "the trigger is back");
}
