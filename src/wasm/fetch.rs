//! POST over fetch, for where WebSockets are blocked.
//!
//! Promises an end within a bounded time, and that only what a Seaworthy server would say is taken
//! for an answer: a captive portal's page, a proxy's error and a redirect are told apart from it.

use futures_util::future::{Either, select};
use gloo_net::http::{Request, Response};
use gloo_timers::future::TimeoutFuture;
use seaworthy_engine::client::FetchError;
use seaworthy_protocol::{ClientFrame, Format, ServerFrame, decode_server_frames, encode_client};
use std::pin::pin;
use web_sys::{AbortController, RequestCache, RequestRedirect};

/// The engine gives up sooner; this ends what it forgot.
const TIMEOUT_MS: u32 = 90_000;
/// Largest body of an answer.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Statuses with which a proxy says that the server behind it is away.
const GATEWAY: std::ops::RangeInclusive<u16> = 502..=504;

/// Sends a frame and reads the frames of the answer. Dropping the future aborts the request.
pub(crate) async fn post(url: String, token: String, frame: ClientFrame) -> Result<Vec<ServerFrame>, FetchError> {
    let exchange = pin!(exchange(url, token, frame));
    match select(exchange, TimeoutFuture::new(TIMEOUT_MS)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(FetchError::Network),
    }
}

async fn exchange(url: String, token: String, frame: ClientFrame) -> Result<Vec<ServerFrame>, FetchError> {
    let abort = AbortOnDrop(AbortController::new().map_err(|_| FetchError::Network)?);
    let body = js_sys::Uint8Array::from(encode_client(&frame, Format::MessagePack).as_slice());
    let request = Request::post(&url)
        .header("authorization", &format!("Bearer {token}"))
        .header("content-type", Format::MessagePack.media_type())
        .header("accept", Format::MessagePack.media_type())
        .cache(RequestCache::NoStore)
        .redirect(RequestRedirect::Error)
        .abort_signal(Some(&abort.0.signal()))
        .body(body)
        .map_err(|_| FetchError::Network)?;
    let response = request.send().await.map_err(|_| FetchError::Network)?;
    if media_type(&response) != Some(Format::MessagePack) {
        return Err(if GATEWAY.contains(&response.status()) { FetchError::Network } else { FetchError::NotSeaworthy });
    }
    if announced_bytes(&response).is_some_and(|bytes| bytes > MAX_ANSWER_BYTES) {
        return Err(FetchError::NotSeaworthy);
    }
    let bytes = response.binary().await.map_err(|_| FetchError::Network)?;
    if bytes.len() > MAX_ANSWER_BYTES {
        return Err(FetchError::NotSeaworthy);
    }
    decode_server_frames(&bytes, Format::MessagePack).map_err(|_| FetchError::NotSeaworthy)
}

fn media_type(response: &Response) -> Option<Format> {
    response.headers().get("content-type").as_deref().and_then(Format::from_media_type)
}

fn announced_bytes(response: &Response) -> Option<usize> {
    response.headers().get("content-length")?.parse().ok()
}

struct AbortOnDrop(AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
