//! Conflicts under `manual` at the store: what a resolver is shown, and what its decision becomes.

use crate::fixture::{Fixture, SCHEMA, rejected, request, text};
use seaworthy_protocol::{Conflict, ConflictKind, Image, Outcome, Policy, Position, RejectCode, RejectData, Sequence, Value};
use seaworthy_store::{Decision, OpenConflict, Over};

fn manual() -> String {
    SCHEMA.replacen(r#""name": "todos","#, r#""name": "todos", "on_conflict": "manual","#, 1)
}

fn fixture() -> Fixture {
    let mut f = Fixture::with_schema(&manual());
    let given = f.todos(&[("a", "A"), ("b", "B")], &[]);
    f.checkpoint(&[given]);
    f
}

fn key(id: &str) -> Image {
    [("id".to_owned(), id.into())].into()
}

/// The server refuses over these rows of todos.
fn conflict(ids: &'static [&'static str]) -> impl FnOnce(Position) -> Outcome {
    conflict_under(Policy::Manual, ids)
}

fn conflict_under(policy: Policy, ids: &'static [&'static str]) -> impl FnOnce(Position) -> Outcome {
    let row = |id: &&str| Conflict { table: "todos".into(), kind: ConflictKind::Data, key: key(id), base: None, local: None, remote: None };
    let data = RejectData { policy, conflicts: ids.iter().map(row).collect(), left_out: 0 };
    move |position| Outcome::Rejected { position, code: RejectCode::Conflict.as_str().into(), message: "meanwhile".into(), data: Some(data) }
}

fn depends_on(position: Position) -> Outcome {
    Outcome::Rejected { position, code: RejectCode::DependsOn.as_str().into(), message: "it was rejected".into(), data: None }
}

fn title(image: &Option<Image>) -> String {
    image.as_ref().map_or_else(|| "none".to_owned(), |image| image.get("title").map_or_else(|| "?".to_owned(), text))
}

/// `key base local remote` of each row.
fn shown(open: &OpenConflict) -> Vec<String> {
    open.rows.iter().map(|row| format!("{} {} {} {}", text(&row.key["id"]), title(&row.base), title(&row.local), title(&row.remote))).collect()
}

/// What a resolver decides that was shown a row: the same with another title, or none.
fn decide(open: &OpenConflict, at: usize, title: Option<&str>) -> Decision {
    let row = &open.rows[at];
    let made = title.map(|title| {
        let mut image = row.remote.clone().or_else(|| row.local.clone()).unwrap();
        image.insert("title".into(), title.into());
        image
    });
    Decision { table: row.table.clone(), key: row.key.clone(), over: Some(Over { remote: row.remote.clone() }), row: made }
}

#[test]
fn a_write_asks_for_the_strictest_of_its_tables_policies_and_of_its_own() {
    let mut f = fixture();
    f.exec(&["UPDATE todos SET title = 'x' WHERE id = 'a'"]);
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    f.exec(&["INSERT INTO lists VALUES ('m', '')", "INSERT INTO todos (id, title) VALUES ('c', 'C')"]);
    let mut stamp = f.stamp();
    stamp.policy = Policy::Fail;
    f.store.write("asked", stamp, &seaworthy_store::Call::batch(["UPDATE todos SET done = 1"])).unwrap();
    let asked: Vec<_> = f.store.outbox(Sequence(0), 9, usize::MAX).unwrap().iter().map(|t| t.policy).collect();
    assert_eq!(asked, [Some(Policy::Manual), None, Some(Policy::Manual), Some(Policy::Fail)]);
}

#[test]
fn a_resolver_is_shown_whole_rows_and_its_decision_becomes_one_new_write() {
    let mut f = fixture();
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = 'a'"]);
    f.decide(1, conflict(&["a"]));
    let theirs = f.todos(&[("a", "theirs")], &[]);
    f.checkpoint(&[theirs]);
    let open = f.store.conflicts().unwrap();
    assert_eq!(shown(&open[0]), ["a A mine theirs"]);
    let columns: Vec<_> = open[0].rows[0].base.as_ref().unwrap().keys().cloned().collect();
    assert_eq!(columns, ["done", "list_id", "slug", "title"], "the cells that it did not change are there too");
    let decision = decide(&open[0], 0, Some("both"));
    let stamp = f.stamp();
    let receipt = f.store.resolve(&request(stamp), open[0].id, stamp, &[decision]).unwrap();
    assert_eq!(receipt.sequence, Some(Sequence(2)));
    assert_eq!(f.store.resolve(&request(stamp), open[0].id, stamp, &[]).unwrap(), receipt, "a lost answer is found again");
    assert_eq!(f.last_changes(), ["update todos a title:theirs>both"]);
    assert!(f.store.rejected().unwrap().is_empty() && f.store.conflicts().unwrap().is_empty());
}

#[test]
fn writes_that_build_on_it_are_part_of_the_question_and_of_the_answer() {
    let mut f = fixture();
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = 'a'"]);
    f.exec(&["UPDATE todos SET title = 'mine too' WHERE id = 'a'", "INSERT INTO lists VALUES ('l', 'Home')"]);
    f.decide(1, conflict(&["a"]));
    let theirs = f.todos(&[("a", "theirs")], &[]);
    f.checkpoint(&[theirs]);
    assert!(f.store.conflicts().unwrap().is_empty(), "the server's word on the second is still to come");
    f.decide(2, depends_on);
    let ended = f.checkpoint(&[]);
    let open = f.store.conflicts().unwrap();
    assert_eq!(ended.rejected[0].builds_on, [open[0].id]);
    assert_eq!(shown(&open[0]), ["a A mine too theirs"], "base is what the first saw, local what the last wanted");
    let decision = decide(&open[0], 0, Some("all"));
    let stamp = f.stamp();
    f.store.resolve(&request(stamp), open[0].id, stamp, &[decision]).unwrap();
    assert_eq!(f.last_changes(), ["insert lists l", "update todos a title:theirs>all"]);
    assert!(f.store.rejected().unwrap().is_empty(), "both have ended");
}

