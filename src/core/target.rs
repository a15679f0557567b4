//! The target Secret: its keys, its annotations, and what they say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::credential::SecretData;
use super::ids::{AccessToken, ApiUrl, ApplicationId, Audience, TenantId};
use crate::api::{DefenderApi, Format, target_annotation as annotation, target_key as key};

/// Everything that the keys are made of.
pub struct Content<'a> {
    /// The token.
    pub token: &'a AccessToken,
    /// Its expiry.
    pub expires_at: Timestamp,
    /// The customer.
    pub tenant: TenantId,
    /// Base URL of the API.
    pub api_url: ApiUrl,
    /// Extra keys.
    pub formats: &'a [Format],
}

/// Keys and values, wiped when dropped.
pub type Rendered = BTreeMap<&'static str, Zeroizing<String>>;

/// Every key that we ever write, the ones that carry the token included.
pub const ALL_KEYS: [&str; 8] = [
    key::TOKEN,
    key::AUTHORIZATION,
    key::EXPIRES_ON,
    key::TENANT_ID,
    key::API_URL,
    key::HEADER,
    key::JSON,
    key::ENV,
];

/// The keys that hold the token in some form, or speak of it.
const TOKEN_KEYS: [&str; 6] = [
    key::TOKEN,
    key::AUTHORIZATION,
    key::EXPIRES_ON,
    key::HEADER,
    key::JSON,
    key::ENV,
];

/// The Secret's keys for a token.
#[must_use]
pub fn render(content: &Content<'_>) -> Rendered {
    let token = content.token.expose();
    let expires_on = content.expires_at.to_string();
    let tenant = content.tenant.to_string();
    let url = content.api_url.0;
    let mut keys: Rendered = BTreeMap::from([
        (key::TOKEN, Zeroizing::new(token.to_owned())),
        (
            key::AUTHORIZATION,
            Zeroizing::new(format!("Bearer {token}")),
        ),
        (key::EXPIRES_ON, Zeroizing::new(expires_on.clone())),
        (key::TENANT_ID, Zeroizing::new(tenant.clone())),
        (key::API_URL, Zeroizing::new(url.to_owned())),
    ]);
    for format in content.formats {
        // A token is base64url and dots (checked when it is decoded): nothing to quote in any of these.
        let (name, text) = match format {
            Format::Header => (key::HEADER, format!("Authorization: Bearer {token}")),
            Format::Json => (
                key::JSON,
                format!(
                    r#"{{"access_token":"{token}","token_type":"Bearer","expires_on":"{expires_on}","tenant_id":"{tenant}","api_url":"{url}"}}"#
                ),
            ),
            Format::Env => (
                key::ENV,
                format!(
                    "DEFENDER_TOKEN={token}\nDEFENDER_TENANT_ID={tenant}\nDEFENDER_API_URL={url}\nDEFENDER_TOKEN_EXPIRES_ON={expires_on}\n"
                ),
            ),
        };
        keys.insert(name, Zeroizing::new(text));
    }
    keys
}

/// The same keys with no token in them, for `expiredTokenPolicy: Empty`.
#[must_use]
pub fn render_empty(tenant: TenantId, api_url: ApiUrl, formats: &[Format]) -> Rendered {
    let wanted = |name: &str| match name {
        key::HEADER => formats.contains(&Format::Header),
        key::JSON => formats.contains(&Format::Json),
        key::ENV => formats.contains(&Format::Env),
        _ => true,
    };
    let mut keys: Rendered = TOKEN_KEYS
        .into_iter()
        .filter(|name| wanted(name))
        .map(|name| (name, Zeroizing::new(String::new())))
        .collect();
    keys.insert(key::TENANT_ID, Zeroizing::new(tenant.to_string()));
    keys.insert(key::API_URL, Zeroizing::new(api_url.0.to_owned()));
    keys
}

/// Digest of keys as written. It tells tampering without holding anything: a token has far too much entropy to be guessed.
#[must_use]
pub fn digest(keys: &Rendered) -> String {
    let mut hash = Sha256::new();
    for (name, value) in keys {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update((value.len() as u64).to_be_bytes());
        hash.update(value.as_bytes());
    }
    versioned(&hash.finalize())
}

/// Hash of what a token is minted for: another one of these makes it the wrong token.
#[must_use]
pub fn mint_inputs(audience: Audience, client: ApplicationId, tenant: TenantId) -> String {
    versioned(&Sha256::digest(
        format!("{audience}\0{client}\0{tenant}").as_bytes(),
    ))
}

