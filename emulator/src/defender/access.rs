//! Whether a token opens a call.
//!
//! In this order: signature, issuer, times (401), audience (403), tenant and workspace (401), call limits (429),
//! licence (401/403), roles (403).

use http::header::AUTHORIZATION;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::denial::Denial;
use super::route::Route;
use crate::guid;
use crate::hosts::ApiCloud;
use crate::http::Request;
use crate::login::{claims, resource};
use crate::world::{Api, Bucket, Directory, Plan, TenantState};

/// How far clocks may be apart, as Microsoft's own libraries tolerate it.
const CLOCK_TOLERANCE: i64 = 300;

/// A token's holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) tenant: Uuid,
    roles: Vec<String>,
}

/// The bearer token of a request.
pub(crate) fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header(AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Judges the claims of a token whose signature is good (`None`: it isn't, or there is no token).
pub(crate) fn authenticate(
    verified: Option<&Map<String, Value>>,
    now: Timestamp,
) -> Result<Caller, Denial> {
    let refused = || Denial::unauthorized("Unauthorized");
    let claims = verified.ok_or_else(refused)?;
    let text = |name| claims.get(name).and_then(Value::as_str);
    let tenant = text("tid").and_then(guid::parse).ok_or_else(refused)?;
    if text("iss") != Some(claims::issuer(&tenant.to_string()).as_str()) {
        return Err(refused());
    }
    let time = |name| claims.get(name).and_then(Value::as_i64);
    let now = now.as_second();
    let is_over = time("exp").is_none_or(|end| end <= now);
    let is_early = time("nbf").is_some_and(|start| start > now + CLOCK_TOLERANCE);
    if is_over || is_early {
        return Err(refused());
    }
    if !text("aud").is_some_and(|aud| resource::api(aud) == Some(Api::Endpoint)) {
        return Err(Denial::forbidden("The token's audience is not this API's."));
    }
    let roles = claims.get("roles").and_then(Value::as_array);
    let roles = roles
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(ToOwned::to_owned)
        .collect();
    Ok(Caller { tenant, roles })
}

/// Whether the caller's tenant is served under a host of this cloud; its plan.
pub(crate) fn workspace(
    directory: &Directory,
    caller: &Caller,
    cloud: ApiCloud,
) -> Result<Plan, Denial> {
    let tenant = directory
        .tenant(&caller.tenant)
        .filter(|tenant| tenant.state == TenantState::Active && cloud.serves(tenant.cloud))
        .ok_or_else(|| {
            Denial::unauthorized("Unauthorized request - Account is not provisioned.")
        })?;
    if tenant.provisioned {
        Ok(tenant.plan)
    } else {
        let reason = "Unauthorized request - reason of failure: Account mode is inactive";
        Err(Denial::unauthorized(reason))
    }
}

/// Whether licence and roles allow the call.
pub(crate) fn authorize(caller: &Caller, plan: Plan, route: Route<'_>) -> Result<(), Denial> {
    if route.bucket() == Bucket::Hunting && plan != Plan::Plan2 {
        return Err(Denial::disabled_feature());
    }
    if route == Route::ExposureScore && plan == Plan::Plan1 {
        let reason = "Unauthorized request - reason of failure: No Tvm license";
        return Err(Denial::unauthorized(reason));
    }
    let required = route.roles();
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
    use http::StatusCode;
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

    fn status(changes: &Value, now: i64) -> StatusCode {
        let now = Timestamp::from_second(now).unwrap();
        authenticate(Some(&claims(changes)), now)
            .map_or_else(|denial| denial.status, |_| StatusCode::OK)
    }

    #[test]
    fn issuer_times_and_audience_are_checked() {
        assert_eq!(status(&json!({}), 1500), StatusCode::OK);
        assert_eq!(
            status(
                &json!({"aud": "FC780465-2017-40d4-a0c5-307022471b92"}),
                1500
            ),
            StatusCode::OK
        );
        assert_eq!(
            status(&json!({"aud": "https://api.security.microsoft.com"}), 1500),
            StatusCode::FORBIDDEN
        );
        assert_eq!(status(&json!({"aud": null}), 1500), StatusCode::FORBIDDEN);
        assert_eq!(
            status(&json!({"iss": "https://sts.windows.net/other/"}), 1500),
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(
            status(&json!({"tid": "other"}), 1500),
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(status(&json!({}), 1999), StatusCode::OK);
        assert_eq!(status(&json!({}), 2000), StatusCode::UNAUTHORIZED);
        assert_eq!(
            status(&json!({"exp": null}), 1500),
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(status(&json!({}), 700), StatusCode::OK);
        assert_eq!(status(&json!({}), 699), StatusCode::UNAUTHORIZED);
        assert_eq!(
            authenticate(None, Timestamp::UNIX_EPOCH)
                .unwrap_err()
                .status,
            StatusCode::UNAUTHORIZED
        );
    }

    fn caller() -> Caller {
        authenticate(
            Some(&claims(&json!({}))),
            Timestamp::from_second(1500).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn a_write_role_is_enough_for_reading() {
        assert_eq!(authorize(&caller(), Plan::Plan2, Route::Machines), Ok(()));
        assert_eq!(authorize(&caller(), Plan::Plan2, Route::Alerts), Ok(()));
    }

    #[test]
    fn missing_roles_are_named() {
        let denial = authorize(&caller(), Plan::Plan2, Route::Hunting).unwrap_err();
        assert_eq!(
            denial,
            Denial::forbidden(
                "Missing application roles. API required roles: AdvancedQuery.Read.All, \
                 application roles: Alert.Read.All,Machine.ReadWrite.All."
            )
        );
    }

    #[test]
    fn the_plan_decides_on_hunting_and_vulnerability_management() {
        let caller = Caller {
            roles: vec![
                "AdvancedQuery.Read.All".to_owned(),
                "Score.Read.All".to_owned(),
            ],
            ..caller()
        };
        assert_eq!(authorize(&caller, Plan::Plan2, Route::Hunting), Ok(()));
        assert_eq!(
            authorize(&caller, Plan::Plan1, Route::Hunting),
            Err(Denial::disabled_feature())
        );
        assert_eq!(
            authorize(&caller, Plan::Business, Route::Hunting),
            Err(Denial::disabled_feature())
        );
        assert_eq!(
            authorize(&caller, Plan::Business, Route::ExposureScore),
            Ok(())
        );
        let denial = authorize(&caller, Plan::Plan1, Route::ExposureScore).unwrap_err();
        assert_eq!(denial.status, StatusCode::UNAUTHORIZED);
    }
}
