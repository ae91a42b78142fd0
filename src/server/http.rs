//! Requests of the server to others. TLS is rustls with ring, and trusts what the system trusts.
//!
//! Nothing is followed elsewhere: an answer that redirects is an answer.

/// A builder of clients. An application that chose a provider of cryptography for the process keeps it.
pub fn client() -> reqwest::ClientBuilder {
    // Fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(concat!("seaworthy-server/", env!("CARGO_PKG_VERSION")))
}
