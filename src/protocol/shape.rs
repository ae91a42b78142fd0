//! The shape of encoded bytes, looked at before a decoder takes memory for them.
//!
//! A byte on the wire can ask for many in memory: a declared length far beyond the input, a million
//! NULLs, arrays in arrays. This walk refuses them by counting. It allocates nothing, does not
//! recurse, and leaves the meaning of the bytes to the decoder behind it.

use crate::{DecodeError, limits};

/// Walks one MessagePack value at the head of `bytes`; answers how many bytes it takes.
pub(crate) fn msgpack(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut walk = Walk { bytes, at: 0, elements: 0 };
    // How many values are still to come, per level.
    let mut open = [0_u64; limits::MAX_FRAME_DEPTH];
    open[0] = 1;
    let mut depth = 0;
    loop {
        if open[depth] == 0 {
            if depth == 0 {
                return Ok(walk.at);
            }
            depth -= 1;
            continue;
        }
        open[depth] -= 1;
        let children = walk.value()?;
        if children > 0 {
            depth += 1;
            *open.get_mut(depth).ok_or(DecodeError::TooDeep)? = children;
        }
    }
}

/// The number of items and the length of the header, if `bytes` begin with a MessagePack array.
pub(crate) fn msgpack_array(bytes: &[u8]) -> Result<(u64, usize), DecodeError> {
    let mut walk = Walk { bytes, at: 0, elements: 0 };
    let items = match walk.byte()? {
        marker @ 0x90..=0x9f => u64::from(marker & 0x0f),
        0xdc => walk.number(2)?,
        0xdd => walk.number(4)?,
        _ => return Err(DecodeError::malformed("expected an array of frames")),
    };
    Ok((items, walk.at))
}

/// Counts what stands in JSON text. Whether it is JSON is the decoder's to say.
pub(crate) fn json(bytes: &[u8]) -> Result<(), DecodeError> {
    let found = Count::of_json(bytes);
    if found.depth > limits::MAX_FRAME_DEPTH {
        return Err(DecodeError::TooDeep);
    }
    check_elements(found.elements as u64)
}

/// Answers about how many items a JSON array holds, each of which is looked at later.
pub(crate) fn json_array(bytes: &[u8]) -> Result<usize, DecodeError> {
    let found = Count::of_json(bytes);
    if found.depth > limits::MAX_FRAME_DEPTH + 1 { Err(DecodeError::TooDeep) } else { Ok(found.items + 1) }
}

#[derive(Default)]
struct Count {
    elements: usize,
    depth: usize,
    /// Commas of the outermost array.
    items: usize,
}

impl Count {
    fn of_json(bytes: &[u8]) -> Self {
        let mut count = Self::default();
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        for byte in bytes {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_text => escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'[' | b'{' => {
                    depth += 1;
                    count.elements += 1;
                    count.depth = count.depth.max(depth);
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' => {
                    count.elements += 1;
                    count.items += usize::from(depth == 1);
                }
                _ => {}
            }
        }
        count
    }
}

fn check_elements(found: u64) -> Result<(), DecodeError> {
    if found > limits::MAX_FRAME_ELEMENTS as u64 {
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        return Err(DecodeError::TooMany { what: "elements in one frame", found, limit: limits::MAX_FRAME_ELEMENTS });
    }
    Ok(())
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    elements: u64,
}

impl Walk<'_> {
    /// Passes over a scalar, or over the header of a map or array; answers how many values it holds.
    fn value(&mut self) -> Result<u64, DecodeError> {
        let children = match self.byte()? {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            marker @ 0x80..=0x8f => 2 * u64::from(marker & 0x0f),
            marker @ 0x90..=0x9f => u64::from(marker & 0x0f),
            marker @ 0xa0..=0xbf => self.skip(u64::from(marker & 0x1f))?,
            marker @ 0xc4..=0xc6 => self.skip_sized(1 << (marker - 0xc4), 0)?,
            marker @ 0xc7..=0xc9 => self.skip_sized(1 << (marker - 0xc7), 1)?,
            0xca => self.skip(4)?,
            0xcb => self.skip(8)?,
            marker @ 0xcc..=0xcf => self.skip(1 << (marker - 0xcc))?,
            marker @ 0xd0..=0xd3 => self.skip(1 << (marker - 0xd0))?,
            marker @ 0xd4..=0xd8 => self.skip((1 << (marker - 0xd4)) + 1)?,
            marker @ 0xd9..=0xdb => self.skip_sized(1 << (marker - 0xd9), 0)?,
            0xdc => self.number(2)?,
            0xdd => self.number(4)?,
            0xde => 2 * self.number(2)?,
            0xdf => 2 * self.number(4)?,
            0xc1 => return Err(DecodeError::malformed("0xc1 is no MessagePack")),
        };
        if children > (self.bytes.len() - self.at) as u64 {
            return Err(truncated());
        }
        self.elements += children;
        check_elements(self.elements)?;
        Ok(children)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or_else(truncated)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self, width: usize) -> Result<u64, DecodeError> {
        (0..width).try_fold(0, |number, _| Ok(number << 8 | u64::from(self.byte()?)))
    }

    fn skip(&mut self, len: u64) -> Result<u64, DecodeError> {
        if len > (self.bytes.len() - self.at) as u64 {
            return Err(truncated());
        }
        self.at += len as usize;
        Ok(0)
    }

    fn skip_sized(&mut self, width: usize, extra: u64) -> Result<u64, DecodeError> {
        let len = self.number(width)?;
        self.skip(len + extra)
    }
}

fn truncated() -> DecodeError {
    DecodeError::malformed("the bytes end in the middle of a value")
}
