//! Write rules of the configuration, as two users of a shared list meet them.

use crate::{
    peer::{auth, http},
    running::{Running, SECRET, Setup},
    tokens::{signed, with},
};
use jsonwebtoken::Algorithm;
use seaworthy_server::Tokens;
use serde_json::{Value, json};
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner_id TEXT NOT NULL);
    CREATE TABLE members (list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE, user_id TEXT NOT NULL, PRIMARY KEY (list_id, user_id));
    CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE, title TEXT NOT NULL);
    CREATE TABLE news (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL, level INTEGER NOT NULL);";

const TABLES: &str = r#"
[tables.lists]
owner = "owner_id"

[tables.members]
open = true
write = "EXISTS (SELECT 1 FROM lists WHERE lists.id = members.list_id AND lists.owner_id = auth.user_id())"

[tables.todos]
open = true
write = "list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())"

[tables.news]
open = true
write = { insert = "auth.claim('role') = 'editor'", update = "auth.claim('role') <> 'guest' AND level <= auth.claim('level', 'number')" }
"#;

fn setup(tables: &str) -> Setup {
    let mut setup = Setup::new();
    setup.migrations = setup.folder.path().join("migrations");
    std::fs::create_dir(&setup.migrations).unwrap();
    std::fs::write(setup.migrations.join("0001_lists.sql"), SCHEMA).unwrap();
    tables.clone_into(&mut setup.tables);
    setup
}

/// A replica that writes in JSON.
struct Writer {
    url: String,
    token: String,
    replica: String,
    sequence: u64,
}

impl Writer {
    fn new(server: &Running, subject: &str, replica: u8) -> Self {
        let token = Tokens::new(&auth(SECRET, "test")).unwrap().issue(subject, Duration::from_secs(600)).unwrap();
        Self { url: server.url("/sync/v1/push"), token, replica: format!("{replica:032x}"), sequence: 0 }
    }

    fn write(&mut self, changes: Value) -> Value {
        self.sequence += 1;
        json!({ "id": format!("{}{:016x}", &self.replica[16..], self.sequence), "sequence": self.sequence, "changes": changes })
    }

