//! Where a database is kept: IndexedDB's promises, and how a database is found again.

use crate::page::{Page, call, field, text};
use futures_util::future::join;
use js_sys::Promise;
use seaworthy_protocol::Value;
use seaworthy_wasm::Database;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

const INDEXED_DB: &str = "indexeddb";

async fn fresh(name: &str) -> Page {
    Database::remove(name.to_owned()).await.unwrap();
    Page::open(name, INDEXED_DB).await
}

fn insert(page: &Page, id: &str) -> Result<JsValue, JsValue> {
    page.write(id, "INSERT INTO things VALUES (?, randomblob(100))", &[id.into()])
}

fn count(page: &Page) -> Value {
    page.value("SELECT count(*) FROM things")
}

fn js(code: &str) -> JsValue {
    js_sys::eval(code).unwrap()
}

fn storage(page: &Page) -> (String, Option<bool>) {
    let status = page.database.status().unwrap();
    (text(&status, "storage"), field(&status, "storage_lost").as_bool())
}

/// Counts transactions that write, and lets a test make the next ones fail as a full disk does.
const WATCH: &str = "
    if (!globalThis.idb) {
        globalThis.idb = { writes: 0, full: 0 };
        const { transaction } = IDBDatabase.prototype;
        IDBDatabase.prototype.transaction = function (stores, mode, ...rest) {
            if (mode === 'readwrite') globalThis.idb.writes++;
            return transaction.call(this, stores, mode, ...rest);
        };
        const { put } = IDBObjectStore.prototype;
        IDBObjectStore.prototype.put = function (...given) {
            if (globalThis.idb.full > 0) {
                globalThis.idb.full--;
                throw new DOMException('no room', 'QuotaExceededError');
            }
            return put.apply(this, given);
        };
    }
    globalThis.idb.writes = 0; globalThis.idb.full = 0;";

