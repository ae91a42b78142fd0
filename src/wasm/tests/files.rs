//! What stays on the device, and who may have it.

use crate::page::{Page, field, text};
use futures_util::future::join;
use gloo_timers::future::TimeoutFuture;
use js_sys::{Array, Function, Promise};
use seaworthy_protocol::Value;
use seaworthy_wasm::Database;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

async fn fresh(name: &str) -> Page {
    Database::remove(name.to_owned()).await.unwrap();
    Page::open(name, "opfs").await
}

#[wasm_bindgen_test]
async fn rows_and_outbox_survive_close_and_reopen() {
    let page = fresh("reopen").await;
    let receipt = page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    page.database.close().unwrap();

    let page = Page::open("reopen", "opfs").await;
    assert_eq!(page.value("SELECT title FROM todos"), "milk".into());
    let pending: Array = page.database.pending().unwrap().unchecked_into();
    assert_eq!(pending.length(), 1);
    assert_eq!(text(&pending.get(0), "id"), text(&receipt, "id"));
    let fate = page.database.fate(&text(&receipt, "id")).unwrap();
    assert_eq!(text(&fate, "state"), "pending");
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn a_request_that_is_sent_again_after_reopening_runs_once() {
    let page = fresh("repeat").await;
    let first = page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    page.database.close().unwrap();

    let page = Page::open("repeat", "opfs").await;
    let again = page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    assert_eq!(text(&again, "id"), text(&first, "id"));
    assert_eq!(page.value("SELECT count(*) FROM todos"), Value::Integer(1));
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn opening_waits_until_the_files_are_free() {
    let page = fresh("wait").await;
    page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    let close_later = async {
        TimeoutFuture::new(60).await;
        page.database.close().unwrap();
    };
    let (second, ()) = join(Page::open("wait", "opfs"), close_later).await;
    assert_eq!(second.value("SELECT count(*) FROM todos"), Value::Integer(1));
    second.database.close().unwrap();
}

/// Another worker takes the files of a database; resolves to a function that terminates it.
const OTHER_WORKER: &str = r#"new Promise((resolve, reject) => {
    const code = `(async () => {
        let directory = await navigator.storage.getDirectory();
        for (const name of ["seaworthy", "killed"]) directory = await directory.getDirectoryHandle(name, { create: true });
        globalThis.handle = await (await directory.getFileHandle("db", { create: true })).createSyncAccessHandle();
        postMessage("taken");
    })()`;
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    worker.onmessage = () => resolve(() => worker.terminate());
    worker.onerror = reject;
})"#;

#[wasm_bindgen_test]
async fn opening_waits_until_a_killed_worker_has_let_go() {
    fresh("killed").await.database.close().unwrap();
    let promise: Promise = js_sys::eval(OTHER_WORKER).unwrap().unchecked_into();
    let kill: Function = JsFuture::from(promise).await.unwrap().unchecked_into();
    let opened = Rc::new(Cell::new(false));
    let kill_later = async {
        TimeoutFuture::new(60).await;
        assert!(!opened.get(), "the files are the other worker's");
        kill.call0(&JsValue::NULL).unwrap();
    };
    let open = async {
        let page = Page::open("killed", "opfs").await;
        opened.set(true);
        page
    };
    let (page, ()) = join(open, kill_later).await;
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_gone_and_its_name_can_be_used_again() {
    let page = fresh("delete").await;
    page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
    page.database.close().unwrap();
    let page = fresh("delete").await;
    assert_eq!(page.value("SELECT count(*) FROM todos"), Value::Integer(0));
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn names_that_mean_something_to_a_file_system_are_only_names() {
    for name in ["..", "a/b", "ü ä", "a\\\\b", "con"] {
        let page = fresh(name).await;
        page.write("r1", "INSERT INTO todos VALUES ('a', 'milk')", &[]).unwrap();
        page.database.close().unwrap();
    }
    Database::remove("..".to_owned()).await.unwrap();
    let page = Page::open("a/b", "opfs").await;
    assert_eq!(page.value("SELECT count(*) FROM todos"), Value::Integer(1));
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn an_interactive_transaction_that_is_open_at_close_leaves_nothing() {
    let page = fresh("open-transaction").await;
    page.database.begin().unwrap();
    page.database.step(&crate::page::call("INSERT INTO todos VALUES ('a', 'milk')", &[])).unwrap();
    page.database.close().unwrap();

    let page = Page::open("open-transaction", "opfs").await;
    assert_eq!(page.value("SELECT count(*) FROM todos"), Value::Integer(0));
    page.database.begin().unwrap();
    page.database.step(&crate::page::call("INSERT INTO todos VALUES ('b', 'bread')", &[])).unwrap();
    let receipt = page.database.commit("r1", None).unwrap();
    assert_eq!(field(&receipt, "changes").as_f64(), Some(1.0));
    assert_eq!(page.value("SELECT count(*) FROM todos"), Value::Integer(1));
    page.database.close().unwrap();
}
