//! Static files, other origins, and health.

use crate::{
    peer::{Peer, pull_frame},
    running::{Running, Setup},
};
use reqwest::{Method, Response};

fn http() -> reqwest::Client {
    crate::peer::http()
}

fn header<'r>(response: &'r Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn files_with_a_hash_are_kept_and_the_page_and_the_service_worker_are_asked_for_again() {
    let setup = Setup::with("www = \"www\"");
    let www = setup.folder.path().join("www");
    std::fs::create_dir_all(www.join("3f9c2ab1d0e4")).unwrap();
    for (name, content) in [("index.html", "<h1>hello</h1>"), ("service-worker.js", "self"), ("3f9c2ab1d0e4/core.wasm", "\0asm")] {
        std::fs::write(www.join(name), content).unwrap();
    }
    std::fs::write(setup.folder.path().join("secret.txt"), "secret").unwrap();
    let server = setup.start();
    let get = |path: &str| http().get(server.url(path)).send();
    for path in ["/", "/index.html", "/service-worker.js"] {
        let response = get(path).await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "cache-control")), (200, "no-cache"), "{path}");
    }
    let wasm = get("/3f9c2ab1d0e4/core.wasm").await.unwrap();
    assert_eq!((header(&wasm, "content-type"), header(&wasm, "cache-control")), ("application/wasm", "public, max-age=31536000, immutable"));
    assert_eq!(header(&wasm, "x-content-type-options"), "nosniff");
    let missing = get("/3f9c2ab1d0e4/other.js").await.unwrap();
    assert_eq!((missing.status().as_u16(), header(&missing, "cache-control")), (404, "no-cache"));
    assert_eq!(get("/%2e%2e/secret.txt").await.unwrap().status(), 404);
    assert_eq!(get("/..%2fsecret.txt").await.unwrap().status(), 404);
    let modified = header(&get("/index.html").await.unwrap(), "last-modified").to_owned();
    let again = http().get(server.url("/index.html")).header("if-modified-since", modified).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "cache-control")), (304, "no-cache"));
    assert_eq!(get("/healthz").await.unwrap().text().await.unwrap(), "ok\n");
}

#[tokio::test]
async fn other_origins_are_let_in_by_name_only() {
    let server = Setup::with("allowed_origins = [\"https://app.example.com\"]").start();
    let preflight = |origin: &'static str| {
        let request = http().request(Method::OPTIONS, server.url("/sync/v1/push")).header("origin", origin);
        request.header("access-control-request-method", "POST").header("access-control-request-headers", "authorization,content-type").send()
    };
    let friend = preflight("https://app.example.com").await.unwrap();
    assert_eq!(header(&friend, "access-control-allow-origin"), "https://app.example.com");
    assert!(header(&friend, "access-control-allow-headers").contains("authorization"));
    assert_eq!(header(&friend, "access-control-allow-credentials"), "");
    assert_eq!(header(&preflight("https://evil.example").await.unwrap(), "access-control-allow-origin"), "");
    let strict = Running::new();
    let request = http().get(strict.url("/healthz")).header("origin", "https://app.example.com");
    assert_eq!(header(&request.send().await.unwrap(), "access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_those_who_ask() {
    let server = Running::new();
    let mut alice = Peer::new(&server, "alice", 1);
    let transaction = alice.write(crate::peer::insert("l1", &"x".repeat(100_000), "alice"));
    alice.push(&[transaction]).await;
    let response = alice.request("pull", &pull_frame(alice.replica, None, 0)).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(header(&response, "content-encoding"), "gzip");
    assert!(response.bytes().await.unwrap().len() < 10_000);
}
