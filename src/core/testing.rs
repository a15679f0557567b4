//! Small makers for the tests of this room, and a world that does what a plan says.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::application::{Application, Version};
use super::credential::{Credential, Fingerprint};
use super::errors::{BodyClass, ErrorAnswer, OAuthError, Verdict, classify};
use super::gathered::{Owned, TokenFacts};
use super::ids::{Audience, LoginHost, TenantId};
use super::target::{Held, Origin, mint_inputs};
use super::tenant::{Key, Tenant};
use crate::api::{DefenderApplicationStatus, DefenderTenantSpec, DefenderTenantStatus};

mod world;

pub use world::{Lead, Microsoft, World};

pub const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
pub const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
pub const UID: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
pub const LOGIN: LoginHost = LoginHost("login.microsoftonline.com");
pub const AUDIENCE: Audience = Audience("https://api.securitycenter.microsoft.com");
pub const OTHER_AUDIENCE: Audience = Audience("https://api-gcc.securitycenter.microsoft.us");
pub const CONSENT_URL: &str = "https://login.microsoftonline.com/consent";
/// Life of a token and its refresh instant, both from its mint.
pub const LIFE: i64 = 3_600;
pub const REFRESH: i64 = 2_400;

/// So many seconds after the beginning of the test.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

pub fn millis(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
}

pub fn tenant_id(n: usize) -> TenantId {
    format!("6b1f0f3e-5c0a-4d9b-9a43-{n:012x}").parse().unwrap()
}

pub fn fingerprint(secret: &str) -> Fingerprint {
    Credential::for_test(CLIENT, secret).fingerprint(LOGIN)
}

/// What Microsoft's answer with this code means.
pub fn code(code: u32) -> Verdict {
    answer(400, vec![code], Some(OAuthError::InvalidClient))
}

/// `invalid_client` for a reason that isn't known.
pub fn unknown_invalid_client() -> Verdict {
    answer(401, vec![7_999_999], Some(OAuthError::InvalidClient))
}

pub fn http(status: u16) -> Verdict {
    answer(status, Vec::new(), None)
}

fn answer(status: u16, codes: Vec<u32>, error: Option<OAuthError>) -> Verdict {
    classify(&ErrorAnswer {
        status,
        codes,
        error,
        suberror: None,
        body: BodyClass::Json,
    })
}

pub fn roles(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn token(issued_at: Timestamp, names: &[&str]) -> TokenFacts {
    TokenFacts {
        issued_at,
        expires_at: issued_at + SignedDuration::from_secs(LIFE),
        refresh_at: issued_at + SignedDuration::from_secs(REFRESH),
        roles: roles(names),
    }
}

/// The annotations of a token that was minted then, with the world's first credential.
pub fn held(issued_at: Timestamp) -> Held {
    let facts = token(issued_at, &[]);
    Held {
        issued_at,
        expires_at: facts.expires_at,
        refresh_at: facts.refresh_at,
        digest: "v1:digest".into(),
        mint_inputs: mint_inputs(AUDIENCE, CLIENT.parse().unwrap(), TENANT.parse().unwrap()),
        origin: Origin {
            fingerprint: fingerprint("s~1").to_string(),
            grant: None,
        },
    }
}

pub fn owned(held: Option<Held>) -> Owned {
    Owned {
        uid: "secret-uid".into(),
        resource_version: "7".into(),
        held,
        verified: true,
    }
}

pub fn tenant() -> Tenant {
    let spec: DefenderTenantSpec = serde_json::from_value(
        serde_json::json!({"tenantId": TENANT, "secretRef": {"name": "partner"}}),
    )
    .unwrap();
    Tenant {
        key: Key::new("soc", "contoso"),
        uid: UID.into(),
        resource_version: "1".into(),
        generation: 1,
        created_at: at(0),
        deleting: false,
        refresh_request: None,
        spec: Arc::new(spec),
        status: Arc::new(DefenderTenantStatus {
            observed_generation: Some(-1),
            ..DefenderTenantStatus::default()
        }),
    }
}

/// An application of [`CLIENT`], with these fields of its spec.
pub fn application(spec: &serde_json::Value) -> Application {
    let mut whole = serde_json::json!({"clientId": CLIENT, "credentials": [{"name": "a", "workloadIdentity": {}}]});
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let version = Version {
        uid: "application-uid".into(),
        resource_version: "1".into(),
        generation: 1,
        created_at: at(0),
        deleting: false,
    };
    let spec = serde_json::from_value(whole).unwrap();
    Application::new("app", version, spec, DefenderApplicationStatus::default()).unwrap()
}
