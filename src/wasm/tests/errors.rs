//! Every failure arrives as `{ code, message, retryable, details }`.

use crate::page::{Page, field, text};
use js_sys::Object;
use seaworthy_wasm::Database;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

fn assert_failure(thrown: Result<JsValue, JsValue>, code: &str) -> JsValue {
    let thrown = thrown.unwrap_err();
    assert_eq!(text(&thrown, "code"), code, "{thrown:?}");
    assert!(!text(&thrown, "message").is_empty());
    assert!(field(&thrown, "retryable").as_bool().is_some());
    assert!(Object::is(&Object::get_prototype_of(&thrown), &Object::get_prototype_of(&Object::new())), "a plain object");
    thrown
}

#[wasm_bindgen_test]
async fn a_broken_constraint_names_itself_and_changes_nothing() {
    let page = Page::open("constraint", "memory").await;
    page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    let thrown = assert_failure(page.write("r2", "INSERT INTO todos VALUES ('b', 'milk')", &[]), "ConstraintViolation");
    assert_eq!(text(&field(&thrown, "details"), "kind"), "unique");
    assert_eq!(page.value("SELECT count(*) FROM todos"), 1.into());
}

#[wasm_bindgen_test]
async fn sql_that_is_not_sql_and_writes_that_are_not_allowed_are_told_apart() {
    let page = Page::open("sql", "memory").await;
    assert_failure(page.write("r1", "INSRT", &[]), "BadSql");
    assert_failure(page.database.read(&crate::page::call("DELETE FROM todos", &[])).map(|_| JsValue::NULL), "NotAllowed");
    assert_failure(page.database.read(b"\x01\xff").map(|_| JsValue::NULL), "Internal");
    assert_failure(page.database.retry("r9", "nonsense", &JsValue::from(js_sys::Array::new())), "UnknownWrite");
    assert_failure(page.database.commit("r2", None), "NotAllowed");
}

#[wasm_bindgen_test]
async fn a_closed_database_says_so() {
    let page = Page::open("closed", "memory").await;
    page.database.close().unwrap();
    assert_failure(page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]), "Closed");
    assert_failure(page.database.close().map(|()| JsValue::NULL), "Closed");
    page.database.token(None);
    page.database.online(true);
}

#[wasm_bindgen_test]
async fn a_schema_that_differs_from_the_file_is_refused_and_the_files_are_free_again() {
    Database::remove("mismatch".to_owned()).await.unwrap();
    let page = Page::open("mismatch", "opfs").await;
    page.database.close().unwrap();

    let options = r#"{ "name": "mismatch", "storage": ["opfs"], "sync": null, "online": false, "schema": { "version": 2, "tables": [
        { "name": "todos", "primary_key": ["id"], "columns": [ { "name": "id", "type": "TEXT" }, { "name": "title", "type": "INTEGER" } ] } ] } }"#;
    assert_failure(Page::open_with(options).await.map(|_| JsValue::NULL), "SchemaMismatch");
    Page::open("mismatch", "opfs").await.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn options_that_cannot_be_read_are_refused() {
    assert_failure(Page::open_with(r#"{ "name": "x", "storage": ["floppy"], "schema": { "tables": [] } }"#).await.map(|_| JsValue::NULL), "SchemaMismatch");
    let nameless = r#"{ "name": "", "storage": ["opfs"], "schema": { "tables": [] } }"#;
    assert_failure(Page::open_with(nameless).await.map(|_| JsValue::NULL), "BadName");
}
