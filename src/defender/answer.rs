//! What the API's answer to a probe means.

use jiff::Timestamp;

use super::probe::Check;
use crate::api::cloud::DefenderApi;
use crate::core::errors::retry::{http_date, retry_after};
use crate::core::errors::{
    BodyClass, Certainty, ErrorAnswer, Failure, Retry, Scope, Verdict, classify,
};
use crate::core::reason::Reason;

/// What the API says, and what it means.
struct Row {
    /// Part of the answer, in lower case.
    phrase: &'static str,
    reason: Reason,
    detail: &'static str,
}

/// The messages that were seen, in the APIs' documentation of their errors and in public questions. They come with
/// 401 as well as with 403: the status alone doesn't tell a bad token from a tenant that isn't set up.
const PHRASES: [Row; 8] = [
    Row {
        phrase: "account mode is inactive",
        reason: Reason::NotProvisioned,
        detail: "The API says that the account is inactive: Microsoft Defender isn't set up yet, or was just now.",
    },
    Row {
        phrase: "is not provisioned",
        reason: Reason::NotProvisioned,
        detail: "The API says that the account isn't provisioned: open Microsoft Defender once in the customer's portal.",
    },
    Row {
        phrase: "no tvm license",
        reason: Reason::NotProvisioned,
        detail: "The API says that the customer has no licence for vulnerability management.",
    },
    Row {
        phrase: "\"disabledfeature\"",
        reason: Reason::NotProvisioned,
        detail: "The API says that this feature isn't enabled in the customer's tenant.",
    },
    Row {
        phrase: "missing application roles",
        reason: Reason::RolesMissing,
        detail: "The API says that the token lacks a role.",
    },
    Row {
        phrase: "\"authorization_requestdenied\"",
        reason: Reason::RolesMissing,
        detail: "Microsoft Graph says that the token lacks a role.",
    },
    Row {
        phrase: "invalid audience",
        reason: Reason::TokenMismatch,
        detail: "Microsoft Graph refused the token: its audience is wrong.",
    },
    Row {
        phrase: "\"invalidauthenticationtoken\"",
        reason: Reason::TokenMismatch,
        detail: "Microsoft Graph refused the token: it takes it for expired or forged.",
    },
];

/// Most of an error's body that is looked at.
pub(super) const LOOKED_AT: usize = 4 * 1024;

/// Reads the API's answer to a probe. `body` is its beginning; nothing of it is kept but a GUID.
pub(super) fn interpret(
    status: u16,
    retry_after_header: Option<&str>,
    date: Option<&str>,
    body: &[u8],
    check: Check,
    now: Timestamp,
) -> Result<(), Failure> {
    if (200..=299).contains(&status) || (status == 404 && check.not_found_is_fine) {
        return Ok(());
    }
    Err(Failure {
        verdict: verdict(status, body, check.api),
        retry_after: retry_after_header.and_then(|value| retry_after(value, now)),
        correlation_id: name_of(body),
        trace_id: None,
        server_date: date.and_then(http_date),
    })
}

fn verdict(status: u16, body: &[u8], api: DefenderApi) -> Verdict {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let refused = |reason, detail| Verdict {
        code: None,
        error: None,
        reason,
        scope: Scope::Tenant,
        certainty: Certainty::Ambiguous,
        retry: Retry::Slow,
        propagates: false,
        detail,
    };
    let is_page = text.trim_start().starts_with('<');
    match status {
        401 | 403 if !is_page => match PHRASES.iter().find(|row| text.contains(row.phrase)) {
            Some(row) => refused(row.reason, row.detail),
            None if status == 401 => refused(
                Reason::TokenMismatch,
                "The API refused the token (401): it takes it for expired or for another API's.",
            ),
            // Graph answers a wrong audience with 401.
            None if api == DefenderApi::Graph => refused(
                Reason::NotProvisioned,
                "Microsoft Graph denies the call (403) without saying that a role is missing: the customer has no Microsoft Defender, or it isn't set up.",
            ),
            None => refused(
                Reason::TokenMismatch,
                "The API refused the token (403) without saying which role is missing: most often its audience is wrong.",
            ),
        },
        _ => {
            let body = if is_page {
                BodyClass::Html
            } else {
                BodyClass::Json
            };
            let answer = ErrorAnswer {
                status,
                codes: Vec::new(),
                error: None,
                suberror: None,
                body,
            };
            let verdict = classify(&answer);
            let detail = match verdict.reason {
                Reason::Throttled => "The API answered 429: too many requests in this tenant.",
                _ if !is_page && status >= 500 => "The API failed.",
                _ if !is_page && status >= 400 && status != 407 => {
                    "The API refused the probe with an error that isn't known here."
                }
                _ => verdict.detail,
            };
            Verdict { detail, ..verdict }
        }
    }
}

