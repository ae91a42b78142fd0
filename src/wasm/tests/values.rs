//! Values cross the boundary, SQLite and OPFS as they were.

use crate::page::Page;
use seaworthy_protocol::Value;
use wasm_bindgen_test::wasm_bindgen_test;

const EIGHT_MEGABYTES: usize = 8 * 1024 * 1024;

fn values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Integer(0),
        Value::Integer((1 << 53) - 1),
        Value::Integer((1 << 53) + 1),
        Value::Integer(i64::MAX),
        Value::Integer(i64::MIN),
        Value::Integer(1),
        Value::Real(1.0),
        Value::Real(-0.0),
        Value::Real(f64::MIN_POSITIVE / 4.0),
        Value::Real(f64::INFINITY),
        Value::Text(String::new()),
        Value::Text("a\0b".to_owned()),
        Value::Text("naïve 🐢".to_owned()),
        Value::Blob(vec![]),
        Value::Blob(vec![0xff, 0xfe, 0x00, 0x80]),
    ]
}

#[wasm_bindgen_test]
async fn values_of_every_kind_come_back_as_they_were() {
    for storage in ["memory", "opfs"] {
        seaworthy_wasm::Database::remove("values".to_owned()).await.unwrap();
        let page = Page::open("values", storage).await;
        for (at, value) in values().into_iter().enumerate() {
            let id = Value::Text(at.to_string());
            page.write(&format!("r{at}"), "INSERT INTO things VALUES (?, ?)", &[id.clone(), value.clone()]).unwrap();
            assert_eq!(page.row("SELECT v FROM things WHERE id = ?", &[id]), [value], "{storage}");
        }
        page.database.close().unwrap();
    }
}

#[wasm_bindgen_test]
async fn a_blob_of_8_mb_survives_reopening() {
    seaworthy_wasm::Database::remove("blob".to_owned()).await.unwrap();
    let blob = Value::Blob((0..EIGHT_MEGABYTES).map(|i| (i * 31 % 251) as u8).collect());
    let page = Page::open("blob", "opfs").await;
    page.write("r", "INSERT INTO things VALUES ('a', ?)", std::slice::from_ref(&blob)).unwrap();
    page.database.close().unwrap();

    let page = Page::open("blob", "opfs").await;
    assert!(page.value("SELECT v FROM things") == blob);
    page.database.close().unwrap();
}

#[wasm_bindgen_test]
async fn a_text_that_reads_like_an_integer_becomes_one_in_an_integer_column() {
    let page = Page::open("affinity", "memory").await;
    page.write("r", "INSERT INTO numbers VALUES ('a', ?)", &["007".into()]).unwrap();
    assert_eq!(page.value("SELECT n FROM numbers"), Value::Integer(7));
}
