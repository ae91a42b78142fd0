//! What is a rule, and what is said of what is none.

use super::Rule;
use crate::storage::text::{Fault, Kind, Known, Text};
use rusqlite::Connection;

const SCHEMA: &str = r#"
    CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id TEXT, title TEXT, "strange "" name" INTEGER);
    CREATE TABLE members (list_id TEXT, user_id TEXT, role TEXT);
    CREATE TABLE auth (user_id TEXT);"#;

fn compile(text: &str) -> Result<Rule, Fault> {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    Rule::compile(&conn, "todos", &["id".to_owned()], text)
}

#[test]
fn what_is_asked_about_the_user_becomes_parameters_of_the_same_length() {
    let claim = |name: &str, kind| Known::Claim { name: name.to_owned(), kind };
    for (text, sql, known) in [
        ("auth.user_id() = a", "?1 = a", vec![Known::UserId]),
        ("AUTH . User_Id ( )=a", "?1 =a", vec![Known::UserId]),
        ("auth.claim('o''k') = auth.user_id()", "?1 = ?2", vec![claim("o'k", Kind::Text), Known::UserId]),
        ("auth.claim( 'é' , 'number')<2", "?1 <2", vec![claim("é", Kind::Number)]),
        ("'é' = auth/**/.claim('b','boolean')", "'é' = ?1", vec![claim("b", Kind::Boolean)]),
        ("auth.user_id() IN (auth.user_id())", "?1 IN (?1 )", vec![Known::UserId]),
        ("x = 'auth.user_id()' -- auth.claim()", "x = 'auth.user_id()' -- auth.claim()", vec![]),
    ] {
        let read = Text::read(text).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!((read.sql.split_whitespace().collect::<Vec<_>>().join(" ").as_str(), read.known), (sql, known), "{text}");
        assert_eq!(read.sql.len(), text.len(), "{text}");
    }
}

#[test]
fn every_expression_over_the_row_and_other_tables_is_a_rule() {
    for text in [
        "true",
        "list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())",
        "EXISTS (SELECT 1 FROM members AS m WHERE m.list_id = todos.list_id AND m.role IN ('owner', auth.claim('role')))",
        "title IS NOT NULL AND length(title) BETWEEN 1 AND 200 AND title NOT LIKE '%<%' ESCAPE '\\'",
        "CASE WHEN list_id = 'a' THEN auth.claim('admin', 'boolean') ELSE true END",
        "(SELECT count(*) FROM members WHERE members.list_id = todos.list_id) < auth.claim('limit', 'number')",
        r#"[strange " name] + "strange "" name" + todos.`strange " name` > CAST(title AS INTEGER)"#,
        r#"title = (SELECT "auth".user_id FROM "auth")"#,
        "title ->> '$.x' = 'y' AND title COLLATE NOCASE = 'a' AND id IS DISTINCT FROM 'b'",
        "id IN (SELECT value FROM json_each('[1]')) OR id GLOB 'a*'",
        "id IN (WITH RECURSIVE up (id) AS (SELECT 'a' UNION ALL SELECT list_id FROM members, up WHERE user_id = up.id) SELECT id FROM up)",
        "  \n true -- with a comment",
    ] {
        if let Err(fault) = compile(text) {
            panic!("{text}: {fault}");
        }
    }
}

#[test]
fn what_is_no_rule_is_named_with_its_place() {
    for (text, place, words) in [
        ("", (1, 1), "an expression"),
        ("list_id IN (SELECT list_id FROM members", (1, 40), "found: EOF"),
        ("id = 'a", (1, 6), "Unterminated string"),
        ("id = 'a';", (1, 9), "more follows"),
        ("true) OR (true", (1, 5), "more follows"),
        ("true; DROP TABLE todos", (1, 5), "more follows"),
        ("true, false", (1, 5), "more follows"),
        ("id = = 'a'", (1, 6), "expression"),
        ("id = ?", (1, 6), "no parameters"),
        ("id = :user", (1, 6), "no parameters"),
        ("id IN (SELECT list_id FROM members WHERE user_id = @user)", (1, 52), "no parameters"),
        ("id = random()", (1, 6), "random"),
        ("id < CURRENT_TIMESTAMP", (1, 6), "CURRENT_TIMESTAMP"),
        ("id < datetime('now')", (1, 6), "datetime"),
        ("id IN (SELECT list_id FROM members ORDER BY random() LIMIT 1)", (1, 45), "random"),
        ("load_extension('x')", (1, 1), "load_extension"),
        ("auth.role() = 'a'", (1, 1), "auth.claim('name')"),
        ("id = 'x'\n  OR auth.claim(id) = 'a'", (2, 6), "auth.claim('name')"),
        ("auth.claim('a', 'date') = 'a'", (1, 1), "'boolean'"),
        ("auth.user_id = id", (1, 1), "auth.user_id()"),
        ("\"auth\".user_id() = id", (1, 1), "may not be used"),
        ("user_id() = id", (1, 1), "may not be used"),
        ("titel = 'é' AND true", (1, 1), "no such column: titel"),
        ("title = 'é' AND\n\t\tlst_id = auth.user_id()", (2, 3), "no such column: lst_id"),
        ("id = \"alice\"", (1, 6), "no such column"),
        ("id IN (SELECT list_id FROM member)", (1, 0), "no such table: member"),
        ("count(*) > 0", (1, 1), "misuse of aggregate"),
        ("true AND length() > 0", (1, 10), "wrong number of arguments"),
    ] {
        let Err(fault) = compile(text) else { panic!("{text} is taken for a rule") };
        assert!(fault.problem.contains(words), "{text}: {fault}");
        if place.1 > 0 {
            assert_eq!((fault.line, fault.column), place, "{text}: {fault}");
        }
    }
}

#[test]
fn a_fault_shows_the_line_and_marks_the_place() {
    let Err(fault) = compile("title <> ''\n\tAND lst_id = 'a'") else { panic!("it is taken for a rule") };
    assert_eq!(fault.to_string(), "line 2, column 6: no such column: lst_id\n    \tAND lst_id = 'a'\n    \t    ^");
}
