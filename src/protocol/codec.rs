//! Frames to bytes and back: MessagePack with named fields by default, JSON on request.
//!
//! It promises that whatever is decoded has passed every limit of [`crate::limits`] and every rule
//! that `PROTOCOL.md` states for a single frame; whether the frame may come now is the engine's to
//! say. It never panics on input, and takes memory only in proportion to it.

use crate::{ClientFrame, DecodeError, ServerFrame, bounds, limits, msgpack, shape};
use serde::de::{self, DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// The encoding of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// MessagePack with named fields. Media type `application/vnd.msgpack`.
    #[default]
    MessagePack,
    /// JSON. Media type `application/json`.
    Json,
}

impl Format {
    /// The media type on the wire.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::MessagePack => "application/vnd.msgpack",
            Self::Json => "application/json",
        }
    }

    /// The format that a `Content-Type` or `Accept` names, if it is one of ours. Parameters and case are ignored.
    pub fn from_media_type(text: &str) -> Option<Self> {
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/vnd.msgpack" | "application/msgpack" | "application/x-msgpack" => Some(Self::MessagePack),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Encodes one client frame.
pub fn encode_client(frame: &ClientFrame, format: Format) -> Vec<u8> {
    encode(frame, format)
}

/// Encodes one server frame.
pub fn encode_server(frame: &ServerFrame, format: Format) -> Vec<u8> {
    encode(frame, format)
}

/// Encodes the body of an answer over fetch: an array of server frames.
pub fn encode_server_frames(frames: &[ServerFrame], format: Format) -> Vec<u8> {
    encode(&frames, format)
}

/// Decodes one client frame of at most [`limits::MAX_FRAME_BYTES`].
pub fn decode_client(bytes: &[u8], format: Format) -> Result<ClientFrame, DecodeError> {
    let frame = decode(bytes, format, ClientFrame::NAMES)?;
    bounds::check_client(&frame)?;
    Ok(frame)
}

/// Decodes one server frame of at most [`limits::MAX_FRAME_BYTES`].
pub fn decode_server(bytes: &[u8], format: Format) -> Result<ServerFrame, DecodeError> {
    let frame = decode(bytes, format, ServerFrame::NAMES)?;
    bounds::check_server(&frame)?;
    Ok(frame)
}

/// Decodes the body of an answer over fetch, of at most [`limits::MAX_ANSWER_BYTES`] and [`limits::MAX_ANSWER_FRAMES`].
pub fn decode_server_frames(bytes: &[u8], format: Format) -> Result<Vec<ServerFrame>, DecodeError> {
    check_size(bytes, limits::MAX_ANSWER_BYTES)?;
    let frames = match format {
        Format::MessagePack => split_msgpack(bytes)?,
        Format::Json => split_json(bytes)?,
    };
    let mut decoded = Vec::with_capacity(frames.len());
    for frame in frames {
        decoded.push(decode_server(frame, format)?);
    }
    Ok(decoded)
}

fn check_size(bytes: &[u8], limit: usize) -> Result<(), DecodeError> {
    if bytes.len() > limit { Err(DecodeError::TooLarge { size: bytes.len(), limit }) } else { Ok(()) }
}

#[expect(clippy::expect_used, reason = "frames hold only maps with text keys, sequences and scalars: neither encoder can refuse them")]
fn encode<T: Serialize>(value: &T, format: Format) -> Vec<u8> {
    match format {
        Format::MessagePack => rmp_serde::to_vec_named(value).expect("frames encode"),
        Format::Json => serde_json::to_vec(value).expect("frames encode"),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8], format: Format, names: &[&str]) -> Result<T, DecodeError> {
    check_size(bytes, limits::MAX_FRAME_BYTES)?;
    let decoded = match format {
        Format::MessagePack => {
            let size = shape::msgpack(bytes)?;
            if size < bytes.len() {
                return Err(DecodeError::TrailingBytes { extra: bytes.len() - size });
            }
            msgpack::from_slice(bytes).map_err(DecodeError::malformed)
        }
        Format::Json => {
            shape::json(bytes)?;
            serde_json::from_slice(bytes).map_err(DecodeError::malformed)
        }
    };
    decoded.map_err(|error| match name_of(bytes, format) {
        Some(name) if !names.contains(&name.as_str()) => DecodeError::unknown_frame(name),
        _ => error,
    })
}

/// The name of a frame whose content could not be decoded.
fn name_of(bytes: &[u8], format: Format) -> Option<String> {
    let name: Option<Name> = match format {
        Format::MessagePack => msgpack::from_slice(bytes).ok(),
        Format::Json => serde_json::from_slice(bytes).ok(),
    };
    name.map(|name| name.0)
}

/// The first key of a map.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct FirstKey;

        impl<'de> de::Visitor<'de> for FirstKey {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map whose key names a frame")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Name, A::Error> {
                let name = map.next_key()?.ok_or_else(|| de::Error::custom("an empty map names no frame"))?;
                map.next_value::<IgnoredAny>()?;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Name(name))
            }
        }

        d.deserialize_map(FirstKey)
    }
}

fn split_msgpack(mut bytes: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let (count, header) = shape::msgpack_array(bytes)?;
    check_frames(usize::try_from(count).unwrap_or(usize::MAX))?;
    bytes = &bytes[header..];
    let mut frames = Vec::new();
    for _ in 0..count {
        let (frame, rest) = bytes.split_at(shape::msgpack(bytes)?);
        frames.push(frame);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(frames) } else { Err(DecodeError::TrailingBytes { extra: bytes.len() }) }
}

fn split_json(bytes: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    check_frames(shape::json_array(bytes)?)?;
    let frames: Vec<&RawValue> = serde_json::from_slice(bytes).map_err(DecodeError::malformed)?;
    Ok(frames.into_iter().map(|frame| frame.get().as_bytes()).collect())
}

fn check_frames(found: usize) -> Result<(), DecodeError> {
    let limit = limits::MAX_ANSWER_FRAMES;
    if found > limit { Err(DecodeError::TooMany { what: "frames in one answer", found, limit }) } else { Ok(()) }
}
