//! Where an application lets the consent page send the browser.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Unexpected};

use crate::login::consent::is_web_uri;

/// A list of web addresses.
pub(crate) struct RedirectUris(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for RedirectUris {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let uris = Vec::<String>::deserialize(deserializer)?;
        if uris.iter().all(|uri| is_web_uri(uri)) {
            Ok(Self(uris))
        } else {
            Err(D::Error::invalid_value(
                Unexpected::Other("another text"),
                &"absolute http or https addresses without a fragment",
            ))
        }
    }
}
