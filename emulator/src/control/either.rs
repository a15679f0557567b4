//! JSON values that are an object, or have a short form beside it.
//!
//! serde's untagged enums would do, but their errors don't name the field that is wrong.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A string, or an object of type `O`.
pub(crate) enum StringOr<O> {
    String(String),
    Object(O),
}

/// A list of strings, or an object of type `O`.
pub(crate) enum ListOr<O> {
    List(Vec<String>),
    Object(O),
}

/// An object of type `O`, and nothing else: by itself, a struct also takes a list of its fields' values, and complains
/// by its own name.
pub(crate) struct Object<O>(pub(crate) O);

impl<O: Default> Default for Object<O> {
    fn default() -> Self {
        Self(O::default())
    }
}

struct ObjectVisitor<O>(PhantomData<O>);

impl<'de, O: Deserialize<'de>> Visitor<'de> for ObjectVisitor<O> {
    type Value = Object<O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

impl<'de, O: Deserialize<'de>> Deserialize<'de> for Object<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct StringVisitor<O>(PhantomData<O>);

impl<'de, O: Deserialize<'de>> Visitor<'de> for StringVisitor<O> {
    type Value = StringOr<O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an object")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(StringOr::String(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(StringOr::Object)
    }
}

impl<'de, O: Deserialize<'de>> Deserialize<'de> for StringOr<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringVisitor(PhantomData))
    }
}

struct ListVisitor<O>(PhantomData<O>);

impl<'de, O: Deserialize<'de>> Visitor<'de> for ListVisitor<O> {
    type Value = ListOr<O>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(ListOr::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(ListOr::Object)
    }
}

impl<'de, O: Deserialize<'de>> Deserialize<'de> for ListOr<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}
