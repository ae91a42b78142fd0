//! Files that leave and come: what a piece is, what an interrupted import leaves, and what is never put in place.

use crate::page::{Page, SCHEMA, call, text};
use js_sys::{Function, JSON, Promise};
use seaworthy_protocol::Value;
use seaworthy_wasm::{Database, Import};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

const PIECE: u32 = 100_000;

async fn fresh(name: &str) -> Page {
    Database::remove(name.to_owned()).await.unwrap();
    Page::open(name, "opfs").await
}

fn options(name: &str) -> JsValue {
    options_in(name, "opfs")
}

fn options_in(name: &str, storage: &str) -> JsValue {
    JSON::parse(&format!(r#"{{ "name": "{name}", "storage": ["{storage}"], "schema": {SCHEMA}, "sync": null, "online": false }}"#)).unwrap()
}

fn silent() -> Function {
    Function::new_no_args("")
}

/// A file in pieces, while `between` runs behind each.
fn export(page: &Page, between: impl Fn(u32)) -> Vec<u8> {
    let size = page.database.export_begin().unwrap() as usize;
    let mut file = Vec::new();
    let mut pieces = 0;
    while file.len() < size {
        file.extend(page.database.export_read(file.len() as f64, PIECE).unwrap());
        between(pieces);
        pieces += 1;
    }
    page.database.export_end().unwrap();
    file
}

fn fill(page: &Page, from: u32, count: u32) {
    let sql = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO things SELECT ? + i, randomblob(5000) FROM n";
    page.write(&format!("fill {from}"), sql, &[i64::from(count).into(), i64::from(from).into()]).unwrap();
}

async fn names(path: &str) -> String {
    let code = format!(
        "(async () => {{ let at = await navigator.storage.getDirectory(); for (const name of {path}) at = await at.getDirectoryHandle(name);
          const names = []; for await (const name of at.keys()) names.push(name); return names.sort().join(); }})()"
    );
    let promise: Promise = js_sys::eval(&code).unwrap().unchecked_into();
    JsFuture::from(promise).await.map_or_else(|error| text(&error, "name"), |names| names.as_string().unwrap())
}