#[test]
fn the_rest_of_the_write_is_made_as_it_was() {
    let mut f = fixture();
    f.exec(&["UPDATE todos SET title = title || '!'", "INSERT INTO todos (id, title) VALUES ('c', 'C')"]);
    f.decide(1, conflict(&["a"]));
    let theirs = f.todos(&[("a", "theirs")], &[]);
    f.checkpoint(&[theirs]);
    let open = f.store.conflicts().unwrap();
    let decision = decide(&open[0], 0, Some("theirs"));
    let stamp = f.stamp();
    f.store.resolve(&request(stamp), open[0].id, stamp, &[decision]).unwrap();
    assert_eq!(f.titles(), ["a=theirs", "b=B!", "c=C"]);
    assert_eq!(f.last_changes(), ["insert todos c", "update todos b title:B>B!"], "what was decided as it stood is no change");
}

#[test]
fn a_decision_over_a_row_that_has_changed_meanwhile_writes_nothing_and_is_asked_again() {
    let mut f = fixture();
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = 'a'"]);
    f.decide(1, conflict(&["a"]));
    let theirs = f.todos(&[("a", "theirs")], &[]);
    f.checkpoint(&[theirs]);
    let open = f.store.conflicts().unwrap();
    let late = f.todos(&[("a", "newer")], &[]);
    f.checkpoint(&[late]);
    let decision = decide(&open[0], 0, Some("both"));
    let stamp = f.stamp();
    let error = f.store.resolve(&request(stamp), open[0].id, stamp, std::slice::from_ref(&decision)).unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("ConflictMoved", true));
    assert_eq!((f.titles()[0].as_str(), f.pending_count()), ("a=newer", 0));
    let again = f.store.conflicts().unwrap();
    assert_eq!(shown(&again[0]), ["a A mine newer"]);
    let decision = decide(&again[0], 0, Some("both"));
    f.store.resolve(&request(stamp), again[0].id, stamp, &[decision]).unwrap();
    assert_eq!(f.last_changes(), ["update todos a title:newer>both"]);
}

#[test]
fn rows_that_are_gone_on_one_side_are_none() {
    let mut f = fixture();
    f.exec(&["UPDATE todos SET title = 'mine' WHERE id = 'a'"]);
    f.exec(&["DELETE FROM todos WHERE id = 'b'"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('c', 'mine')"]);
    for (sequence, ids) in [(1, &["a"] as &[&str]), (2, &["b"]), (3, &["c"])] {
        f.decide(sequence, conflict(ids));
    }
    let theirs = f.todos(&[("b", "edited"), ("c", "theirs")], &["a"]);
    f.checkpoint(&[theirs]);
    let open = f.store.conflicts().unwrap();
    assert_eq!(open.iter().flat_map(shown).collect::<Vec<_>>(), ["a A mine none", "b B none edited", "c none mine theirs"]);
    let decisions = [decide(&open[0], 0, Some("back")), decide(&open[1], 0, None), decide(&open[2], 0, Some("merged"))];
    for (conflict, decision) in open.iter().zip(&decisions) {
        let stamp = f.stamp();
        f.store.resolve(&request(stamp), conflict.id, stamp, std::slice::from_ref(decision)).unwrap();
    }
    assert_eq!(f.titles(), ["a=back", "c=merged"]);
}

#[test]
fn only_manual_asks_and_it_asks_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = || Fixture::on(rusqlite::Connection::open(dir.path().join("db")).unwrap(), &manual());
    let mut f = on_disk();
    let given = f.todos(&[("a", "A"), ("b", "B"), ("c", "C")], &[]);
    f.checkpoint(&[given]);
    for id in ["a", "b", "c"] {
        f.exec(&[&format!("UPDATE todos SET title = 'mine' WHERE id = '{id}'")]);
    }
    f.decide(1, conflict(&["a"]));
    f.decide(2, conflict_under(Policy::Fail, &["b"]));
    f.decide(3, rejected);
    f.checkpoint(&[]);
    f.store.close().unwrap();
    let f = on_disk();
    let open = f.store.conflicts().unwrap();
    assert_eq!(open.iter().flat_map(shown).collect::<Vec<_>>(), ["a A mine A"]);
    assert_eq!(f.store.rejected().unwrap().iter().map(|write| write.policy).collect::<Vec<_>>(), [Some(Policy::Manual), Some(Policy::Fail), None]);
}

#[test]
fn a_rejected_write_can_be_edited_before_it_is_made_again() {
    let mut f = fixture();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('c', 'far too long')", "UPDATE todos SET title = 'b' WHERE id = 'b'"]);
    f.decide(1, rejected);
    f.checkpoint(&[]);
    let kept = f.store.rejected().unwrap();
    let edit = |title: Value| Decision { table: "todos".into(), key: key("c"), over: None, row: Some([("title".to_owned(), title)].into()) };
    let stamp = f.stamp();
    let missing = Decision { key: key("z"), ..edit(Value::Null) };
    assert_eq!(f.store.retry(&request(stamp), kept[0].id, stamp, &[missing]).unwrap_err().code(), "CannotRetry");
    assert_eq!(f.store.rejected().unwrap().len(), 1, "an edit that cannot stand loses nothing");
    f.store.retry(&request(stamp), kept[0].id, stamp, &[edit("short".into())]).unwrap();
    assert_eq!(f.titles(), ["a=A", "b=b", "c=short"]);
    assert!(f.store.rejected().unwrap().is_empty());
}