/// The version prefix lets an upgrade know an older hash for what it is, so that it mints nothing.
fn versioned(hash: &[u8]) -> String {
    hash.iter()
        .take(16)
        .fold(String::from("v1:"), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What the annotations of an owned Secret say about the token in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When it was minted.
    pub issued_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When the next mint is due.
    pub refresh_at: Timestamp,
    /// See [`digest`].
    pub digest: String,
    /// See [`mint_inputs`].
    pub mint_inputs: String,
    /// How it came.
    pub origin: Origin,
}

/// How a token came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The credential that minted it, as text: another version's fingerprint is just another one.
    pub fingerprint: String,
    /// The application that granted it, and for which API; `None` for a credential of the tenant's own namespace.
    pub grant: Option<Grant>,
}

/// What an application granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// UID of the application.
    pub application: String,
    /// The API.
    pub api: DefenderApi,
}

impl Grant {
    fn parse(text: &str) -> Option<Self> {
        let (application, api) = text.split_once('/')?;
        Some(Self {
            application: application.to_owned(),
            api: api.parse().ok()?,
        })
    }
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.application, self.api)
    }
}

impl Held {
    /// Reads the annotations; `None` if they don't speak of a token (an emptied Secret, a stripped annotation).
    #[must_use]
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let time = |name: &str| get(name)?.parse::<Timestamp>().ok();
        Some(Self {
            issued_at: time(annotation::ISSUED_AT)?,
            expires_at: time(annotation::EXPIRES_AT)?,
            refresh_at: time(annotation::REFRESH_AT)?,
            digest: get(annotation::DIGEST)?.to_owned(),
            mint_inputs: get(annotation::MINT_INPUTS)?.to_owned(),
            origin: Origin {
                fingerprint: get(annotation::CREDENTIAL_FINGERPRINT)?.to_owned(),
                grant: get(annotation::GRANTED_BY).and_then(Grant::parse),
            },
        })
    }

    /// The annotations that [`Held::read`] reads.
    #[must_use]
    pub fn annotations(&self) -> Vec<(&'static str, String)> {
        let grant = self.origin.grant.as_ref();
        let mut all = vec![
            (annotation::ISSUED_AT, self.issued_at.to_string()),
            (annotation::EXPIRES_AT, self.expires_at.to_string()),
            (annotation::REFRESH_AT, self.refresh_at.to_string()),
            (annotation::DIGEST, self.digest.clone()),
            (annotation::MINT_INPUTS, self.mint_inputs.clone()),
            (
                annotation::CREDENTIAL_FINGERPRINT,
                self.origin.fingerprint.clone(),
            ),
        ];
        all.extend(grant.map(|grant| (annotation::GRANTED_BY, grant.to_string())));
        all
    }

    /// Names of those annotations, to take them off an emptied Secret.
    pub const NAMES: [&'static str; 7] = [
        annotation::ISSUED_AT,
        annotation::EXPIRES_AT,
        annotation::REFRESH_AT,
        annotation::DIGEST,
        annotation::MINT_INPUTS,
        annotation::CREDENTIAL_FINGERPRINT,
        annotation::GRANTED_BY,
    ];

    /// Unexpired.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Takes the token out of a Secret's bytes, if there is text in its key.
#[must_use]
pub fn token_in(data: &SecretData) -> Option<AccessToken> {
    let text = std::str::from_utf8(data.get(key::TOKEN)?).ok()?;
    (!text.is_empty()).then(|| AccessToken::new(text.to_owned()))
}

/// No key of ours that could carry a token has a byte.
#[must_use]
pub fn is_empty(data: &SecretData) -> bool {
    TOKEN_KEYS
        .iter()
        .all(|name| data.get(*name).is_none_or(|bytes| bytes.is_empty()))
}

