use super::*;
use super::{Certainty::*, Retry::*, Scope::*};
use crate::core::token_response::{Body, interpret};

fn verdict(status: u16, body: &str) -> Verdict {
    let now = Timestamp::UNIX_EPOCH;
    match interpret(status, None, None, Body::Complete(body.as_bytes()), now) {
        Err(failure) => failure.verdict,
        Ok(_) => panic!("a token came of {body}"),
    }
}

/// An error answer as Entra writes them, around a description that was quoted somewhere.
fn body(error: &str, code: u32, description: &str) -> String {
    format!(
        r#"{{"error":"{error}","error_description":"{description} Trace ID: 4d3a1c1e-0a63-4dd1-9f3b-2f9d7d0f4d00 Correlation ID: 2b0e6a5c-77a4-4c67-8a5b-6d3c1a9e8f11 Timestamp: 2026-11-01 10:00:00Z","error_codes":[{code}],"timestamp":"2026-11-01 10:00:00Z","trace_id":"4d3a1c1e-0a63-4dd1-9f3b-2f9d7d0f4d00","correlation_id":"2b0e6a5c-77a4-4c67-8a5b-6d3c1a9e8f11","error_uri":"https://login.microsoftonline.com/error?code={code}"}}"#
    )
}

/// Status, `error`, code, description as seen; what follows.
type Case = (
    u16,
    &'static str,
    u32,
    &'static str,
    Reason,
    Scope,
    Certainty,
    Retry,
    bool,
);

