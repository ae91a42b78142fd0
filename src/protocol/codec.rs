//! Frames to bytes and back: MessagePack with named fields by default, JSON on request.

use crate::{ClientFrame, ServerFrame, limits};
use serde::{Serialize, de::DeserializeOwned};

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

    /// The format that a `Content-Type` or `Accept` names, if it is one of ours. Parameters are ignored.
    pub fn from_media_type(text: &str) -> Option<Self> {
        match text.split(';').next().unwrap_or_default().trim() {
            "application/vnd.msgpack" | "application/msgpack" | "application/x-msgpack" => Some(Self::MessagePack),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Bytes that are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum DecodeError {
    #[error("a frame of {size} bytes is larger than the limit of {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("not a frame: {reason}")]
    Malformed { reason: String },
    #[error("{extra} bytes follow the frame")]
    TrailingBytes { extra: usize },
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
    check_size(bytes)?;
    decode(bytes, format)
}

/// Decodes one server frame of at most [`limits::MAX_FRAME_BYTES`].
pub fn decode_server(bytes: &[u8], format: Format) -> Result<ServerFrame, DecodeError> {
    check_size(bytes)?;
    decode(bytes, format)
}

/// Decodes the body of an answer over fetch. Its size is the caller's to bound.
pub fn decode_server_frames(bytes: &[u8], format: Format) -> Result<Vec<ServerFrame>, DecodeError> {
    decode(bytes, format)
}

fn check_size(bytes: &[u8]) -> Result<(), DecodeError> {
    if bytes.len() > limits::MAX_FRAME_BYTES {
        return Err(DecodeError::TooLarge { size: bytes.len(), limit: limits::MAX_FRAME_BYTES });
    }
    Ok(())
}

#[expect(clippy::expect_used, reason = "frames hold only maps with text keys, sequences and scalars: neither encoder can refuse them")]
fn encode<T: Serialize>(value: &T, format: Format) -> Vec<u8> {
    match format {
        Format::MessagePack => rmp_serde::to_vec_named(value).expect("frames encode"),
        Format::Json => serde_json::to_vec(value).expect("frames encode"),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8], format: Format) -> Result<T, DecodeError> {
    match format {
        Format::MessagePack => {
            let mut reader = bytes;
            let value = T::deserialize(&mut rmp_serde::Deserializer::new(&mut reader)).map_err(|e| DecodeError::Malformed { reason: e.to_string() })?;
            if reader.is_empty() { Ok(value) } else { Err(DecodeError::TrailingBytes { extra: reader.len() }) }
        }
        Format::Json => serde_json::from_slice(bytes).map_err(|e| DecodeError::Malformed { reason: e.to_string() }),
    }
}
