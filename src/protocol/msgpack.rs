//! MessagePack to frames, for bytes whose shape was walked.
//!
//! It exists beside `rmp-serde`, whose decoder is compiled for every type of a frame anew and which a
//! browser would have to download: here one function reads what a value begins with, and a type adds
//! what it expects. It promises to read what `rmp-serde` writes, and never panics. Structures are maps
//! with named fields, text is UTF-8, and no extension type means anything. How deep and how large a
//! value is was for [`crate::shape`] to say.

use crate::shape;
use serde::de::value::Error;
use serde::de::{self, DeserializeSeed, Error as _, Expected, IntoDeserializer, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

/// The value at the head of `bytes`.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    T::deserialize(&mut Reader { rest: bytes })
}

/// A scalar, or how many items follow.
enum Head<'de> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Real(f64),
    Text(&'de str),
    Bytes(&'de [u8]),
    Array(usize),
    Map(usize),
}

impl Head<'_> {
    #[cold]
    fn instead_of(&self, expected: &dyn Expected) -> Error {
        let found = match *self {
            Self::Nil => Unexpected::Unit,
            Self::Bool(found) => Unexpected::Bool(found),
            Self::Unsigned(found) => Unexpected::Unsigned(found),
            Self::Signed(found) => Unexpected::Signed(found),
            Self::Real(found) => Unexpected::Float(found),
            Self::Text(found) => Unexpected::Str(found),
            Self::Bytes(found) => Unexpected::Bytes(found),
            Self::Array(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
        };
        Error::invalid_type(found, expected)
    }
}

struct Reader<'de> {
    rest: &'de [u8],
}