    /// The outcomes: their names, or the codes of rejections.
    async fn push(&self, transactions: &[Value]) -> Vec<String> {
        let frame = json!({ "push": { "replica": self.replica, "transactions": transactions } });
        let answer: Value = http().post(&self.url).bearer_auth(&self.token).json(&frame).send().await.unwrap().json().await.unwrap();
        let results = answer[0]["results"]["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
        results.iter().map(|result| end(&result["outcome"])).collect()
    }

    async fn sync(&mut self, changes: Value) -> String {
        let transaction = self.write(changes);
        self.push(&[transaction]).await.remove(0)
    }
}

fn end(outcome: &Value) -> String {
    let (name, body) = outcome.as_object().and_then(|outcome| outcome.iter().next()).unwrap();
    body["code"].as_str().unwrap_or(name).to_owned()
}

fn list(id: &str, owner: &str) -> Value {
    json!({ "table": "lists", "op": "insert", "key": { "id": id }, "new": { "name": id, "owner_id": owner } })
}

fn member(op: &str, list: &str, user: &str) -> Value {
    json!({ "table": "members", "op": op, "key": { "list_id": list, "user_id": user } })
}

fn todo(id: &str, list: &str) -> Value {
    json!({ "table": "todos", "op": "insert", "key": { "id": id }, "new": { "list_id": list, "title": "Milk" } })
}

fn update(table: &str, id: &str, new: Value) -> Value {
    json!({ "table": table, "op": "update", "key": { "id": id }, "new": new })
}

fn delete(table: &str, id: &str) -> Value {
    json!({ "table": table, "op": "delete", "key": { "id": id } })
}

/// Alice with the list `a`, Bob with the list `b`, each with a todo.
async fn two_users(server: &Running) -> (Writer, Writer) {
    let (mut alice, mut bob) = (Writer::new(server, "alice", 1), Writer::new(server, "bob", 2));
    for (writer, user, id) in [(&mut alice, "alice", "a"), (&mut bob, "bob", "b")] {
        let changes = json!([list(id, user), member("insert", id, user), todo(&format!("in_{id}"), id)]);
        assert_eq!(writer.sync(changes).await, "applied");
    }
    (alice, bob)
}

#[tokio::test]
async fn a_list_is_written_by_its_members_only_and_membership_by_the_owner_only() {
    let server = setup(TABLES).start();
    let (mut alice, mut bob) = two_users(&server).await;
    assert_eq!(bob.sync(json!([update("todos", "in_a", json!({ "title": "Bob was here" }))])).await, "forbidden");
    assert_eq!(bob.sync(json!([delete("todos", "in_a")])).await, "forbidden");
    assert_eq!(bob.sync(json!([todo("bobs", "a")])).await, "forbidden");
    assert_eq!(bob.sync(json!([member("insert", "a", "bob")])).await, "forbidden");
    assert_eq!(bob.sync(json!([member("insert", "nowhere", "bob")])).await, "forbidden");
    assert_eq!(alice.sync(json!([member("insert", "a", "bob")])).await, "applied");
    assert_eq!(bob.sync(json!([update("todos", "in_a", json!({ "title": "Bob is here" })), todo("bobs", "a")])).await, "applied");
}

#[tokio::test]
async fn a_row_moves_neither_into_someone_elses_list_nor_out_of_it() {
    let server = setup(TABLES).start();
    let (_, mut bob) = two_users(&server).await;
    assert_eq!(bob.sync(json!([update("todos", "in_b", json!({ "list_id": "a" }))])).await, "forbidden");
    assert_eq!(bob.sync(json!([update("todos", "in_a", json!({ "list_id": "b" }))])).await, "forbidden");
    // An insert that would overwrite the row is the same.
    assert_eq!(bob.sync(json!([todo("in_a", "b")])).await, "forbidden");
}

#[tokio::test]
async fn a_mark_of_the_client_gets_round_no_rule() {
    let server = setup(TABLES).start();
    let (_, mut bob) = two_users(&server).await;
    let changes = [
        update("todos", "in_a", json!({ "title": "Bob was here" })),
        update("todos", "in_b", json!({ "list_id": "a" })),
        delete("todos", "in_a"),
        todo("bobs", "a"),
        member("insert", "a", "bob"),
        list("gift", "alice"),
    ];
    for mut change in changes {
        change["indirect"] = json!(true);
        assert_eq!(bob.sync(json!([change])).await, "forbidden", "{change}");
    }
    // A list that is not his does not go, and so nothing goes with it.
    let mut cascade = delete("todos", "in_a");
    cascade["indirect"] = json!(true);
    assert_eq!(bob.sync(json!([delete("lists", "a"), cascade])).await, "forbidden");
}

#[tokio::test]
async fn pending_writes_of_somebody_who_lost_permission_are_rejected_and_later_ones_decided() {
    let server = setup(TABLES).start();
    let (mut alice, mut bob) = two_users(&server).await;
    assert_eq!(alice.sync(json!([member("insert", "a", "bob")])).await, "applied");
    let first = bob.write(json!([update("todos", "in_a", json!({ "title": "One" }))]));
    let second = bob.write(json!([todo("bobs", "a")]));
    let mut third = bob.write(json!([update("todos", "bobs", json!({ "title": "Two" }))]));
    third["after"] = json!([second["sequence"]]);
    let fourth = bob.write(json!([update("todos", "in_b", json!({ "title": "Mine" }))]));
    assert_eq!(bob.push(std::slice::from_ref(&first)).await, ["applied"]);
    assert_eq!(alice.sync(json!([member("delete", "a", "bob")])).await, "applied");
    // What was decided stays so; what was pending is decided by what holds now.
    assert_eq!(bob.push(&[first, second, third, fourth]).await, ["applied", "forbidden", "depends_on", "applied"]);
}

#[tokio::test]
async fn a_claim_that_is_missing_or_has_another_type_denies() {
    let server = setup(TABLES).start();
    let news = json!({ "table": "news", "op": "insert", "key": { "id": "n" }, "new": { "body": "Old", "level": 2 } });
    let mut editor = Writer::new(&server, "alice", 1);
    let token = |role: Value, level: Value| {
        let mut claims = with("role", role);
        claims["level"] = level;
        signed(Algorithm::HS256, &claims)
    };
    assert_eq!(editor.sync(json!([news])).await, "forbidden");
    editor.token = token(json!("editor"), json!(2));
    assert_eq!(editor.sync(json!([news])).await, "applied");
    let change = || json!([update("news", "n", json!({ "body": "New" }))]);
    let roles = [json!(["editor"]), json!({ "editor": true }), json!(null), json!(7), json!(true)];
    // In SQL a text is greater than every number.
    let levels = [json!("9"), json!("high"), json!([9]), json!(null), json!(true)];
    let wrong = roles.into_iter().map(|role| (role, json!(9))).chain(levels.into_iter().map(|level| (json!("editor"), level)));
    for (role, level) in wrong {
        editor.token = token(role.clone(), level.clone());
        assert_eq!(editor.sync(change()).await, "forbidden", "{role} {level}");
    }
    editor.token = token(json!("guest"), json!(9));
    assert_eq!(editor.sync(change()).await, "forbidden");
    editor.token = token(json!("editor"), json!(1));
    assert_eq!(editor.sync(change()).await, "forbidden");
    editor.token = token(json!("editor"), json!(2.5));
    assert_eq!(editor.sync(change()).await, "applied");
    // Nobody may delete: there is no rule for it.
    assert_eq!(editor.sync(json!([delete("news", "n")])).await, "forbidden");
}

#[test]
fn a_rule_that_is_none_stops_the_start_and_is_shown_with_the_place() {
    let rule = "list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())";
    for (broken, words) in [
        (
            "\"list_id IN (SELECT lst_id FROM members)\"",
            ["[tables.todos] write, line 1, column 20: no such column: lst_id", "\n    list_id IN (SELECT lst_id FROM members)\n                       ^\n"],
        ),
        (
            "'''\ntrue\n  AND auth.usr_id() = list_id'''",
            ["line 2, column 7: write auth.user_id(), auth.claim('name')", "\n      AND auth.usr_id() = list_id\n          ^\n"],
        ),
        ("{ update = \"random() > 0\" }", ["[tables.todos] write.update, line 1, column 1: random may not be used", "A rule is one expression"]),
        ("{ change = \"true\" }", ["tables.todos.write", "no setting \"change\""]),
        ("true", ["tables.todos.write", "an SQL expression"]),
    ] {
        let setup = setup(&TABLES.replace(&format!("{rule:?}"), broken));
        let output = setup.command().output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && !message.contains("panicked"), "{message}");
        for word in words {
            assert!(message.contains(word), "{word:?} is missing in: {message}");
        }
    }
}

