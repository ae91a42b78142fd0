//! The pieces of a changeset as bytes, for whoever writes one without making [`Changes`](crate::Changes) first.

use crate::Op;
use crate::changeset::{DELETE, INSERT, UPDATE, put_varint};

/// A cell that is not part of the change.
pub const ABSENT: u8 = 0;

/// One value as SQLite holds it: a text need not be UTF-8.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
}

impl<'a> Cell<'a> {
    /// Appends the cell.
    pub fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(5),
            Self::Integer(integer) => put_word(out, 1, integer.to_be_bytes()),
            Self::Real(real) => put_word(out, 2, real.to_bits().to_be_bytes()),
            Self::Text(text) => put_bytes(out, 3, text),
            Self::Blob(blob) => put_bytes(out, 4, blob),
        }
    }

    /// Takes the first cell off bytes that [`Self::put`] made.
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (kind, rest) = bytes.split_first()?;
        match kind {
            1 => rest.split_first_chunk().map(|(word, rest)| (Self::Integer(i64::from_be_bytes(*word)), rest)),
            2 => rest.split_first_chunk().map(|(word, rest)| (Self::Real(f64::from_be_bytes(*word)), rest)),
            3 => split_bytes(rest).map(|(text, rest)| (Self::Text(text), rest)),
            4 => split_bytes(rest).map(|(blob, rest)| (Self::Blob(blob), rest)),
            5 => Some((Self::Null, rest)),
            _ => None,
        }
    }
}

/// Appends what stands before the records of a table. `key` has the place of each column in the primary key, from 1, or 0.
pub fn put_table(out: &mut Vec<u8>, name: &str, key: &[u8]) {
    out.push(b'T');
    put_varint(out, key.len() as u64);
    out.extend_from_slice(key);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

/// Appends what stands before the cells of a record.
pub fn put_op(out: &mut Vec<u8>, op: Op, indirect: bool) {
    let op = match op {
        Op::Insert => INSERT,
        Op::Update => UPDATE,
        Op::Delete => DELETE,
    };
    out.extend_from_slice(&[op, indirect.into()]);
}

fn put_word(out: &mut Vec<u8>, kind: u8, word: [u8; 8]) {
    out.push(kind);
    out.extend_from_slice(&word);
}

fn put_bytes(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A length that fits memory has at most five bytes, of which each but the last has its highest bit set.
fn split_bytes(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut len = 0_usize;
    loop {
        let (byte, rest) = bytes.split_first()?;
        bytes = rest;
        len = len.checked_mul(128)? | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return bytes.split_at_checked(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_come_back_as_they_were() {
        let long = vec![7; 20_000];
        let cells = [Cell::Null, Cell::Integer(-1), Cell::Real(0.5), Cell::Text(b"a\0\xff"), Cell::Blob(&long), Cell::Text(&[])];
        let mut bytes = Vec::new();
        cells.iter().for_each(|cell| cell.put(&mut bytes));
        let mut rest = bytes.as_slice();
        for cell in cells {
            let split = Cell::split(rest);
            assert_eq!(split.map(|(found, _)| found), Some(cell));
            rest = split.map_or(&[], |(_, left)| left);
        }
        assert_eq!((rest, Cell::split(rest)), (&[][..], None));
        assert_eq!(Cell::split(&bytes[1..9]), None, "a piece of a cell is none");
    }
}
