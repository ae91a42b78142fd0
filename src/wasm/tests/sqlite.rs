//! The foundations that nobody else tests in a browser: the session extension, and WAL on OPFS.

use rusqlite::session::Session;
use rusqlite::{Connection, OpenFlags};
use sqlite_wasm_rs::WasmOsCallback;
use sqlite_wasm_vfs::sahpool::{OpfsSAHPoolCfgBuilder, OpfsSAHPoolUtil, install};
use wasm_bindgen_test::wasm_bindgen_test;

async fn pool(name: &str) -> OpfsSAHPoolUtil {
    let config = OpfsSAHPoolCfgBuilder::new().vfs_name(name).directory(name).initial_capacity(3).clear_on_init(true).build();
    install::<WasmOsCallback>(&config, false).await.unwrap()
}

fn connect(vfs: &str) -> (Connection, String) {
    let conn = Connection::open_with_flags_and_vfs("db", OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, vfs).unwrap();
    conn.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(())).unwrap();
    let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0)).unwrap();
    (conn, mode)
}

#[wasm_bindgen_test]
async fn a_write_ahead_log_works_on_opfs_without_shared_memory() {
    let pool = pool("test-wal").await;
    let (conn, mode) = connect("test-wal");
    assert_eq!(mode, "wal");
    conn.execute_batch("CREATE TABLE t (id TEXT PRIMARY KEY); INSERT INTO t VALUES ('a')").unwrap();
    conn.close().unwrap();

    let (conn, _) = connect("test-wal");
    assert_eq!(conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    conn.close().unwrap();
    // SAFETY: the connection is closed.
    unsafe { pool.uninstall() }.unwrap();
}

#[wasm_bindgen_test]
async fn the_session_extension_records_in_the_browser() {
    let pool = pool("test-session").await;
    let (conn, _) = connect("test-session");
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
    // SAFETY: the connection is closed.
    unsafe { pool.uninstall() }.unwrap();
}
