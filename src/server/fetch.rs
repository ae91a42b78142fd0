//! `POST /sync/v1/push` and `/pull`: one frame in, an array of frames out, for those whose WebSocket is blocked.

use crate::{App, drive::Drive, gate};
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use seaworthy_engine::session::{Input, Session};
use seaworthy_protocol::{ClientFrame, ErrorCode, ErrorFrame, Format, ServerFrame, decode_client, encode_server_frames};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// `POST /sync/v1/push`
pub async fn push(State(app): State<Arc<App>>, request: Request) -> Response {
    serve(app, request, |frame| matches!(frame, ClientFrame::Push(_))).await
}

/// `POST /sync/v1/pull`, which may be held open until there is news.
pub async fn pull(State(app): State<Arc<App>>, request: Request) -> Response {
    serve(app, request, |frame| matches!(frame, ClientFrame::Pull(_))).await
}

async fn serve(app: Arc<App>, request: Request, belongs: impl Fn(&ClientFrame) -> bool) -> Response {
    let (head, body) = request.into_parts();
    let sent_as = head.headers.get(CONTENT_TYPE).and_then(|value| Format::from_media_type(value.to_str().ok()?));
    let wanted = accepted(&head.headers).or(sent_as).unwrap_or_default();
    let Some(sent_as) = sent_as else {
        let error = ErrorFrame::new(ErrorCode::BadFrame, "Set Content-Type to application/vnd.msgpack or application/json.");
        return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[ServerFrame::Error(error)], wanted);
    };
    let Some(_seat) = app.gate.ask(head.extensions.get().copied(), &head.headers) else {
        return refusal(gate::too_many("Too many connections from this address."), wanted);
    };
    let Ok(_permit) = app.connections.clone().try_acquire_owned() else {
        return refusal(ErrorFrame::new(ErrorCode::Unavailable, "Too many connections. Try again later."), wanted);
    };
    let Some(token) = bearer(&head.headers) else {
        return refusal(ErrorFrame::new(ErrorCode::Unauthorized, "Send the header Authorization: Bearer <token>."), wanted);
    };
    match read(&app, body, sent_as).await {
        Ok(frame) if belongs(&frame) => frames(app, token, frame, wanted).await,
        Ok(_) => refusal(ErrorFrame::new(ErrorCode::BadFrame, "This address takes frames of its own name only."), wanted),
        Err(error) => refusal(error, wanted),
    }
}

/// The first format of ours that `Accept` names.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).find_map(Format::from_media_type)
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

async fn read(app: &App, body: Body, format: Format) -> Result<ClientFrame, ErrorFrame> {
    let patience = Duration::from_millis(app.limits.request_timeout_ms);
    let most = app.limits.max_frame_bytes;
    let bytes = match timeout(patience, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(ErrorFrame::new(ErrorCode::TooLarge, format!("The body was cut, or is larger than {most} bytes."))),
        Err(_) => return Err(ErrorFrame::new(ErrorCode::BadFrame, "The body did not come in time.")),
    };
    decode_client(&bytes, format).map_err(|error| ErrorFrame::from(&error))
}

async fn frames(app: Arc<App>, token: String, frame: ClientFrame, wanted: Format) -> Response {
    let mut drive = Drive::new(app, |now| Session::request(now, token));
    drive.feed(Input::Frame(frame));
    let mut frames = Vec::new();
    loop {
        while let Some(frame) = drive.outgoing() {
            frames.push(frame);
        }
        if drive.is_closed() {
            break;
        }
        let input = drive.next().await;
        drive.feed(input);
    }
    match frames.last() {
        Some(ServerFrame::Error(error)) => answer(status(error), &frames, wanted),
        Some(_) => answer(StatusCode::OK, &frames, wanted),
        None => refusal(ErrorFrame::new(ErrorCode::Unavailable, "There is no answer. Try again later."), wanted),
    }
}

fn refusal(error: ErrorFrame, wanted: Format) -> Response {
    answer(status(&error), &[ServerFrame::Error(error)], wanted)
}

fn answer(status: StatusCode, frames: &[ServerFrame], wanted: Format) -> Response {
    let mut response = (status, encode_server_frames(frames, wanted)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(wanted.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(ServerFrame::Error(ErrorFrame { retry_after_ms: Some(wait), .. })) = frames.last() {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.div_ceil(1000)));
    }
    response
}

fn status(error: &ErrorFrame) -> StatusCode {
    let is = |code: ErrorCode| error.code == code.as_str();
    match error {
        _ if is(ErrorCode::Unauthorized) => StatusCode::UNAUTHORIZED,
        _ if is(ErrorCode::WrongUser) => StatusCode::FORBIDDEN,
        _ if is(ErrorCode::UpgradeRequired) => StatusCode::UPGRADE_REQUIRED,
        _ if is(ErrorCode::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        _ if is(ErrorCode::RateLimited) => StatusCode::TOO_MANY_REQUESTS,
        _ if is(ErrorCode::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}