#[wasm_bindgen_test]
async fn pieces_make_the_file_as_it_was_whatever_is_written_between_them() {
    let page = fresh("pieces").await;
    fill(&page, 0, 400);
    let file = export(&page, |at| fill(&page, 1000 * (at + 1), 100));
    assert!(file.len() > 2_000_000);
    assert!(page.database.export_read(0.0, PIECE).is_err(), "it has ended");
    let import = Import::begin(options("pieces"), "x".to_owned(), true).await.unwrap();
    for (at, piece) in file.chunks(PIECE as usize).enumerate() {
        import.write(piece, f64::from(at as u32 * PIECE)).unwrap();
    }
    assert_ne!(page.value("SELECT count(*) FROM things"), Value::Integer(400));
    import.prepare(&page.database, options("pieces")).unwrap();
    assert!(page.write("still", "INSERT INTO todos VALUES ('a', 'written while the file is ready')", &[]).is_ok());
    page.database.close().unwrap();
    import.open(options("pieces"), silent()).await.unwrap().close().unwrap();
    let page = Page::open("pieces", "opfs").await;
    assert_eq!(page.row("SELECT (SELECT count(*) FROM things), (SELECT count(*) FROM todos)", &[]), [400.into(), 0.into()]);
    assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
    assert!(page.database.was_imported("x").unwrap() && !page.database.was_imported("y").unwrap());
    assert!(!names("['seaworthy']").await.contains("pieces@"), "nothing is left beside it");
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn one_export_at_a_time_and_none_behind_the_close() {
    let page = fresh("one-export").await;
    fill(&page, 0, 3);
    page.database.export_begin().unwrap();
    assert_eq!(text(&page.database.export_begin().unwrap_err(), "code"), "NotAllowed");
    page.database.close().unwrap();
    assert!(page.database.export_read(0.0, 10).is_err());
}

#[wasm_bindgen_test]
async fn an_import_goes_on_where_a_dead_worker_left_it_and_what_is_not_whole_is_never_put_in_place() {
    let page = fresh("resume").await;
    fill(&page, 0, 100);
    let file = export(&page, |_| {});
    fill(&page, 1000, 1);
    let half = PIECE as usize * 3;
    let import = Import::begin(options("resume"), "x".to_owned(), true).await.unwrap();
    import.write(&file[..half], 0.0).unwrap();
    // A worker that dies only lets go of the files.
    import.release().unwrap();

    let other = Import::begin(options("resume"), "y".to_owned(), false).await.unwrap();
    assert_eq!(text(&other.write(&file[half..], half as f64).unwrap_err(), "code"), "LeaderLost", "of this one there is nothing");
    assert_eq!(text(&other.prepare(&page.database, options("resume")).unwrap_err(), "code"), "BadFile", "an empty file is a database to SQLite");
    let import = Import::begin(options("resume"), "x".to_owned(), false).await.unwrap();
    import.write(&file[half - 10..], (half - 10) as f64).unwrap();
    import.prepare(&page.database, options("resume")).unwrap();
    page.database.close().unwrap();
    let database = import.open(options("resume"), silent()).await.unwrap();
    assert_eq!(crate::page::first_row(&database.read(&call("SELECT count(*) FROM things", &[])).unwrap())[0], Value::Integer(100));
    database.close().unwrap();
}

#[wasm_bindgen_test]
async fn a_log_that_could_not_be_emptied_is_never_joined_to_another_file() {
    let page = fresh("full-log").await;
    fill(&page, 0, 3);
    let file = export(&page, |_| {});
    fill(&page, 100, 3);
    let import = Import::begin(options("full-log"), "x".to_owned(), true).await.unwrap();
    import.write(&file, 0.0).unwrap();
    import.prepare(&page.database, options("full-log")).unwrap();
    // The disk is full while the database closes: its log cannot be moved into it.
    js_sys::eval(
        "globalThis.written = FileSystemSyncAccessHandle.prototype.write; globalThis.refused = 0;
         FileSystemSyncAccessHandle.prototype.write = () => { globalThis.refused++; return 0; };",
    )
    .unwrap();
    let closed = page.database.close();
    js_sys::eval("FileSystemSyncAccessHandle.prototype.write = globalThis.written").unwrap();
    assert!(js_sys::eval("globalThis.refused").unwrap().as_f64().unwrap() > 0.0, "the fault came ({closed:?})");
    assert_eq!(text(&import.open(options("full-log"), silent()).await.err().unwrap(), "code"), "StorageUnavailable");
    let page = Page::open("full-log", "opfs").await;
    assert_eq!(page.value("SELECT count(*) FROM things"), Value::Integer(6), "the former database is whole");
    page.database.close().unwrap();
    Import::tidy("full-log".to_owned()).await.unwrap();
    assert!(!names("['seaworthy']").await.contains("full-log@"));
}

#[wasm_bindgen_test]
async fn in_indexeddb_a_file_takes_the_place_of_the_pages_whole_or_not_at_all() {
    let name = "exchanged-pages";
    Database::remove(name.to_owned()).await.unwrap();
    let page = Page::open(name, "indexeddb").await;
    fill(&page, 0, 100);
    let file = export(&page, |_| {});
    fill(&page, 1000, 1);
    page.settle().await.unwrap();
    let mut page = page;
    for (id, is_full, rows) in [("x", true, 101), ("y", false, 100)] {
        let import = Import::begin(options_in(name, "indexeddb"), id.to_owned(), true).await.unwrap();
        for (at, piece) in file.chunks(PIECE as usize).enumerate() {
            import.write(piece, f64::from(at as u32 * PIECE)).unwrap();
        }
        assert_eq!(text(&import.write(&[0], 64.0 * 1024.0 * 1024.0).unwrap_err(), "code"), "LeaderLost", "a piece is missing between");
        import.prepare(&page.database, options_in(name, "indexeddb")).unwrap();
        page.settle().await.unwrap();
        page.database.close().unwrap();
        if is_full {
            js_sys::eval(
                "globalThis.put = IDBObjectStore.prototype.put; IDBObjectStore.prototype.put = () => { throw new DOMException('', 'QuotaExceededError'); }",
            )
            .unwrap();
        }
        let opened = import.open(options_in(name, "indexeddb"), silent()).await;
        if is_full {
            js_sys::eval("IDBObjectStore.prototype.put = globalThis.put").unwrap();
            assert_eq!(text(&opened.err().unwrap(), "code"), "QuotaExceeded");
        } else {
            opened.unwrap().close().unwrap();
        }
        page = Page::open(name, "indexeddb").await;
        assert_eq!(page.value("SELECT count(*) FROM things"), Value::Integer(rows));
        assert_eq!(page.value("PRAGMA integrity_check"), "ok".into());
        assert_eq!(page.database.was_imported(id).unwrap(), !is_full);
    }
    page.database.close().unwrap();
}