/// `{"error":{"code":…,"message":…,"target":GUID}}`, of Graph `{"error":{…,"innerError":{"request-id":GUID}}}`: the GUID
/// names the answer at Microsoft's support.
fn name_of(body: &[u8]) -> Option<uuid::Uuid> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let id = error
        .get("target")
        .or_else(|| error.get("innerError")?.get("request-id"))?;
    uuid::Uuid::try_parse(id.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::probe::checks;
    use super::*;
    use std::time::Duration;

    const MACHINES: Check = checks(DefenderApi::Endpoint)[0];
    const ALERTS: Check = checks(DefenderApi::Endpoint)[1];
    const GRAPH: Check = checks(DefenderApi::Graph)[0];

    fn told(status: u16, body: &str, check: Check) -> Result<(), Failure> {
        let now = Timestamp::UNIX_EPOCH;
        interpret(status, None, None, body.as_bytes(), check, now)
    }

    fn read(status: u16, body: &str) -> Failure {
        told(status, body, MACHINES).unwrap_err()
    }

    fn body(code: &str, message: &str) -> String {
        format!(
            r#"{{"error":{{"code":"{code}","message":"{message}","target":"7f5b0a58-1c0b-4b63-9d37-0f1d2a3b4c5d"}}}}"#
        )
    }

    #[test]
    fn success_and_no_machines_are_success() {
        for status in [200, 204, 404] {
            assert_eq!(told(status, "", MACHINES), Ok(()));
        }
        let elsewhere = told(404, "{}", ALERTS).unwrap_err();
        assert_eq!(elsewhere.verdict.scope, Scope::Tenant);
    }

    #[test]
    fn a_401_is_no_proof_of_a_bad_token() {
        for (status, code, message, reason) in [
            (
                401,
                "Unauthorized",
                "Unauthorized request - reason of failure: Account mode is inactive",
                Reason::NotProvisioned,
            ),
            (
                401,
                "Unauthorized",
                "Unauthorized request - Account is not provisioned.",
                Reason::NotProvisioned,
            ),
            (
                403,
                "Forbidden",
                "Account is not provisioned.",
                Reason::NotProvisioned,
            ),
            (
                401,
                "Unauthorized",
                "Unauthorized request - reason of failure: No Tvm license",
                Reason::NotProvisioned,
            ),
            (
                403,
                "DisabledFeature",
                "Tenant feature is not enabled.",
                Reason::NotProvisioned,
            ),
            (
                403,
                "Forbidden",
                "Missing application roles. API required roles: Machine.Read.All,Machine.ReadWrite.All, application roles: Alert.Read.All.",
                Reason::RolesMissing,
            ),
            (401, "Unauthorized", "Unauthorized", Reason::TokenMismatch),
            (403, "Forbidden", "Forbidden", Reason::TokenMismatch),
        ] {
            let failure = read(status, &body(code, message));
            assert_eq!(
                (failure.verdict.reason, failure.verdict.scope),
                (reason, Scope::Tenant),
                "{message}"
            );
            assert_eq!(
                failure.correlation_id.unwrap().to_string(),
                "7f5b0a58-1c0b-4b63-9d37-0f1d2a3b4c5d"
            );
        }
    }

    #[test]
    fn graph_has_errors_of_its_own() {
        for (status, code, message, reason) in [
            (
                401,
                "InvalidAuthenticationToken",
                "Access token has expired or is not yet valid.",
                Reason::TokenMismatch,
            ),
            (
                401,
                "InvalidAuthenticationToken",
                "Access token validation failure. Invalid audience.",
                Reason::TokenMismatch,
            ),
            (
                403,
                "Forbidden",
                "Missing application roles. API required roles: SecurityIncident.Read.All,SecurityIncident.ReadWrite.All, application roles: .",
                Reason::RolesMissing,
            ),
            (
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges to complete the operation.",
                Reason::RolesMissing,
            ),
            (
                403,
                "Forbidden",
                "Account is not provisioned.",
                Reason::NotProvisioned,
            ),
            (403, "Forbidden", "Forbidden", Reason::NotProvisioned),
        ] {
            let body = format!(
                r#"{{"error":{{"code":"{code}","message":"{message}","innerError":{{"date":"2026-06-23T14:02:11","request-id":"7f5b0a58-1c0b-4b63-9d37-0f1d2a3b4c5d","client-request-id":"00000000-1111-2222-3333-444455556666"}}}}}}"#
            );
            let failure = told(status, &body, GRAPH).unwrap_err();
            assert_eq!(
                (failure.verdict.reason, failure.verdict.scope),
                (reason, Scope::Tenant),
                "{message}"
            );
            assert_eq!(
                failure.correlation_id.unwrap().to_string(),
                "7f5b0a58-1c0b-4b63-9d37-0f1d2a3b4c5d"
            );
        }
    }

    #[test]
    fn the_rest_is_microsofts_or_a_proxys() {
        for (status, text, reason, retry) in [
            (
                429,
                body("TooManyRequests", "slow down"),
                Reason::Throttled,
                Retry::Throttle,
            ),
            (
                500,
                body("InternalServerError", ""),
                Reason::ServiceUnavailable,
                Retry::Transient,
            ),
            (
                503,
                String::new(),
                Reason::ServiceUnavailable,
                Retry::Transient,
            ),
            (
                403,
                "<html>".into(),
                Reason::ServiceUnavailable,
                Retry::Transient,
            ),
            (
                401,
                " <!DOCTYPE html>".into(),
                Reason::ServiceUnavailable,
                Retry::Transient,
            ),
            (
                407,
                String::new(),
                Reason::ServiceUnavailable,
                Retry::Transient,
            ),
            (
                302,
                String::new(),
                Reason::ServiceUnavailable,
                Retry::Transient,
            ),
            (
                400,
                body("BadRequest", ""),
                Reason::ServiceUnavailable,
                Retry::Slow,
            ),
        ] {
            let verdict = read(status, &text).verdict;
            assert_eq!(
                (verdict.reason, verdict.retry),
                (reason, retry),
                "{status} {text}"
            );
            assert_ne!(verdict.scope, Scope::Credential);
        }
    }

    #[test]
    fn no_probe_ever_speaks_of_the_credential_and_no_body_panics() {
        for status in 100..600 {
            for text in ["", "<", "{", "\u{fffd}"] {
                if let Err(failure) = interpret(
                    status,
                    Some("5"),
                    Some("x"),
                    text.as_bytes(),
                    ALERTS,
                    Timestamp::UNIX_EPOCH,
                ) {
                    assert_ne!(failure.verdict.scope, Scope::Credential);
                    assert_eq!(failure.retry_after, Some(Duration::from_secs(5)));
                }
            }
        }
    }
}