#[tokio::test]
async fn in_the_demo_a_list_is_its_owners_and_its_todos_are_of_everybody_in_it() {
    let demo = include_str!("../../www/server/seaworthy.toml");
    let mut setup = Setup::new();
    setup.tables = demo[demo.find("[tables.lists]").unwrap()..].to_owned();
    let server = setup.start();
    let (mut alice, mut bob) = (Writer::new(&server, "alice", 1), Writer::new(&server, "bob", 2));
    let list = |owner: &str| json!({ "table": "lists", "op": "insert", "key": { "id": owner }, "new": { "name": "L", "owner_id": owner, "position": 1, "created_at": 1 } });
    let invite = |list: &str, user: &str| json!({ "table": "members", "op": "insert", "key": { "list_id": list, "user_id": user }, "new": { "added_at": 1 } });
    let todo = |id: &str, list: &str, owner: &str| {
        let new = json!({ "list_id": list, "title": "Milk", "done": 0, "position": 1, "owner_id": owner, "created_at": 1, "updated_at": 1 });
        json!({ "table": "todos", "op": "insert", "key": { "id": id }, "new": new })
    };
    assert_eq!(alice.sync(json!([list("alice"), todo("t1", "alice", "alice")])).await, "applied");
    assert_eq!(bob.sync(json!([list("bob"), todo("t2", "bob", "bob"), invite("bob", "carol")])).await, "applied", "a list with all that is in it");
    for (what, change) in [
        ("a todo in a list of others", todo("t3", "alice", "bob")),
        ("a todo in a list that is not there", todo("t3", "nowhere", "bob")),
        ("a todo moved there", update("todos", "t2", json!({ "list_id": "alice" }))),
        ("inviting oneself", invite("alice", "bob")),
        ("a list given away", update("lists", "bob", json!({ "owner_id": "alice" }))),
    ] {
        assert_eq!(bob.sync(json!([change])).await, "forbidden", "{what}");
    }

    assert_eq!(alice.sync(json!([invite("alice", "bob"), invite("alice", "carol")])).await, "applied");
    assert_eq!(alice.sync(json!([invite("alice", "bob")])).await, "applied", "invited on two devices");
    assert_eq!(bob.sync(json!([todo("t3", "alice", "bob"), update("todos", "t1", json!({ "title": "Oats" }))])).await, "applied");
    for (what, change) in [
        ("renaming", update("lists", "alice", json!({ "name": "Bob's" }))),
        ("archiving", update("lists", "alice", json!({ "archived": 1 }))),
        ("deleting", delete("lists", "alice")),
        ("inviting", invite("alice", "dave")),
        ("taking out", member("delete", "alice", "carol")),
    ] {
        assert_eq!(bob.sync(json!([change])).await, "forbidden", "{what} is the owner's");
    }

    assert_eq!(bob.sync(json!([member("delete", "alice", "bob")])).await, "applied", "leaving");
    assert_eq!(bob.sync(json!([todo("t4", "alice", "bob")])).await, "forbidden");
    assert_eq!(bob.sync(json!([update("todos", "t2", json!({ "list_id": "alice" }))])).await, "forbidden");
    assert_eq!(bob.sync(json!([update("todos", "t2", json!({ "title": "Oats" }))])).await, "applied");
}
