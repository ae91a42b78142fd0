//! Requests of the server to others. TLS is rustls with ring, and trusts what the system trusts.
//!
//! Nothing is followed elsewhere: an answer that redirects is an answer.

use std::error::Error;

/// A builder of clients. An application that chose a provider of cryptography for the process keeps it.
pub fn client() -> reqwest::ClientBuilder {
    // Fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(concat!("seaworthy-server/", env!("CARGO_PKG_VERSION")))
}

/// Why a request failed, with the causes that the library's own message leaves out.
pub fn reason(error: &reqwest::Error) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    reason
}
