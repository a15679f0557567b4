//! Whether a token opens a call.
//!
//! In this order: signature, issuer, times, audience, tenant and workspace, call limits, licence, roles.

use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::denial::Denial;
use crate::guid;
use crate::http::Request;
use crate::login::claims;
use crate::world::{Cloud, Directory, Plan, TenantState};

/// How far clocks may be apart, as Microsoft's own libraries tolerate it.
const CLOCK_TOLERANCE: i64 = 300;

/// A token's holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Uuid,
    pub(crate) audience: String,
    roles: Vec<String>,
}

/// The bearer token of a request.
pub(crate) fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header(AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Why a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// No token, or not one of Entra's.
    Invalid,
    /// Expired, or not valid yet.
    Untimely,
}

/// Judges the claims of a token whose signature is good (`None`: it isn't, or there is no token).
pub(crate) fn authenticate(
    verified: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<Caller, BadToken> {
    let claims = verified.ok_or(BadToken::Invalid)?;
    let text = |name| claims.get(name).and_then(Value::as_str);
    let tenant = text("tid").and_then(guid::parse).ok_or(BadToken::Invalid)?;
    if text("iss") != Some(claims::issuer(&tenant.to_string()).as_str()) {
        return Err(BadToken::Invalid);
    }
    let time = |name| claims.get(name).and_then(Value::as_i64);
    let now = now.as_second();
    let is_over = time("exp").is_none_or(|end| end <= now);
    let is_early = time("nbf").is_some_and(|start| start > now + CLOCK_TOLERANCE);
    if is_over || is_early {
        return Err(BadToken::Untimely);
    }
    let roles = claims.get("roles").and_then(Value::as_array);
    let roles = roles
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect();
    Ok(Caller {
        tenant,
        audience: text("aud").unwrap_or_default().to_owned(),
        roles,
    })
}

/// Why a tenant has nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWorkspace {
    /// Unknown, deleted, or in another cloud.
    NoTenant,
    /// The product is there, but nobody set it up.
    NotProvisioned,
}

/// The plan of the caller's tenant, which must be in a cloud that the host serves.
pub(crate) fn workspace(
    directory: &Directory,
    caller: &Caller,
    serves: impl FnOnce(Cloud) -> bool,
) -> Result<Plan, NoWorkspace> {
    let tenant = directory
        .tenant(&caller.tenant)
        .filter(|tenant| tenant.state == TenantState::Active && serves(tenant.cloud))
        .ok_or(NoWorkspace::NoTenant)?;
    if tenant.provisioned {
        Ok(tenant.plan)
    } else {
        Err(NoWorkspace::NotProvisioned)
    }
}

/// What of the product a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    /// What every plan has.
    Basic,
    Hunting,
    Vulnerabilities,
}

/// Whether licence and roles allow the call; one of the required roles is enough.
pub(crate) fn authorize(
    caller: &Caller,
    plan: Plan,
    feature: Feature,
    required: &[&str],
) -> Result<(), Denial> {
    if plan != Plan::Plan2 {
        match feature {
            Feature::Basic => {}
            Feature::Hunting => return Err(Denial::disabled_feature()),
            Feature::Vulnerabilities => {
                let reason = "Unauthorized request - reason of failure: No Tvm license";
                return Err(Denial::unauthorized(reason));
            }
        }
    }
    if caller
        .roles
        .iter()
        .any(|role| required.contains(&role.as_str()))
    {
        return Ok(());
    }
    Err(Denial::forbidden(format!(
        "Missing application roles. API required roles: {}, application roles: {}.",
        required.join(","),
        caller.roles.join(","),
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";

    fn claims(changes: &Value) -> Map<String, Value> {
        let mut claims = json!({
            "aud": "https://api.securitycenter.microsoft.com/",
            "iss": format!("https://sts.windows.net/{TENANT}/"),
            "tid": TENANT,
            "nbf": 1000,
            "exp": 2000,
            "roles": ["Alert.Read.All", "Machine.ReadWrite.All"],
        })
        .as_object()
        .unwrap()
        .clone();
        claims::change(&mut claims, changes.as_object().unwrap());
        claims
    }

    fn judged(changes: &Value, now: i64) -> Option<BadToken> {
        let now = Timestamp::from_second(now).unwrap();
        authenticate(Some(&claims(changes)), now).err()
    }

    #[test]
    fn issuer_and_times_are_checked() {
        assert_eq!(judged(&json!({}), 1500), None);
        let invalid = Some(BadToken::Invalid);
        let stranger = json!({"iss": "https://sts.windows.net/other/"});
        assert_eq!(judged(&stranger, 1500), invalid);
        assert_eq!(judged(&json!({"tid": "other"}), 1500), invalid);
        assert_eq!(
            authenticate(None, Timestamp::UNIX_EPOCH).err(),
            Some(BadToken::Invalid)
        );
        let untimely = Some(BadToken::Untimely);
        assert_eq!(judged(&json!({}), 1999), None);
        assert_eq!(judged(&json!({}), 2000), untimely);
        assert_eq!(judged(&json!({"exp": null}), 1500), untimely);
        assert_eq!(judged(&json!({}), 700), None);
        assert_eq!(judged(&json!({}), 699), untimely);
    }

    fn caller() -> Caller {
        authenticate(
            Some(&claims(&json!({}))),
            Timestamp::from_second(1500).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn one_of_the_roles_is_enough() {
        let machines = ["Machine.Read.All", "Machine.ReadWrite.All"];
        assert_eq!(
            authorize(&caller(), Plan::Plan2, Feature::Basic, &machines),
            Ok(())
        );
    }

    #[test]
    fn missing_roles_are_named() {
        let hunting = ["AdvancedQuery.Read.All"];
        let denial = authorize(&caller(), Plan::Plan2, Feature::Hunting, &hunting).unwrap_err();
        assert_eq!(
            denial,
            Denial::forbidden(
                "Missing application roles. API required roles: AdvancedQuery.Read.All, \
                 application roles: Alert.Read.All,Machine.ReadWrite.All."
            )
        );
    }

    #[test]
    fn hunting_and_vulnerability_management_are_plan_2s() {
        let roles = ["Alert.Read.All"];
        let answer = |plan, feature| authorize(&caller(), plan, feature, &roles);
        for plan in [Plan::Plan1, Plan::Business] {
            assert_eq!(answer(plan, Feature::Basic), Ok(()));
            assert_eq!(
                answer(plan, Feature::Hunting),
                Err(Denial::disabled_feature())
            );
            let denial = answer(plan, Feature::Vulnerabilities).unwrap_err();
            assert_eq!(denial.status, http::StatusCode::UNAUTHORIZED);
        }
        assert_eq!(answer(Plan::Plan2, Feature::Hunting), Ok(()));
        assert_eq!(answer(Plan::Plan2, Feature::Vulnerabilities), Ok(()));
    }
}
