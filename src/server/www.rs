//! The static web page. Files under a name that holds a hash of their content may be kept for ever; all
//! others, above all `index.html` and the service worker, are asked for again each time.

use axum::{
    Router,
    extract::Request,
    http::{
        HeaderValue,
        header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::{Next, from_fn},
    response::Response,
};
use std::path::Path;
use tower_http::services::ServeDir;

/// Shortest part of a path that counts as a hash.
const HASH_LENGTH: usize = 8;

/// Serves a folder.
pub fn www(folder: &Path) -> Router {
    let files = ServeDir::new(folder).precompressed_br().precompressed_gzip();
    Router::new().fallback_service(files).layer(from_fn(caching))
}

async fn caching(request: Request, next: Next) -> Response {
    let hashed = is_hashed(request.uri().path());
    let mut response = next.run(request).await;
    let forever = hashed && (response.status().is_success() || response.status().is_redirection());
    let caching = if forever { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether a folder or file of the path is named by a hash, such as `/3f9c2ab1d0e4/app.js` or `/app-5QX3T2AB.js`.
fn is_hashed(path: &str) -> bool {
    path.split(['/', '-', '.']).any(is_hash)
}

/// Long enough, with letters and digits, and either hexadecimal or in capitals (base 32), as bundlers write it.
/// Words of people are neither.
fn is_hash(part: &str) -> bool {
    let is_hex = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_base32 = part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z'));
    let has = |kind: fn(&u8) -> bool| part.as_bytes().iter().any(kind);
    part.len() >= HASH_LENGTH && (is_hex || is_base32) && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::is_hashed;

    #[test]
    fn only_paths_with_a_hash_are_kept_for_ever() {
        for path in ["/3f9c2ab1d0e4/app.js", "/assets/app-3f9c2ab1.js", "/core.0a1b2c3d4e.wasm", "/a/b/style-5QX3T2AB.css"] {
            assert!(is_hashed(path), "{path}");
        }
        for path in ["/", "/index.html", "/service-worker.js", "/manifest.webmanifest", "/icon-maskable512.png", "/20240101/a.js", "/deadbeef/a.js"] {
            assert!(!is_hashed(path), "{path}");
        }
    }
}
