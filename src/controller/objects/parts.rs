//! An object taken apart, so that a part of another shape spoils none of the others.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The parts, as text.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) metadata: Option<Box<RawValue>>,
    pub(super) spec: Option<Box<RawValue>>,
    pub(super) status: Option<Box<RawValue>>,
}

/// One part, if it has the shape that is asked for.
pub(super) fn part<T: DeserializeOwned>(raw: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

/// Takes any JSON; what isn't an object has no parts.
struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Parts::default();
        while let Some(name) = map.next_key::<Name>()? {
            match name {
                Name::Metadata => parts.metadata = Some(map.next_value()?),
                Name::Spec => parts.spec = Some(map.next_value()?),
                Name::Status => parts.status = Some(map.next_value()?),
                Name::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(parts)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Parts, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Parts::default())
    }

    fn visit_unit<E>(self) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Parts, E> {
        Ok(Parts::default())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Name {
    Metadata,
    Spec,
    Status,
    #[serde(other)]
    Other,
}