#[rustfmt::skip]
const SEEN: &[Case] = &[
    (401, "invalid_client", 7_000_215, "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88'.",
        Reason::CredentialRejected, Credential, Certain, Breaker, true),
    (401, "invalid_client", 7_000_222, "AADSTS7000222: The provided client secret keys for app '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.",
        Reason::CredentialExpired, Credential, Certain, Breaker, true),
    (401, "invalid_client", 7_000_218, "AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        Reason::CredentialRejected, Credential, Certain, Breaker, false),
    (401, "invalid_client", 7_000_216, "AADSTS7000216: 'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
        Reason::CredentialRejected, Credential, Certain, Breaker, false),
    (401, "invalid_client", 70002, "AADSTS70002: Error validating credentials. AADSTS50012: Invalid client secret is provided.",
        Reason::CredentialRejected, Credential, Certain, Breaker, true),
    (401, "invalid_client", 700_027, "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application.",
        Reason::CredentialRejected, Credential, Certain, Breaker, true),
    (401, "invalid_client", 700_024, "AADSTS700024: Client assertion is not within its valid time range.",
        Reason::ClockSkew, Credential, Ambiguous, Breaker, false),
    (401, "invalid_client", 50012, "AADSTS50012: Client assertion audience claim does not match Realm issuer.",
        Reason::CredentialRejected, Credential, Certain, Breaker, false),
    (400, "invalid_request", 50027, "AADSTS50027: JWT token is invalid or malformed.",
        Reason::CredentialRejected, Credential, Certain, Breaker, false),
    (400, "invalid_request", 5_002_730, "AADSTS5002730: Invalid JWT token. Unsupported key for the signing algorithm.",
        Reason::CredentialRejected, Credential, Certain, Breaker, false),
    (400, "invalid_request", 70021, "AADSTS70021: No matching federated identity record found for presented assertion.",
        Reason::FederationMismatch, Credential, Certain, Breaker, true),
    (401, "invalid_client", 700_211, "AADSTS700211: No matching federated identity record found for presented assertion issuer.",
        Reason::FederationMismatch, Credential, Certain, Breaker, true),
    (401, "invalid_client", 700_213, "AADSTS700213: No matching federated identity record found for presented assertion subject.",
        Reason::FederationMismatch, Credential, Certain, Breaker, true),
    (401, "invalid_client", 70025, "AADSTS70025: The client '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88'(SOC) has no configured federated identity credentials.",
        Reason::FederationMismatch, Credential, Certain, Breaker, true),
    (401, "invalid_client", 7_002_138, "AADSTS7002138: No matching federated identity record found for presented assertion subject. The subject matches with case-insensitive comparison, but not with case-sensitive comparison.",
        Reason::FederationMismatch, Credential, Certain, Breaker, true),
    (401, "invalid_client", 7_000_272, "AADSTS7000272: The certificate with identifier k used to sign the federated credential could not be found in the metadata of identity provider https://oidc.example.",
        Reason::FederationMismatch, Credential, Certain, Breaker, true),
    (401, "invalid_client", 5_002_738, "AADSTS5002738: Invalid JWT token. 'ES256' is not a supported signature algorithm. Supported signing algorithms are: 'RS256, PS256'",
        Reason::CredentialRejected, Credential, Certain, Breaker, false),
    (401, "invalid_client", 700_025, "AADSTS700025: Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        Reason::AppMisconfigured, Credential, Certain, Breaker, false),
    (400, "unauthorized_client", 700_016, "AADSTS700016: Application with identifier '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88' was not found in the directory 'Contoso'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
        Reason::ConsentRequired, Tenant, Ambiguous, Consent, true),
    (401, "invalid_client", 7_000_229, "AADSTS7000229: The client application 0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88 is missing service principal in the tenant 6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
        Reason::ConsentRequired, Tenant, Certain, Consent, true),
    (400, "unauthorized_client", 7_000_112, "AADSTS7000112: Application '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88'(SOC) is disabled.",
        Reason::ServicePrincipalDisabled, Tenant, Certain, Slow, false),
    (400, "invalid_grant", 65001, "AADSTS65001: The user or administrator has not consented to use the application.",
        Reason::ConsentRequired, Tenant, Certain, Consent, true),
    (401, "invalid_client", 650_052, "AADSTS650052: The app is trying to access a service 'fc780465-2017-40d4-a0c5-307022471b92'(WindowsDefenderATP) that your organization 'contoso.com' lacks a service principal for.",
        Reason::ResourceNotInTenant, Tenant, Certain, Slow, false),
    (400, "invalid_client", 650_056, "AADSTS650056: Misconfigured application.",
        Reason::AppMisconfigured, Credential, Ambiguous, Breaker, false),
    (400, "invalid_resource", 650_057, "AADSTS650057: Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration.",
        Reason::AppMisconfigured, Credential, Ambiguous, Breaker, false),
    (400, "invalid_resource", 500_011, "AADSTS500011: The resource principal named https://api.securitycenter.microsoft.com was not found in the tenant named Contoso.",
        Reason::ResourceNotInTenant, Tenant, Ambiguous, Slow, false),
    (400, "invalid_resource", 500_014, "AADSTS500014: The service principal for resource 'fc780465-2017-40d4-a0c5-307022471b92' is disabled.",
        Reason::ResourceNotInTenant, Tenant, Certain, Slow, false),
    (400, "invalid_grant", 501_051, "AADSTS501051: Application '0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88'(SOC) is not assigned to a role for the application.",
        Reason::ConsentRequired, Tenant, Certain, Consent, true),
    (400, "invalid_scope", 70011, "AADSTS70011: The provided request must include a 'scope' input parameter.",
        Reason::AppMisconfigured, Credential, Ambiguous, Breaker, false),
    (400, "invalid_scope", 1_002_012, "AADSTS1002012: The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
        Reason::AppMisconfigured, Credential, Ambiguous, Breaker, false),
    (400, "invalid_request", 901_002, "AADSTS901002: The 'resource' request parameter is not supported.",
        Reason::AppMisconfigured, Credential, Ambiguous, Breaker, false),
    // The same code under its old and its new name.
    (400, "invalid_tenant", 90002, "AADSTS90002: Tenant '6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.",
        Reason::TenantNotFound, Tenant, Ambiguous, Slow, false),
    (400, "invalid_request", 90002, "AADSTS90002: Tenant '6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10' not found. This may happen if there are no active subscriptions for the tenant.",
        Reason::TenantNotFound, Tenant, Ambiguous, Slow, false),
    (400, "invalid_request", 900_023, "AADSTS900023: Specified tenant identifier 'x' is neither a valid DNS name, nor a valid external domain.",
        Reason::TenantNotFound, Tenant, Certain, Slow, false),
    (400, "invalid_request", 50059, "AADSTS50059: No tenant-identifying information found in either the request or implied by any provided credentials.",
        Reason::TenantNotFound, Tenant, Certain, Slow, false),
    (400, "invalid_request", 5_000_224, "AADSTS5000224: We are sorry, this resource is not available.",
        Reason::TenantDeleted, Tenant, Certain, Slow, false),
    (400, "invalid_request", 900_382, "AADSTS900382: Confidential Client is not supported in Cross Cloud request.",
        Reason::WrongCloud, Tenant, Certain, Slow, false),
    (400, "invalid_grant", 53003, "AADSTS53003: Access has been blocked by Conditional Access policies.",
        Reason::BlockedByPolicy, Tenant, Certain, Slow, false),
    (503, "temporarily_unavailable", 90033, "AADSTS90033: A transient error has occurred. Please try again.",
        Reason::ServiceUnavailable, Service, Certain, Transient, false),
    (400, "server_error", 90041, "AADSTS90041: An unexpected error occurred.",
        Reason::ServiceUnavailable, Service, Certain, Transient, false),
    (400, "temporarily_unavailable", 90055, "AADSTS90055: Tenant throttling.",
        Reason::Throttled, Service, Certain, Throttle, false),
];

#[test]
fn every_answer_that_was_seen_gets_its_verdict() {
    for &(status, error, code, description, reason, scope, certainty, retry, propagates) in SEEN {
        let expected = Verdict {
            code: Some(code),
            error: Some(OAuthError::parse(error)),
            reason,
            scope,
            certainty,
            retry,
            propagates,
            detail: table::find(code).unwrap().note,
        };
        assert_eq!(
            verdict(status, &body(error, code, description)),
            expected,
            "AADSTS{code}"
        );
        // `error_codes` may be absent: then the description tells.
        let bare = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
        assert_eq!(verdict(status, &bare), expected, "AADSTS{code}");
    }
}

#[test]
fn the_table_is_sorted_and_consistent() {
    assert!(table::ROWS.is_sorted_by(|one, next| one.code < next.code));
    for row in table::ROWS {
        let code = row.code;
        assert_eq!(table::find(code), Some(row));
        assert!(
            row.note.ends_with('.') && row.note.len() < 140,
            "AADSTS{code}"
        );
        // Only a partner's failure may stop a fingerprint, and nothing else may use its breaker.
        assert_eq!(
            row.retry == Breaker,
            row.scope == Credential,
            "AADSTS{code}"
        );
        // What is Microsoft's own is nobody's to mend.
        assert_eq!(
            row.scope == Service,
            row.reason.owner() == Owner::Nobody,
            "AADSTS{code}"
        );
        assert_eq!(
            row.retry == Throttle,
            row.reason == Reason::Throttled,
            "AADSTS{code}"
        );
        // No certain answer about a tenant may look like the partner's credential.
        if row.scope == Tenant {
            assert!(
                !row.reason.as_str().starts_with("Credential"),
                "AADSTS{code}"
            );
        }
    }
    assert_eq!(table::find(1), None);
}

#[test]
fn an_unknown_code_is_judged_by_its_oauth_error() {
    for (error, reason, scope, retry) in [
        (
            "invalid_client",
            Reason::CredentialRejected,
            Credential,
            Breaker,
        ),
        (
            "unauthorized_client",
            Reason::ConsentRequired,
            Tenant,
            Consent,
        ),
        ("invalid_grant", Reason::ConsentRequired, Tenant, Consent),
        (
            "interaction_required",
            Reason::ConsentRequired,
            Tenant,
            Consent,
        ),
        (
            "invalid_resource",
            Reason::ResourceNotInTenant,
            Tenant,
            Slow,
        ),
        ("invalid_tenant", Reason::TenantNotFound, Tenant, Slow),
        (
            "invalid_scope",
            Reason::AppMisconfigured,
            Credential,
            Breaker,
        ),
        (
            "unsupported_grant_type",
            Reason::AppMisconfigured,
            Credential,
            Breaker,
        ),
        ("invalid_request", Reason::AppMisconfigured, Tenant, Slow),
        ("something_new", Reason::ServiceUnavailable, Tenant, Slow),
    ] {
        let verdict = verdict(400, &body(error, 1_234_567, "AADSTS1234567: new"));
        assert_eq!(
            (
                verdict.code,
                verdict.error,
                verdict.reason,
                verdict.scope,
                verdict.retry,
                verdict.certainty
            ),
            (
                Some(1_234_567),
                Some(OAuthError::parse(error)),
                reason,
                scope,
                retry,
                Ambiguous
            ),
            "{error}"
        );
        assert!(!verdict.propagates);
    }
    for error in ["temporarily_unavailable", "server_error"] {
        let verdict = verdict(400, &body(error, 1_234_567, "new"));
        assert_eq!((verdict.scope, verdict.retry), (Service, Transient));
    }
}

#[test]
fn a_suberror_refines_an_unknown_code() {
    let with = |suberror: &str| {
        verdict(
            400,
            &format!(r#"{{"error":"invalid_grant","suberror":"{suberror}","error_codes":[1]}}"#),
        )
        .reason
    };
    assert_eq!(with("consent_required"), Reason::ConsentRequired);
    assert_eq!(with("message_only"), Reason::BlockedByPolicy);
    assert_eq!(with("new"), Reason::ConsentRequired);
}

#[test]
fn a_429_proves_nothing_but_that_it_was_too_much() {
    for text in [
        "Too Many Requests",
        "",
        "<html>",
        r#"{"error":"invalid_client","error_codes":[7000215]}"#,
    ] {
        let verdict = verdict(429, text);
        assert_eq!(
            (verdict.reason, verdict.scope, verdict.retry),
            (Reason::Throttled, Service, Throttle),
            "{text}"
        );
    }
}

#[test]
fn a_failure_without_an_answer_is_nobodys_fault() {
    let all = [
        Transport::Connect,
        Transport::Tls,
        Transport::Timeout,
        Transport::Reset,
        Transport::Proxy,
    ];
    let mut details: Vec<_> = all
        .into_iter()
        .map(|failure| {
            let verdict = transport(failure);
            assert_eq!(
                (
                    verdict.reason,
                    verdict.scope,
                    verdict.retry,
                    verdict.code,
                    verdict.error
                ),
                (Reason::ServiceUnavailable, Service, Transient, None, None)
            );
            verdict.detail
        })
        .collect();
    details.sort_unstable();
    details.dedup();
    assert_eq!(details.len(), all.len());
}

#[test]
fn codes_are_found_in_a_description() {
    for (text, codes) in [
        ("AADSTS7000215: Invalid", vec![7_000_215]),
        (
            "AADSTS70002: Error. AADSTS50012: Invalid",
            vec![70002, 50012],
        ),
        ("AADSTS AADSTSx AADSTS99999999999999999999 AADSTS7", vec![7]),
        ("aadsts7", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(classify::scan_codes(text), codes, "{text}");
    }
}

#[test]
fn a_fresh_credential_is_only_what_concerns_the_credential() {
    let of = |code| verdict(401, &body("invalid_client", code, "")).may_be_fresh_credential();
    assert!(of(7_000_215) && of(7_000_222) && of(700_027));
    assert!(!of(7_000_229) && !of(700_025));
}
