//! The files as the browser sees them: how often they are written, and what happens when they cannot be.

use crate::page::{Page, call, text};
use seaworthy_protocol::Value;
use seaworthy_wasm::Database;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

async fn fresh(name: &str) -> Page {
    Database::remove(name.to_owned()).await.unwrap();
    Page::open(name, "opfs").await
}

/// Counts writes in this worker, and lets a test break the next ones: `globalThis.answers` holds what they say instead.
const WATCH: &str = "
    if (!globalThis.answers) {
        globalThis.answers = [];
        globalThis.writes = [];
        const { write } = FileSystemSyncAccessHandle.prototype;
        FileSystemSyncAccessHandle.prototype.write = function (buffer, options) {
            globalThis.writes.push(buffer.byteLength);
            return globalThis.answers.length > 0 ? globalThis.answers.shift() : write.call(this, buffer, options);
        };
        globalThis.flushes = [];
        const { flush } = FileSystemSyncAccessHandle.prototype;
        FileSystemSyncAccessHandle.prototype.flush = function () {
            globalThis.flushes.push(globalThis.writes.length);
            return flush.call(this);
        };
    }
    globalThis.writes.length = 0; globalThis.flushes.length = 0;";

fn js(code: &str) -> JsValue {
    js_sys::eval(code).unwrap()
}

fn writes() -> f64 {
    js("globalThis.writes.splice(0).length").as_f64().unwrap()
}

fn insert(page: &Page, id: &str) -> Result<JsValue, JsValue> {
    page.write(id, "INSERT INTO things VALUES (?, randomblob(100))", &[id.into()])
}

fn count(page: &Page) -> Value {
    page.value("SELECT count(*) FROM things")
}

#[wasm_bindgen_test]
async fn a_commit_is_one_write_whatever_it_touches() {
    let page = fresh("one-write").await;
    insert(&page, "warm").unwrap();
    js(WATCH);
    insert(&page, "a").unwrap();
    assert_eq!(writes(), 1.0, "one row, its outbox entry and its answer");
    let many = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO things SELECT 'm' || i, randomblob(500) FROM n";
    page.write("many", many, &[]).unwrap();
    assert_eq!(writes(), 1.0, "many pages");
    page.database.begin().unwrap();
    page.database.step(&call("DELETE FROM things WHERE id = 'a'", &[])).unwrap();
    assert_eq!(writes(), 0.0, "nothing before COMMIT");
    page.database.commit("commit", None).unwrap();
    assert_eq!(writes(), 1.0);
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn strict_commits_are_flushed_after_they_were_written_and_relaxed_ones_are_not() {
    for (durability, flushes) in [("relaxed", ""), ("strict", "1,2")] {
        let name = format!("durable-{durability}");
        Database::remove(name.clone()).await.unwrap();
        let page = Page::open_durable(&name, durability).await;
        insert(&page, "warm").unwrap();
        js(WATCH);
        insert(&page, "a").unwrap();
        insert(&page, "b").unwrap();
        assert_eq!(js("globalThis.flushes.join()").as_string().unwrap(), flushes, "{durability}");
        page.database.close().unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_full_disk_fails_the_commit_that_met_it_and_nothing_else() {
    // What Chromium and Firefox answer when the quota is reached.
    for (at, answer) in ["0xFFFFFFF8", "24"].into_iter().enumerate() {
        let name = format!("full-{at}");
        let page = fresh(&name).await;
        insert(&page, "before").unwrap();
        js(WATCH);
        js(&format!("globalThis.answers.push({answer})"));
        let thrown = insert(&page, "refused").unwrap_err();
        assert_eq!(text(&thrown, "code"), "QuotaExceeded");
        assert_eq!(count(&page), Value::Integer(1), "it was taken back");
        insert(&page, "after").unwrap();
        insert(&page, "refused").unwrap();
        page.database.close().unwrap();
        let page = Page::open(&name, "opfs").await;
        assert_eq!(count(&page), Value::Integer(3));
        assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
        page.database.close().unwrap();
    }
}

#[wasm_bindgen_test]
async fn transactions_that_spill_and_are_rolled_back_leave_the_log_whole() {
    let page = fresh("spill").await;
    js(WATCH);
    let fill = |page: &Page, from: i64| {
        let sql = "WITH RECURSIVE n(i) AS (VALUES (?) UNION ALL SELECT i + 1 FROM n WHERE i < ? + 4999)
                   INSERT INTO things SELECT i, randomblob(1000) FROM n";
        page.database.step(&call(sql, &[from.into(), from.into()])).unwrap();
    };
    for round in 0..4i64 {
        page.database.begin().unwrap();
        fill(&page, round * 10_000);
        page.database.rollback().unwrap();
        insert(&page, &format!("between {round}")).unwrap();
        page.database.begin().unwrap();
        fill(&page, round * 10_000);
        page.database.step(&call("UPDATE things SET v = zeroblob(10) WHERE id % 7 = 0", &[])).unwrap();
        page.database.commit(&format!("commit {round}"), None).unwrap();
        insert(&page, &format!("after {round}")).unwrap();
    }
    let sum = page.row("SELECT count(*), sum(length(v)) FROM things", &[]);
    assert_eq!(sum[0], Value::Integer(4 * 5002));
    page.database.close().unwrap();
    let page = Page::open("spill", "opfs").await;
    assert_eq!(page.row("SELECT count(*), sum(length(v)) FROM things", &[]), sum);
    assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
    page.database.close().unwrap();
}
