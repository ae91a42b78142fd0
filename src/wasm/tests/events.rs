//! What the database says unasked.

use crate::page::{Page, buffer, call, field, first_row, text};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Function, JSON};
use seaworthy_protocol::Value;
use seaworthy_wasm::Database;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

fn is(event: &JsValue, kind: &str) -> bool {
    text(event, "type") == kind
}

#[wasm_bindgen_test]
async fn a_live_query_follows_writes_and_skips_those_that_change_nothing_of_it() {
    let page = Page::open("live", "memory").await;
    let first = page.database.live_open(7, &call("SELECT count(*) FROM todos", &[])).unwrap();
    assert_eq!(first_row(&first), [Value::Integer(0)]);

    page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    page.write("r2", "INSERT INTO todos VALUES ('b', 'bread')", &[]).unwrap();
    let event = page.event(|event| is(event, "live")).await;
    assert_eq!(field(&event, "id").as_f64(), Some(7.0));
    assert_eq!(first_row(&buffer(&event)), [Value::Integer(2)], "two writes at once give one result");

    page.write("r3", "INSERT INTO numbers VALUES ('a', 1)", &[]).unwrap();
    page.database.live_close(7).unwrap();
    page.write("r4", "DELETE FROM todos", &[]).unwrap();
    TimeoutFuture::new(50).await;
    assert_eq!(page.events.iter().filter(|event| is(event, "live")).count(), 1);
}

#[wasm_bindgen_test]
async fn nobody_watches_uncommitted_rows() {
    let page = Page::open("uncommitted", "memory").await;
    page.database.live_open(1, &call("SELECT count(*) FROM todos", &[])).unwrap();
    page.database.begin().unwrap();
    page.database.step(&call("INSERT INTO todos VALUES ('a', 'milk')", &[])).unwrap();
    TimeoutFuture::new(50).await;
    assert!(!page.events.iter().any(|event| is(&event, "live")));
    page.database.commit("r1", None).unwrap();
    let event = page.event(|event| is(event, "live")).await;
    assert_eq!(first_row(&buffer(&event)), [Value::Integer(1)]);
}

#[wasm_bindgen_test]
async fn the_status_counts_what_waits() {
    let page = Page::open("status", "memory").await;
    page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    let event = page.event(|event| is(event, "status") && field(&field(event, "status"), "pending") == 1).await;
    assert_eq!(text(&field(&event, "status"), "connection"), "offline");
    assert_eq!(field(&page.database.status().unwrap(), "pending"), 1);
}

#[wasm_bindgen_test]
async fn a_listener_may_call_back_at_once() {
    // The token is given from inside the event that asks for it.
    let database: Rc<RefCell<Option<Database>>> = Rc::default();
    let asked = Rc::new(RefCell::new(0));
    let (inner, count) = (database.clone(), asked.clone());
    let listener = Closure::<dyn FnMut(JsValue)>::new(move |event: JsValue| {
        if is(&event, "need-token")
            && let Some(database) = inner.borrow().as_ref()
        {
            *count.borrow_mut() += 1;
            database.token(Some("a.b.c".to_owned()));
            database.read(&call("SELECT 1", &[])).unwrap();
        }
    });
    let options =
        r#"{ "name": "reentrant", "storage": ["memory"], "schema": { "tables": [] }, "sync": { "url": "http://127.0.0.1:9/sync/v1" }, "online": false }"#;
    let emit: Function = listener.as_ref().unchecked_ref::<Function>().clone();
    let opened = Database::open(JSON::parse(options).unwrap(), emit).await.unwrap();
    *database.borrow_mut() = Some(opened);
    database.borrow().as_ref().unwrap().online(true);
    for _ in 0..100 {
        if *asked.borrow() > 0 {
            break;
        }
        TimeoutFuture::new(10).await;
    }
    assert!(*asked.borrow() > 0);
    let database = database.borrow_mut().take().unwrap();
    assert_eq!(text(&database.status().unwrap(), "connection"), "connecting");
    database.close().unwrap();
}

#[wasm_bindgen_test]
async fn an_answer_that_is_not_ours_is_called_so_and_the_queue_stays() {
    // The server of the test runner answers every path with something else.
    let origin = js_sys::global().unchecked_into::<web_sys::WorkerGlobalScope>().location().origin();
    let page = Page::open_online("portal", &format!("{origin}/sync/v1")).await;
    page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    page.event(|event| is(event, "need-token")).await;
    page.database.token(Some("a.b.c".to_owned()));
    let event = page.event(|event| is(event, "status") && text(&field(&field(event, "status"), "error"), "code") == "not_seaworthy").await;
    assert_eq!(field(&field(&event, "status"), "pending"), 1);
    page.database.close().unwrap();
}
