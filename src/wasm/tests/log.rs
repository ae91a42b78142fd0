//! The files as the browser sees them: how often they are written, and what happens when they cannot be.

use crate::page::{Page, call, field, text};
use js_sys::Uint8Array;
use seaworthy_protocol::Value;
use seaworthy_wasm::Database;
use wasm_bindgen::{JsCast, JsValue};
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

/// So many inserts at once; gives how many were made.
fn insert_many(page: &Page, from: u32, count: u32) -> usize {
    let writes = (from..from + count).map(|id| {
        let write = js_sys::Object::new();
        let id = format!("n{id}");
        let bytes = Uint8Array::from(call("INSERT INTO things VALUES (?, randomblob(100))", &[id.as_str().into()]).as_slice());
        js_sys::Reflect::set(&write, &"request".into(), &id.into()).unwrap();
        js_sys::Reflect::set(&write, &"call".into(), &bytes).unwrap();
        write.into()
    });
    let answers = page.database.write_group(writes.collect()).unwrap();
    answers.iter().filter(|answer| !text(&field(answer, "receipt"), "id").is_empty()).count()
}

#[wasm_bindgen_test]
async fn writes_at_once_share_one_write_to_the_file_and_one_flush() {
    for (durability, flushes) in [("relaxed", ""), ("strict", "1")] {
        let name = format!("shared-{durability}");
        Database::remove(name.clone()).await.unwrap();
        let page = Page::open_durable(&name, durability).await;
        insert(&page, "warm").unwrap();
        js(WATCH);
        assert_eq!(insert_many(&page, 0, 50), 50);
        assert_eq!(js("globalThis.flushes.join()").as_string().unwrap(), flushes, "{durability}");
        assert_eq!(writes(), 1.0);
        assert_eq!(count(&page), Value::Integer(51));
        page.database.close().unwrap();
        let page = Page::open(&name, "opfs").await;
        assert_eq!(count(&page), Value::Integer(51));
        let pending: js_sys::Array = page.database.pending().unwrap().unchecked_into();
        assert_eq!(pending.length(), 51, "each is queued by itself");
        page.database.close().unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_full_disk_that_writes_at_once_meet_takes_only_those_for_which_there_is_no_room() {
    let page = fresh("shared-full").await;
    insert(&page, "before").unwrap();
    js(WATCH);
    js("globalThis.answers.push(24, 24)");
    assert_eq!(insert_many(&page, 0, 5), 4, "the commit of all failed, then that of the first alone");
    assert_eq!(writes(), 6.0);
    assert_eq!(insert_many(&page, 0, 5), 5, "the first is made now, the others are known");
    assert_eq!(count(&page), Value::Integer(6));
    page.database.close().unwrap();
    let page = Page::open("shared-full", "opfs").await;
    assert_eq!(count(&page), Value::Integer(6));
    assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
    page.database.close().unwrap();
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
async fn the_log_that_a_dead_worker_has_left_is_read_in_few_reads() {
    let page = fresh("long-log").await;
    page.write(
        "many",
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 700) INSERT INTO things SELECT i, randomblob(7000) FROM n",
        &[],
    )
    .unwrap();
    // A worker that dies moves nothing out of the log.
    js("globalThis.before = FileSystemSyncAccessHandle.prototype.write; FileSystemSyncAccessHandle.prototype.write = () => 0");
    let _ = page.database.close();
    js("FileSystemSyncAccessHandle.prototype.write = globalThis.before;
        globalThis.reads = []; globalThis.read = FileSystemSyncAccessHandle.prototype.read;
        FileSystemSyncAccessHandle.prototype.read = function (buffer, options) {
            globalThis.reads.push(buffer.byteLength);
            return globalThis.read.call(this, buffer, options);
        }");
    let page = Page::open("long-log", "opfs").await;
    js("FileSystemSyncAccessHandle.prototype.read = globalThis.read");
    let (reads, bytes) = (js("globalThis.reads.length").as_f64().unwrap(), js("globalThis.reads.reduce((sum, read) => sum + read, 0)").as_f64().unwrap());
    assert!(bytes > 5_000_000.0, "the log was there: {bytes} bytes");
    assert!(reads < 80.0, "{reads} reads");
    assert_eq!(count(&page), Value::Integer(700));
    page.database.close().unwrap();
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
