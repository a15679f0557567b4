//! The claims of an access token, as Defender's real tokens have them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::credentials::Credential;
use super::token::Grant;
use crate::guid;
use crate::world::{Api, Cloud};

/// Entra dates tokens back so far, for resources whose clocks are slow.
pub(crate) const BACKDATE: i64 = 300;
/// Entra's default: 60 to 90 minutes, at random.
const SHORTEST: u32 = 3599;
const SPREAD: u32 = 1801;

/// The directory role that Graph's tokens name for every application.
const APPLICATION_ROLE: &str = "0997a1d0-0d1d-4acb-b408-d5ca73121e90";

/// The claims of a token minted at this second and valid for so many. `trace` is the request's id, unique.
pub(crate) fn of(grant: &Grant, trace: Uuid, now: i64, lifetime: u32) -> Map<String, Value> {
    let tenant = grant.tenant.to_string();
    let client = grant.client.to_string();
    let issuer = issuer(&tenant);
    let principal = guid::derived(&["service principal", &tenant, &client]).to_string();
    let unique = URL_SAFE_NO_PAD.encode(trace.to_bytes_le());
    let mut claims = json!({
        "aud": grant.audience,
        "iss": issuer,
        "iat": now - BACKDATE,
        "nbf": now - BACKDATE,
        // The answer says `expires_in` of what is left when it arrives, which is a little later.
        "exp": now + i64::from(lifetime) + 1,
        "aio": format!("k2RgY{unique}AA=="),
        "app_displayname": grant.name,
        "appid": client,
        "appidacr": match grant.credential {
            Credential::Secret => "1",
            Credential::Assertion => "2",
        },
        "idp": issuer,
        "oid": principal,
        "rh": format!("1.AX0A{}.", URL_SAFE_NO_PAD.encode(grant.tenant.to_bytes_le())),
        "sub": principal,
        "tenant_region_scope": region_scope(grant.cloud),
        "tid": tenant,
        "uti": unique,
        "ver": "1.0",
    });
    if grant.api == Api::Graph {
        claims["idtyp"] = "app".into();
        claims["wids"] = json!([APPLICATION_ROLE]);
    }
    if !grant.roles.is_empty() {
        claims["roles"] = json!(grant.roles);
    }
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// The issuer of v1 tokens, which Defender's are whichever endpoint is asked.
pub(crate) fn issuer(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

/// `tenant_region_scope`, in tokens and in the OpenID configuration.
pub(crate) fn region_scope(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Commercial | Cloud::Gcc => "NA",
        Cloud::GccHigh | Cloud::DoD => "USGov",
    }
}

/// The lifetime to use when none is set; `random` is any number.
pub(crate) fn default_lifetime(random: u128) -> u32 {
    SHORTEST + u32::try_from(random % u128::from(SPREAD)).unwrap_or_default()
}

/// Replaces claims; `null` removes one.
pub(crate) fn change(claims: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            claims.remove(name);
        } else {
            claims.insert(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::TokenLifetime;

    fn grant(roles: &[&str]) -> Grant {
        Grant {
            tenant: guid::parse("6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10").unwrap(),
            cloud: Cloud::Commercial,
            client: guid::parse("0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88").unwrap(),
            name: "Example SOC".to_owned(),
            api: Api::Endpoint,
            audience: "https://api.securitycenter.microsoft.com".to_owned(),
            roles: roles.iter().map(ToString::to_string).collect(),
            lifetime: TokenLifetime::default(),
            credential: Credential::Secret,
        }
    }

    #[test]
    fn a_token_has_all_of_a_real_ones_claims() {
        let claims = of(
            &grant(&["Alert.Read.All"]),
            Uuid::from_u128(1),
            1_800_000_000,
            3599,
        );
        let principal = claims["oid"].clone();
        let issuer = "https://sts.windows.net/6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10/";
        let expected = json!({
            "aud": "https://api.securitycenter.microsoft.com",
            "iss": issuer,
            "iat": 1_799_999_700,
            "nbf": 1_799_999_700,
            "exp": 1_800_003_600,
            "aio": "k2RgYAAAAAAAAAAAAAAAAAAAAAQAA==",
            "app_displayname": "Example SOC",
            "appid": "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88",
            "appidacr": "1",
            "idp": issuer,
            "oid": principal,
            "rh": "1.AX0APg8fawpcm02aQw1fWhx-EA.",
            "roles": ["Alert.Read.All"],
            "sub": principal,
            "tenant_region_scope": "NA",
            "tid": "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10",
            "uti": "AAAAAAAAAAAAAAAAAAAAAQ",
            "ver": "1.0",
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn an_assertion_is_told_from_a_secret() {
        let grant = Grant {
            credential: Credential::Assertion,
            ..grant(&[])
        };
        assert_eq!(of(&grant, Uuid::nil(), 0, 1)["appidacr"], "2");
    }

    #[test]
    fn graphs_tokens_say_that_they_are_an_applications() {
        let grant = Grant {
            api: Api::Graph,
            audience: "https://graph.microsoft.com".to_owned(),
            ..grant(&["SecurityAlert.Read.All"])
        };
        let claims = of(&grant, Uuid::nil(), 0, 1);
        assert_eq!(claims["aud"], "https://graph.microsoft.com");
        assert_eq!(
            (&claims["ver"], &claims["idtyp"]),
            (&json!("1.0"), &json!("app"))
        );
        assert_eq!(claims["wids"], json!([APPLICATION_ROLE]));
    }

    #[test]
    fn without_roles_there_is_no_roles_claim() {
        assert_eq!(of(&grant(&[]), Uuid::nil(), 0, 1).get("roles"), None);
    }

    #[test]
    fn the_default_lifetime_is_60_to_90_minutes() {
        assert_eq!(default_lifetime(0), 3599);
        assert_eq!(default_lifetime(1800), 5399);
        assert_eq!(default_lifetime(1801), 3599);
    }

    #[test]
    fn claims_can_be_changed_and_removed() {
        let mut claims = json!({"tid": "a", "roles": ["r"], "ver": "1.0"})
            .as_object()
            .unwrap()
            .clone();
        change(
            &mut claims,
            json!({"tid": "b", "roles": null, "new": 1})
                .as_object()
                .unwrap(),
        );
        assert_eq!(
            Value::Object(claims),
            json!({"tid": "b", "ver": "1.0", "new": 1})
        );
    }
}