impl<'de> Reader<'de> {
    fn head(&mut self) -> Result<Head<'de>, Error> {
        let marker = self.number(1)? as u8;
        Ok(match marker {
            0x00..=0x7f => Head::Unsigned(marker.into()),
            0x80..=0x8f => Head::Map((marker & 0x0f).into()),
            0x90..=0x9f => Head::Array((marker & 0x0f).into()),
            0xa0..=0xbf => self.text((marker & 0x1f).into())?,
            0xc0 => Head::Nil,
            0xc2 | 0xc3 => Head::Bool(marker == 0xc3),
            0xc4..=0xc6 => {
                let len = self.length(1 << (marker - 0xc4))?;
                Head::Bytes(self.take(len)?)
            }
            0xca => Head::Real(f32::from_bits(self.number(4)? as u32).into()),
            0xcb => Head::Real(f64::from_bits(self.number(8)?)),
            0xcc..=0xcf => Head::Unsigned(self.number(1 << (marker - 0xcc))?),
            0xd0..=0xd3 => self.signed(1 << (marker - 0xd0))?,
            0xd9..=0xdb => {
                let len = self.length(1 << (marker - 0xd9))?;
                self.text(len)?
            }
            0xdc | 0xdd => Head::Array(self.length(2 << (marker - 0xdc))?),
            0xde | 0xdf => Head::Map(self.length(2 << (marker - 0xde))?),
            0xe0..=0xff => Head::Signed((marker as i8).into()),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(Error::custom("extension types mean nothing here")),
        })
    }

    fn take(&mut self, len: usize) -> Result<&'de [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| Error::custom("the bytes end in the middle of a value"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, width: usize) -> Result<u64, Error> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, width: usize) -> Result<Head<'de>, Error> {
        let unused = 64 - 8 * width;
        Ok(Head::Signed((self.number(width)? << unused) as i64 >> unused))
    }

    fn length(&mut self, width: usize) -> Result<usize, Error> {
        Ok(self.number(width)? as usize)
    }

    fn text(&mut self, len: usize) -> Result<Head<'de>, Error> {
        std::str::from_utf8(self.take(len)?).map(Head::Text).map_err(Error::custom)
    }

    fn seq<V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let mut items = Items { reader: self, left: len };
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let mut items = Items { reader: self, left: len };
        let value = visitor.visit_map(&mut items)?;
        items.end()?;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(found) => visitor.visit_bool(found),
            Head::Unsigned(found) => visitor.visit_u64(found),
            Head::Signed(found) => visitor.visit_i64(found),
            Head::Real(found) => visitor.visit_f64(found),
            Head::Text(found) => visitor.visit_borrowed_str(found),
            Head::Bytes(found) => visitor.visit_borrowed_bytes(found),
            Head::Array(len) => self.seq(len, visitor),
            Head::Map(len) => self.map(len, visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.rest.split_first() {
            Some((0xc0, rest)) => {
                self.rest = rest;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Array(len) => self.seq(len, visitor),
            other => Err(other.instead_of(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Map(len) => self.map(len, visitor),
            other => Err(other.instead_of(&visitor)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Text(text) => visitor.visit_borrowed_str(text),
            other => Err(other.instead_of(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        match self.head()? {
            Head::Text(variant) => visitor.visit_enum(variant.into_deserializer()),
            Head::Map(1) => visitor.visit_enum(self),
            other => Err(other.instead_of(&visitor)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let len = shape::msgpack(self.rest).map_err(Error::custom)?;
        self.take(len)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// A map of one entry, whose key is the variant.
impl<'de> de::EnumAccess<'de> for &mut Reader<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        seed.deserialize(&mut *self).map(|variant| (variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }
}

struct Items<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
}

impl<'de> Items<'_, 'de> {
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn end(self) -> Result<(), Error> {
        if self.left == 0 { Ok(()) } else { Err(Error::custom("an array or a map holds more than is expected")) }
    }
}

impl<'de> de::SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> de::MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::from_slice;
    use crate::{ErrorCode, Value};
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Pair {
        a: u16,
        b: Option<String>,
    }

    #[test]
    fn every_form_of_a_value_is_read_as_rmp_serde_reads_it() {
        let forms: [&[u8]; 24] = [
            b"\xc0",
            b"\xc2",
            b"\xc3",
            b"\x7f",
            b"\xe0",
            b"\xff",
            b"\xcc\xff",
            b"\xcd\xff\xfe",
            b"\xce\xff\xff\xff\xfe",
            b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff",
            b"\xd0\x80",
            b"\xd1\x80\x01",
            b"\xd2\x80\x00\x00\x01",
            b"\xd3\x80\x00\x00\x00\x00\x00\x00\x01",
            b"\xca\x3f\xc0\x00\x00",
            b"\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a",
            b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
            b"\xa2\xc3\xa4",
            b"\xd9\x01a",
            b"\xda\x00\x01a",
            b"\xdb\x00\x00\x00\x01a",
            b"\xc4\x01\xff",
            b"\xc5\x00\x01\xff",
            b"\xc6\x00\x00\x00\x01\xff",
        ];
        for form in forms {
            assert_eq!(from_slice::<Value>(form).unwrap(), rmp_serde::from_slice(form).unwrap(), "{form:x?}");
            assert!(from_slice::<Value>(&form[..form.len() - 1]).is_err(), "{form:x?}");
        }
    }

    #[test]
    fn a_structure_is_a_map_with_names_and_what_it_does_not_know_is_passed_over() {
        let pair = Pair { a: 300, b: Some("x".into()) };
        assert_eq!(from_slice::<Pair>(b"\x83\xa1a\xcd\x01\x2c\xa1c\x91\x81\xa1d\xd4\x01\x02\xa1b\xa1x").unwrap(), pair);
        assert_eq!(from_slice::<Pair>(b"\xde\x00\x02\xa1a\x01\xa1b\xc0").unwrap(), Pair { a: 1, b: None });
        assert!(from_slice::<Pair>(b"\x92\x01\xa1x").unwrap_err().to_string().contains("sequence"));
        assert!(from_slice::<Pair>(b"\x81\xa1a\xce\x00\x01\x00\x00").unwrap_err().to_string().contains("65536"));
    }

    #[test]
    fn what_has_another_type_is_refused_with_what_was_expected() {
        assert!(from_slice::<Value>(b"\xa1\xff").unwrap_err().to_string().contains("utf-8"));
        assert!(from_slice::<Value>(b"\xd4\x01\x02").unwrap_err().to_string().contains("extension"));
        assert!(from_slice::<String>(b"\xc4\x01a").unwrap_err().to_string().contains("expected a string"));
        assert!(from_slice::<[u8; 1]>(b"\x92\x01\x02").unwrap_err().to_string().contains("more"));
        assert_eq!(from_slice::<ErrorCode>(b"\xa9bad_frame").unwrap(), from_slice(b"\x81\xa9bad_frame\xc0").unwrap());
    }
}
