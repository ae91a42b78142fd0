//! `seaworthy-server check`: what it finds, what it refuses, and that it changes nothing.

use crate::{
    running::{Running, SECRET, Setup},
    starting::{failure, says},
};
use serde_json::{Value, json};

const MIGRATION: &str = "
    CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner_id TEXT NOT NULL, position REAL, created_at INTEGER);
    CREATE TABLE members (list_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (list_id, user_id)) WITHOUT ROWID;
    CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id TEXT NOT NULL, title TEXT NOT NULL);
    CREATE INDEX todos_list ON todos (list_id);
    CREATE TABLE news (id TEXT NOT NULL PRIMARY KEY, title TEXT NOT NULL);
    CREATE VIRTUAL TABLE found USING fts5(title);";

const SECTIONS: &str = "
[tables.lists]
owner = \"owner_id\"

[tables.todos]
write = \"list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())\"

[tables.news]

[streams.shared]
auto = true
priority = 0
query = \"SELECT * FROM lists WHERE id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())\"

[streams.list_todos]
query = \"\"\"
SELECT * FROM todos
WHERE list_id = params.list_id
  AND list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())\"\"\"

[streams.all_news]
public = true
query = \"SELECT * FROM news\"
";

/// Lists that users share.
pub fn sharing() -> Setup {
    let mut setup = Setup::new();
    setup.migrations = setup.folder.path().join("migrations");
    std::fs::create_dir(&setup.migrations).unwrap();
    std::fs::write(setup.migrations.join("0001_create.sql"), MIGRATION).unwrap();
    SECTIONS.clone_into(&mut setup.tables);
    setup
}

/// The same, once a server has created the database and has ended.
pub fn stopped() -> Running {
    let mut server = sharing().start();
    // From then on it hears signals.
    server.logs("listening");
    assert!(server.stop().success());
    server
}