#[wasm_bindgen_test]
async fn what_was_settled_survives_and_what_was_not_is_gone_whole() {
    let page = fresh("pages").await;
    insert(&page, "a").unwrap();
    page.settle().await.unwrap();
    assert!(page.database.settle().is_none(), "nothing waits any more");
    insert(&page, "b").unwrap();
    assert!(page.database.settle().is_some());
    // The worker ends here: what was put into a transaction that began is stored, or not.
    page.database.close().unwrap();

    let page = Page::open("pages", INDEXED_DB).await;
    let rows = count(&page);
    assert!(rows == Value::Integer(1) || rows == Value::Integer(2), "{rows:?}");
    let pending: js_sys::Array = page.database.pending().unwrap().unchecked_into();
    assert_eq!(Value::Integer(pending.length().into()), rows, "rows and outbox agree");
    assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn commits_that_come_together_are_stored_together() {
    let page = fresh("together").await;
    insert(&page, "warm").unwrap();
    page.settle().await.unwrap();
    js(WATCH);
    for n in 0..20 {
        insert(&page, &format!("row {n}")).unwrap();
    }
    page.settle().await.unwrap();
    assert_eq!(js("globalThis.idb.writes").as_f64(), Some(1.0));
    page.database.close().unwrap();
    let page = Page::open("together", INDEXED_DB).await;
    assert_eq!(count(&page), Value::Integer(21));
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn nobody_hears_of_rows_that_are_not_stored() {
    let page = fresh("hears").await;
    page.database.live_open(1, &call("SELECT count(*) FROM things", &[])).unwrap();
    page.settle().await.unwrap();
    js(WATCH);
    js("globalThis.idb.full = 1");
    insert(&page, "a").unwrap();
    page.event(|event| text(event, "type") == "unsaved").await;
    gloo_timers::future::TimeoutFuture::new(50).await;
    assert_eq!(page.events.iter().filter(|event| text(event, "type") == "live").count(), 0);
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn a_full_disk_takes_back_what_it_did_not_store_and_all_goes_on_after_opening_again() {
    let page = fresh("no-room").await;
    insert(&page, "before").unwrap();
    page.settle().await.unwrap();
    js(WATCH);
    js("globalThis.idb.full = 1");
    insert(&page, "refused").unwrap();
    let waiting = page.database.settle().unwrap();
    insert(&page, "refused too").unwrap();
    let (first, second) = join(JsFuture::from(waiting), page.settle()).await;
    for thrown in [first.unwrap_err(), second.unwrap_err()] {
        assert_eq!(text(&thrown, "code"), "QuotaExceeded");
    }
    let unsaved = page.event(|event| text(event, "type") == "unsaved").await;
    assert_eq!(text(&field(&unsaved, "error"), "code"), "QuotaExceeded");
    // There is room again, but memory is ahead of what is stored.
    assert_eq!(text(&page.settle().await.unwrap_err(), "code"), "QuotaExceeded");
    page.database.close().unwrap();

    let page = Page::open("no-room", INDEXED_DB).await;
    assert_eq!(count(&page), Value::Integer(1));
    insert(&page, "refused").unwrap();
    page.settle().await.unwrap();
    page.database.close().unwrap();
    let page = Page::open("no-room", INDEXED_DB).await;
    assert_eq!(count(&page), Value::Integer(2));
    assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn nothing_of_an_open_transaction_is_stored_however_large_it_is() {
    let page = fresh("large").await;
    insert(&page, "before").unwrap();
    page.settle().await.unwrap();
    let fill = call(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO things SELECT 'n' || i, randomblob(1000) FROM n",
        &[],
    );
    page.database.begin().unwrap();
    page.database.step(&fill).unwrap();
    assert!(page.database.settle().is_none(), "nothing reaches the file before COMMIT");
    page.database.rollback().unwrap();
    page.database.begin().unwrap();
    page.database.step(&fill).unwrap();
    page.database.commit("commit", None).unwrap();
    page.settle().await.unwrap();
    page.database.close().unwrap();
    let page = Page::open("large", INDEXED_DB).await;
    assert_eq!(count(&page), Value::Integer(10_001));
    assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn more_than_64_mb_are_refused_by_an_error_that_says_so() {
    let page = fresh("too-large").await;
    let large = |n: i64| page.write(&format!("large {n}"), "INSERT INTO things VALUES (?, zeroblob(11000000))", &[n.into()]);
    // Each stands in its table and in the outbox.
    let (stored, thrown) = (0..7).find_map(|n| large(n).err().map(|thrown| (n, thrown))).unwrap();
    assert_eq!(stored, 3);
    assert_eq!(text(&thrown, "code"), "QuotaExceeded");
    assert!(text(&thrown, "message").contains("64 MB"), "{}", text(&thrown, "message"));
    insert(&page, "after").unwrap();
    page.settle().await.unwrap();
    page.database.close().unwrap();
    let page = Page::open("too-large", INDEXED_DB).await;
    assert_eq!(count(&page), Value::Integer(stored + 1));
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn each_user_has_a_database_alone() {
    Database::remove("users".to_owned()).await.unwrap();
    for (subject, before) in [("ann", 0), ("ben", 0), ("ann", 1), ("ben", 1)] {
        let page = Page::open_as("users", INDEXED_DB, subject).await;
        assert_eq!(count(&page), Value::Integer(before), "{subject}");
        insert(&page, &format!("{subject} {before}")).unwrap();
        page.settle().await.unwrap();
        page.database.close().unwrap();
    }
    let page = Page::open("users", INDEXED_DB).await;
    assert_eq!(count(&page), Value::Integer(2), "the last user's is opened again");
    page.database.close().unwrap();
    Database::remove("users".to_owned()).await.unwrap();
    let page = Page::open_as("users", INDEXED_DB, "ben").await;
    assert_eq!(count(&page), Value::Integer(0), "all are deleted");
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn a_database_is_found_in_the_tier_where_it_was_made() {
    let page = fresh("stays").await;
    insert(&page, "a").unwrap();
    page.settle().await.unwrap();
    page.database.close().unwrap();
    let page = Page::open_in("stays", &["opfs", INDEXED_DB]).await;
    assert_eq!((storage(&page), count(&page)), ((INDEXED_DB.to_owned(), Some(false)), Value::Integer(1)));
    page.database.close().unwrap();

    Database::remove("stays".to_owned()).await.unwrap();
    let page = Page::open_in("stays", &["opfs", INDEXED_DB]).await;
    assert_eq!(storage(&page), ("opfs".to_owned(), Some(false)), "deleted, and not lost");
    page.database.close().unwrap();
}

/// Deletes behind the package's back.
const VANISH: &str = r#"(async () => {
    const root = await (await navigator.storage.getDirectory()).getDirectoryHandle("seaworthy");
    await root.removeEntry("vanished", { recursive: true });
})()"#;

#[wasm_bindgen_test]
async fn a_database_that_vanished_is_not_taken_for_a_new_one() {
    Database::remove("vanished".to_owned()).await.unwrap();
    let page = Page::open("vanished", "opfs").await;
    insert(&page, "a").unwrap();
    page.database.close().unwrap();
    let vanish: Promise = js(VANISH).unchecked_into();
    JsFuture::from(vanish).await.unwrap();
    let page = Page::open("vanished", "opfs").await;
    assert_eq!((storage(&page), count(&page)), (("opfs".to_owned(), Some(true)), Value::Integer(0)));
    page.database.close().unwrap();
    let page = Page::open("vanished", "opfs").await;
    assert_eq!(storage(&page), ("opfs".to_owned(), Some(false)), "said once");
    page.database.close().unwrap();
}
