//! The foundation that nobody else tests in a browser: the session extension.

use rusqlite::Connection;
use rusqlite::session::Session;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn the_session_extension_records_in_the_browser() {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE t (id TEXT PRIMARY KEY, v INTEGER)").unwrap();
    let mut changeset = Vec::new();
    {
        let mut session = Session::new(&conn).unwrap();
        session.attach::<&str>(None).unwrap();
        conn.execute("INSERT INTO t VALUES ('a', 1)", []).unwrap();
        session.changeset_strm(&mut changeset).unwrap();
    }
    assert_eq!(changeset, b"T\x02\x01\x00t\x00\x12\x00\x03\x01a\x01\x00\x00\x00\x00\x00\x00\x00\x01");
    conn.close().unwrap();
}