/// Runs a command that must go well, and gives what it prints.
#[track_caller]
pub fn output(setup: &Setup, args: &[&str]) -> String {
    let output = setup.command().args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json_of(setup: &Setup) -> Value {
    serde_json::from_str(&output(setup, &["check", "--json"])).unwrap()
}

/// Checks a configuration in which `from` stands as `to`.
fn refused(from: &str, to: &str, words: &[&str]) {
    let mut setup = sharing();
    assert!(setup.toml().contains(from), "{from}");
    setup.write();
    if setup.tables.contains(from) {
        setup.tables = setup.tables.replacen(from, to, 1);
    } else {
        let path = setup.folder.path().join("other.toml");
        std::fs::write(&path, setup.toml().replacen(from, to, 1)).unwrap();
        setup.config = Some(path);
    }
    let message = failure(setup.command().arg("check"));
    says(&message, words);
    assert!(!setup.database().exists());
}

#[test]
fn a_good_configuration_is_described_and_nothing_is_created() {
    let setup = sharing();
    setup.write();
    let before = setup.files();
    let text = output(&setup, &["check"]);
    assert_eq!(setup.files(), before);
    for line in [
        "not there yet",
        "table lists: columns id, name, owner_id, position, created_at; key id; streams shared, lists; written by the owner",
        "table news: columns id, title; key id; streams all_news; written by nobody",
        "table todos: columns id, list_id, title; key id; streams list_todos; written by whoever the rule permits",
        "stream shared: rows of lists; parameters none; priority 0; private, automatic; looks up members",
        "stream list_todos: rows of todos; parameters list_id; priority 1; private, on subscription; looks up members",
        "stream all_news: rows of news; parameters none; priority 1; public, on subscription",
        "stream lists: rows of lists; parameters none; priority 1; private, automatic",
        "The configuration is good: 3 tables, 4 streams, ",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
    assert!(text.contains("warning: all of members is read for each value of user_id"), "{text}");
    let found = json_of(&setup);
    assert_eq!(found["database"]["exists"], json!(false));
    assert_eq!(found["streams"][1]["name"], json!("list_todos"));
    assert_eq!((&found["streams"][1]["params"], &found["streams"][1]["auto"]), (&json!(["list_id"]), &json!(false)));
    assert_eq!(found["tables"][0]["writers"], json!("owner"));
}

#[test]
fn what_a_stream_may_not_be_is_named_with_its_place() {
    let query = "query = \"SELECT * FROM news\"";
    refused(query, "", &["streams.all_news", "query"]);
    refused(query, &format!("{query}\nlive = true"), &["seaworthy.toml", "streams.all_news", "\"live\"", "priority"]);
    refused(query, &format!("{query}\npriority = \"first\""), &["streams.all_news.priority", "wrong type"]);
    refused(query, &format!("{query}\npriority = 4"), &["[streams.all_news].priority", "between 0 and 3"]);
    refused(query, "query = \"SELECT * FROM news ORDER BY id\"", &["[streams.all_news] query", "line 1", "column 20", "without an order"]);
    refused(query, "query = \"SELECT * FROM members\"", &["[streams.all_news]", "not synchronised", "[tables.members]"]);
    refused(query, "query = \"SELECT * FROM news WHERE id = auth.user_id()\"", &["[streams.all_news]", "public = true"]);
    refused("public = true", "", &["[streams.all_news]", "public = true"]);
    refused(
        "public = true",
        "public = true\nauto = true\nquery = \"SELECT * FROM news WHERE id = params.id\"\n[streams.other]\npublic = true",
        &["[streams.all_news]", "params.id"],
    );
    refused("[streams.shared]", "[streams.lists]", &["[streams.lists]", "another name"]);
    let lookup = "AND list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())";
    refused(lookup, "AND list_id IN (SELECT list_id FROM member WHERE user_id = auth.user_id())", &["[streams.list_todos] query", "line 3", "member"]);
}

#[test]
fn whatever_else_stops_a_start_is_named_too() {
    refused("[tables.news]", "[tables.new]", &["[tables.new]", "no table of this name"]);
    refused("[streams.all_news]\npublic = true\nquery = \"SELECT * FROM news\"", "", &["[tables.news]", "no stream reads it"]);
    refused("owner = \"owner_id\"", "owner = \"owner\"", &["[tables.lists]", "no column owner"]);
    refused("write = \"list_id", "write = \"nothing = 1 AND list_id", &["[tables.todos] write", "line 1, column 1", "nothing"]);
    refused("owner = \"owner_id\"", "owner = \"owner_id\"\nhandler = \"shop\"", &["tables.lists.handler", "[handlers.shop]"]);
    refused(&format!("secret = {SECRET:?}"), "", &["auth.secret"]);
    refused("[tables.lists]", "[auth.jwks]\nfile = \"nowhere.json\"\n[tables.lists]", &["auth.jwks", "nowhere.json"]);
    let setup = sharing();
    std::fs::write(setup.migrations.join("0002_more.sql"), "CREATE TABLE a (b);\nINSERT INTO nothing VALUES (1);").unwrap();
    says(&failure(setup.command().arg("check")), &["0002_more.sql", "line 2", "nothing"]);
    let setup = sharing();
    std::fs::write(setup.database(), "this is not a database at all, but a text".repeat(100)).unwrap();
    says(&failure(setup.command().arg("check")), &["not a database"]);
}

#[test]
fn a_database_stays_as_it_is_whether_its_server_runs_was_stopped_or_was_killed() {
    let mut server = sharing().start();
    let before = server.setup.files();
    assert!(output(&server.setup, &["check"]).contains("every migration was run"));
    assert_eq!(server.setup.files(), before, "while it runs");
    server.signal("-KILL");
    server.wait();
    let before = server.setup.files();
    assert!(before.keys().any(|path| path.to_string_lossy().ends_with("-wal")), "nothing is left to recover");
    assert!(output(&server.setup, &["check"]).contains("every migration was run"));
    assert_eq!(server.setup.files(), before, "after it was killed");
    let server = stopped();
    let before = server.setup.files();
    assert!(!before.keys().any(|path| path.to_string_lossy().ends_with("-wal")));
    assert!(output(&server.setup, &["check"]).contains("every migration was run"));
    assert_eq!(server.setup.files(), before, "after it was stopped");
}

#[test]
fn pending_migrations_are_tried_without_touching_the_file() {
    let mut server = stopped();
    let setup = &mut server.setup;
    std::fs::write(setup.migrations.join("0002_teams.sql"), "ALTER TABLE news ADD COLUMN team TEXT;\nCREATE INDEX news_team ON news (team);").unwrap();
    setup.tables.push_str("[streams.team_news]\nquery = \"SELECT * FROM news WHERE team = auth.claim('team')\"\n");
    setup.write();
    let before = setup.files();
    let found = json_of(setup);
    assert_eq!((&found["database"]["exists"], &found["database"]["pending"]), (&json!(true), &json!(["0002_teams.sql"])));
    says(&failure(setup.command().args(["explain", "--claims", r#"{"sub":"alice"}"#])), &["0002_teams.sql", "Start the server"]);
    std::fs::write(setup.migrations.join("0001_create.sql"), format!("{MIGRATION} -- changed")).unwrap();
    says(&failure(setup.command().arg("check")), &["0001_create.sql", "was changed"]);
    std::fs::write(setup.migrations.join("0001_create.sql"), MIGRATION).unwrap();
    assert_eq!(setup.files(), before);
}