/// Whether the Secret's bytes are these keys: each of them, and none of ours beside. Foreign keys stay.
#[must_use]
pub fn holds(data: &SecretData, wanted: &Rendered) -> bool {
    ALL_KEYS
        .into_iter()
        .all(|name| match (data.get(name), wanted.get(name)) {
            (None, None) => true,
            (Some(bytes), Some(text)) => bytes.as_slice() == text.as_bytes(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
    const URL: ApiUrl = ApiUrl("https://eu.api.security.microsoft.com");

    fn keys(formats: &[Format]) -> Rendered {
        let token = AccessToken::new("aaa.bbb.ccc".to_owned());
        let expires_at = "2026-11-24T10:00:00Z".parse().unwrap();
        render(&Content {
            token: &token,
            expires_at,
            tenant: TENANT.parse().unwrap(),
            api_url: URL,
            formats,
        })
    }

    fn shown(keys: &Rendered) -> Vec<(&str, &str)> {
        keys.iter().map(|(k, v)| (*k, v.as_str())).collect()
    }

    fn data(keys: &Rendered) -> SecretData {
        keys.iter()
            .map(|(k, v)| ((*k).to_owned(), Zeroizing::new(v.as_bytes().to_vec())))
            .collect()
    }

    #[test]
    fn the_keys_are_exactly_these() {
        assert_eq!(
            shown(&keys(&[])),
            [
                ("api-url", "https://eu.api.security.microsoft.com"),
                ("authorization", "Bearer aaa.bbb.ccc"),
                ("expires-on", "2026-11-24T10:00:00Z"),
                ("tenant-id", TENANT),
                ("token", "aaa.bbb.ccc"),
            ]
        );
        let all = keys(&[Format::Header, Format::Json, Format::Env]);
        assert_eq!(all["header"].as_str(), "Authorization: Bearer aaa.bbb.ccc");
        let json: serde_json::Value = serde_json::from_str(&all["json"]).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"access_token": "aaa.bbb.ccc", "token_type": "Bearer", "expires_on": "2026-11-24T10:00:00Z",
                "tenant_id": TENANT, "api_url": URL.0})
        );
        assert_eq!(
            all["env"].as_str(),
            "DEFENDER_TOKEN=aaa.bbb.ccc\nDEFENDER_TENANT_ID=6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10\n\
             DEFENDER_API_URL=https://eu.api.security.microsoft.com\nDEFENDER_TOKEN_EXPIRES_ON=2026-11-24T10:00:00Z\n"
        );
    }

    #[test]
    fn an_emptied_secret_keeps_its_keys_and_no_token() {
        let empty = render_empty(TENANT.parse().unwrap(), URL, &[Format::Env]);
        assert_eq!(
            shown(&empty),
            [
                ("api-url", URL.0),
                ("authorization", ""),
                ("env", ""),
                ("expires-on", ""),
                ("tenant-id", TENANT),
                ("token", "")
            ]
        );
    }

    #[test]
    fn tampering_shows() {
        let wanted = keys(&[Format::Header]);
        let mut held = data(&wanted);
        assert!(holds(&held, &wanted));
        held.insert("foreign".into(), Zeroizing::new(b"x".to_vec()));
        assert!(holds(&held, &wanted), "foreign keys stay");
        held.insert("json".into(), Zeroizing::new(b"{}".to_vec()));
        assert!(!holds(&held, &wanted), "a key of ours that isn't wanted");
        held.remove("json");
        held.insert("token".into(), Zeroizing::new(b"aaa.bbb.ccd".to_vec()));
        assert!(!holds(&held, &wanted));
        held.remove("token");
        assert!(!holds(&held, &wanted));
    }

    #[test]
    fn a_digest_tells_keys_and_values_apart() {
        assert_ne!(digest(&keys(&[])), digest(&keys(&[Format::Header])));
        let shifted =
            |a: &'static str, b: &str| -> Rendered { [(a, Zeroizing::new(b.to_owned()))].into() };
        assert_ne!(
            digest(&shifted("token", "x")),
            digest(&shifted("toke", "nx"))
        );
        assert!(digest(&keys(&[])).starts_with("v1:"));
    }

    #[test]
    fn annotations_survive_the_round_trip() {
        let held = Held {
            issued_at: "2026-11-24T09:00:00Z".parse().unwrap(),
            expires_at: "2026-11-24T10:00:00Z".parse().unwrap(),
            refresh_at: "2026-11-24T09:40:00Z".parse().unwrap(),
            digest: "v1:1".into(),
            mint_inputs: "v1:2".into(),
            origin: Origin {
                fingerprint: "v1:3".into(),
                grant: Some(Grant {
                    application: "uid".into(),
                    api: DefenderApi::Graph,
                }),
            },
        };
        let map: BTreeMap<_, _> = held.annotations().into_iter().collect();
        assert_eq!(
            Held::read(|name| map.get(name).map(String::as_str)),
            Some(held.clone())
        );
        // Who granted it may be nobody.
        let needed = Held::NAMES
            .into_iter()
            .filter(|name| *name != annotation::GRANTED_BY);
        for name in needed {
            assert_eq!(
                Held::read(|n| map.get(n).filter(|_| n != name).map(String::as_str)),
                None,
                "{name}"
            );
        }
        assert!(held.is_live("2026-11-24T09:59:59Z".parse().unwrap()));
        assert!(!held.is_live(held.expires_at));
    }
}
