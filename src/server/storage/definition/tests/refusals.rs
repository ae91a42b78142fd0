//! What is no stream, with its place and the reason.

use super::{Definition, StreamConfig, StreamError, compile, database, tables};

fn refused(query: &str, place: (usize, usize), words: &str) {
    match compile(&database(), query, !query.contains("auth.")) {
        Err(StreamError::Query { fault, .. }) => {
            assert!(fault.problem.contains(words), "{query}: {fault}");
            assert_eq!((fault.line, fault.column), place, "{query}: {fault}");
        }
        other => panic!("{query}: {other:?}"),
    }
}

#[test]
fn an_automatic_stream_takes_no_parameters() {
    let query = "SELECT * FROM todos WHERE owner = auth.user_id() AND list_id = params.list".to_owned();
    let config = StreamConfig { query, auto: true, public: false, priority: 1 };
    match Definition::compile(&database(), "mine", &config, &tables()) {
        Err(error @ StreamError::AutoParam { .. }) => assert!(error.to_string().contains("params.list is"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_query_is_one_select_of_all_columns_of_one_table() {
    for (query, column, words) in [
        ("", 1, "Expected"),
        ("DELETE FROM todos", 1, "write SELECT"),
        ("SELECT id FROM todos", 8, "Write SELECT *"),
        ("SELECT count(*) FROM todos", 8, "Write SELECT *"),
        ("SELECT DISTINCT * FROM todos", 8, "distinct"),
        ("SELECT * FROM missing", 15, "no such table"),
        ("SELECT * FROM members", 15, "not synchronised"),
        ("SELECT * FROM shown", 15, "views"),
        ("SELECT * FROM main.todos", 15, "alone"),
        ("SELECT * FROM todos, lists", 20, "one table"),
        ("SELECT * FROM todos JOIN lists ON true", 21, "one table"),
        ("SELECT * FROM (SELECT * FROM todos)", 15, "name a table"),
        ("SELECT * FROM todos ORDER BY id", 21, "without an order"),
        ("SELECT * FROM todos WHERE done LIMIT 3", 32, "limit"),
        ("SELECT * FROM todos WHERE done GROUP BY id", 32, "group"),
        ("SELECT * FROM todos UNION SELECT * FROM todos", 21, "OR, or a second stream"),
        ("WITH x AS (SELECT 1) SELECT * FROM todos", 1, "WITH"),
        ("SELECT * FROM todos; SELECT 1", 20, "more follows"),
        ("SELECT * FROM todos AS params", 15, "stand for what is asked"),
    ] {
        refused(query, (1, column), words);
    }
}

#[test]
fn what_cannot_be_kept_up_to_date_row_by_row_is_refused() {
    for (condition, column, words) in [
        ("owner <> auth.user_id()", 1, "cannot be named by a value"),
        ("NOT (owner = auth.user_id() AND done)", 6, "cannot be named by a value"),
        ("done AND owner NOT IN ('x', auth.user_id())", 10, "cannot be named by a value"),
        ("list_id NOT IN (SELECT list_id FROM members WHERE user_id = auth.user_id())", 1, "cannot be named by a value"),
        ("rank < auth.claim('level', 'number')", 1, "a range"),
        ("rank BETWEEN 1 AND auth.claim('level', 'number')", 1, "a range"),
        ("owner LIKE auth.user_id()", 1, "a pattern"),
        ("lower(owner) = auth.user_id()", 1, "generated column"),
        ("owner COLLATE BINARY = auth.user_id()", 1, "generated column"),
        ("owner = auth.user_id() || list_id", 1, "stand alone"),
        ("coalesce(owner, auth.user_id()) = 'a'", 1, "stand alone"),
        ("done AND EXISTS (SELECT 1 FROM members WHERE user_id = auth.user_id())", 10, "a subquery may only stand"),
        ("(SELECT count(*) FROM members) > 3 AND owner = auth.user_id()", 1, "a subquery may only stand"),
        ("lower(list_id) IN (SELECT list_id FROM members WHERE user_id = auth.user_id())", 1, "stand alone"),
        ("list_id IN (SELECT list_id, role FROM members WHERE user_id = auth.user_id())", 20, "one column"),
        ("list_id IN (SELECT list_id FROM members WHERE user_id = todos.owner AND role = auth.user_id())", 57, "at nothing of the query around it"),
        ("list_id IN (SELECT list_id FROM members WHERE owner = auth.user_id())", 47, "no such column in members"),
        ("list_id IN (SELECT list_id FROM keyless WHERE list_id = auth.user_id())", 33, "PRIMARY KEY"),
        ("list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id() LIMIT 1)", 72, "limit"),
        ("list_id IN (SELECT size FROM lists WHERE team = auth.user_id())", 20, "Declare both alike"),
        ("titel = auth.user_id()", 1, "no such column in todos"),
        ("owner = \"alice\" AND done = auth.user_id()", 9, "no such column in todos"),
        ("owner = random() AND done = auth.user_id()", 9, "may not be used"),
        ("owner = ? AND done = auth.user_id()", 9, "no parameters"),
        ("count(*) > 1 AND done = auth.user_id()", 1, "aggregate"),
        ("auth.claim('x') = params.y", 19, "with a column only"),
        (
            "owner = auth.user_id() AND list_id IN (SELECT id FROM lists WHERE team = params.t) AND done IN (SELECT size FROM lists WHERE team = params.t)",
            133,
            "once",
        ),
        ("owner = params.p AND list_id = params.p AND auth.user_id() = 'a'", 32, "different types or collations"),
        ("owner = auth.role()", 9, "auth.claim('name')"),
        ("owner = params . x . y AND done = auth.user_id()", 9, "params.name"),
    ] {
        refused(&format!("SELECT * FROM todos WHERE\n{condition}"), (2, column), words);
    }
}

#[test]
fn limits_have_names() {
    let ors = |count| vec!["(owner = auth.user_id() OR done = auth.user_id())"; count].join(" AND ");
    assert!(compile(&database(), &format!("SELECT * FROM todos WHERE {}", ors(4)), false).is_ok());
    refused(&format!("SELECT * FROM todos WHERE {}", ors(5)), (1, 28), "more than 16 alternatives");
    refused(&format!("SELECT * FROM todos WHERE owner = auth.user_id(){}", " AND done".repeat(101)), (1, 1), "more than 100 ANDs and ORs");
    refused(&format!("SELECT * FROM todos WHERE owner = auth.user_id() AND '{}' <> ''", "x".repeat(9000)), (1, 1), "longer than");
    refused(&format!("SELECT * FROM todos WHERE list_id IN (auth.user_id(){})", ", 'x'".repeat(16)), (1, 27), "at most 16 items");
    let deep = format!("SELECT * FROM todos WHERE {}done = auth.user_id(){}", "(".repeat(60), ")".repeat(60));
    assert!(compile(&database(), &deep, false).unwrap_err().to_string().contains("nested too deeply"));
    let nested = (0..5).fold("SELECT id FROM lists WHERE id = auth.user_id()".to_owned(), |inner, _| format!("SELECT id FROM lists WHERE id IN ({inner})"));
    assert!(compile(&database(), &format!("SELECT * FROM todos WHERE list_id IN ({nested})"), false).unwrap_err().to_string().contains("stand in each other"));
}

#[test]
fn a_stream_for_everybody_says_so() {
    let conn = database();
    assert!(matches!(compile(&conn, "SELECT * FROM todos WHERE list_id = params.l", false), Err(StreamError::Public { .. })));
    assert!(compile(&conn, "SELECT * FROM todos WHERE list_id = params.l", true).is_ok());
    assert!(matches!(compile(&conn, "SELECT * FROM todos WHERE owner = auth.user_id()", true), Err(StreamError::NotPublic { .. })));
}
