//! The AADSTS codes, as data.
//!
//! The codes, where each was seen and what it proved to mean: Microsoft's list of error codes
//! (`reference-error-codes` in its identity platform documentation) and answers quoted in public issues.
//! Microsoft calls the codes diagnostic and changes them without notice, so a code that isn't here still gets
//! a verdict, from the OAuth error and the HTTP status.

#![allow(
    clippy::unreadable_literal,
    reason = "codes are names: grepped for as Microsoft writes them"
)]

use super::{Certainty, Retry, Scope, Seen};
use crate::core::reason::Reason;

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The number behind `AADSTS`.
    pub code: u32,
    /// The condition reason.
    pub reason: Reason,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether the code alone proves that.
    pub certainty: Certainty,
    /// Where it is met.
    pub seen: Seen,
    /// How it is retried.
    pub retry: Retry,
    /// May also mean that a fresh credential or consent isn't known everywhere yet.
    pub propagates: bool,
    /// What was seen, what to do.
    pub note: &'static str,
}

impl Row {
    /// Met on the consent page only.
    const fn on_consent_page(mut self) -> Self {
        self.seen = Seen::ConsentPage;
        self
    }

    /// Also the answer to what is too fresh to be known everywhere.
    const fn propagating(mut self) -> Self {
        self.propagates = true;
        self
    }

    /// The code alone proves the scope.
    const fn certain(mut self) -> Self {
        self.certainty = Certainty::Certain;
        self
    }
}

const fn row(code: u32, reason: Reason, scope: Scope, retry: Retry, note: &'static str) -> Row {
    Row {
        code,
        reason,
        scope,
        certainty: Certainty::Ambiguous,
        seen: Seen::Token,
        retry,
        propagates: false,
        note,
    }
}

/// About the partner's application or credential: every tenant has it.
const fn credential(code: u32, reason: Reason, note: &'static str) -> Row {
    row(code, reason, Scope::Credential, Retry::Breaker, note)
}

/// About consent: the customer's administrator may mend it any minute.
const fn consent(code: u32, note: &'static str) -> Row {
    row(
        code,
        Reason::ConsentRequired,
        Scope::Tenant,
        Retry::Consent,
        note,
    )
}

/// About the customer's tenant otherwise.
const fn tenant(code: u32, reason: Reason, note: &'static str) -> Row {
    row(code, reason, Scope::Tenant, Retry::Slow, note)
}

/// About Microsoft itself.
const fn service(code: u32, note: &'static str) -> Row {
    row(
        code,
        Reason::ServiceUnavailable,
        Scope::Service,
        Retry::Transient,
        note,
    )
    .certain()
}

/// Every code that is known, in ascending order.
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    tenant(50001, Reason::ResourceNotInTenant,
        "Microsoft doesn't find the Defender resource in the customer's tenant."),
    credential(50011, Reason::AppMisconfigured,
        "The redirect URI isn't registered on the application: the credential's redirect-uri must equal a registered one.")
        .certain().on_consent_page(),
    credential(50012, Reason::CredentialRejected,
        "Microsoft refused the signature of the assertion: the certificate that it knows has another key.").certain(),
    credential(50027, Reason::CredentialRejected,
        "Microsoft can't read the assertion, or it is meant for another audience.").certain(),
    service(50033, "Microsoft's sign-in service has a transient fault."),
    tenant(50059, Reason::TenantNotFound,
        "Microsoft got no usable tenant from the request: check spec.tenantId.").certain(),
    tenant(50128, Reason::TenantNotFound,
        "Microsoft got no usable tenant from the request: check spec.tenantId.").certain(),
    credential(50166, Reason::FederationMismatch,
        "Microsoft couldn't read the signing keys of the cluster's issuer: its discovery document must be public."),
    row(50196, Reason::Throttled, Scope::Service, Retry::Throttle,
        "Microsoft saw the same request too often.").certain(),
    tenant(53003, Reason::BlockedByPolicy,
        "A Conditional Access policy blocks the application.").certain(),
    consent(65001, "The customer hasn't consented to the application.").certain().propagating(),
    consent(65004, "The customer's administrator declined: ask again with the consent link.").certain().on_consent_page(),
    consent(70001, "The application isn't in the customer's tenant, or Microsoft doesn't support or has disabled it."),
    credential(70002, Reason::CredentialRejected,
        "Microsoft couldn't validate the credential.").certain().propagating(),
    credential(70011, Reason::AppMisconfigured,
        "Microsoft refused the scope asked for."),
    credential(70021, Reason::FederationMismatch,
        "No federated credential of the application matches the token presented.").certain().propagating(),
    credential(70025, Reason::FederationMismatch,
        "The application has no federated credential.").certain().propagating(),
    tenant(90002, Reason::TenantNotFound,
        "Microsoft knows no such tenant: check spec.tenantId and spec.cloud."),
    service(90006, "An external service of Microsoft's is unavailable."),
    service(90012, "Microsoft's sign-in service timed out."),
    service(90024, "Microsoft's sign-in service has a transient fault."),
    service(90033, "Microsoft's directory has a transient fault."),
    row(90036, Reason::ServiceUnavailable, Scope::Service, Retry::Slow,
        "Microsoft's directory failed in a way that it calls not retryable.").certain(),
    tenant(90038, Reason::WrongCloud,
        "The tenant lives in a national cloud: check spec.cloud.").certain(),
    service(90041, "Microsoft's sign-in service failed."),
    row(90055, Reason::Throttled, Scope::Service, Retry::Throttle,
        "Microsoft throttles the tenant.").certain(),
    service(90090, "Microsoft's sign-in service couldn't reach its directory."),
    consent(90094, "An administrator of the customer must consent.").certain().on_consent_page(),
    consent(90095, "An administrator of the customer must consent; a request was sent to one.").certain().on_consent_page(),
    consent(90099, "The application isn't authorized in the customer's tenant: its administrator must consent.").certain(),
    tenant(500011, Reason::ResourceNotInTenant,
        "The API's resource isn't in the customer's tenant: it lacks the product behind spec.api, or lives in another cloud than spec.cloud."),
    tenant(500014, Reason::ResourceNotInTenant,
        "The API's resource is switched off in the customer's tenant (enterprise applications).").certain(),
    consent(501051, "The customer's tenant requires an assignment and the application has none.").certain().propagating(),
    tenant(530032, Reason::BlockedByPolicy,
        "A security policy of the tenant blocks the application.").certain(),
    tenant(530035, Reason::BlockedByPolicy,
        "The tenant's security defaults block the application.").certain(),
    consent(650051, "Microsoft was still creating the application's service principal: open the consent link again in 30 seconds.")
        .certain().on_consent_page().propagating(),
    tenant(650052, Reason::ResourceNotInTenant,
        "The customer's organization has no subscription to a service that the application asks for.").certain().on_consent_page(),
    credential(650056, Reason::AppMisconfigured,
        "The registration lists no permission of the API that spec.api names, or the customer hasn't consented to it."),
    credential(650057, Reason::AppMisconfigured,
        "The registration doesn't list the API that spec.api names among its permissions."),
    consent(700011, "The application isn't in the customer's tenant."),
    consent(700016, "The application isn't in the customer's tenant, or there is no application with this client id in this cloud.")
        .propagating(),
    credential(700024, Reason::ClockSkew,
        "The assertion isn't valid at Microsoft's time: this machine's clock is off, or the token file is stale."),
    credential(700025, Reason::AppMisconfigured,
        "The application is registered as a public client: those may not use a credential.").certain(),
    credential(700027, Reason::CredentialRejected,
        "The certificate isn't registered on the application, or has expired there: upload the certificate of tls.crt.").certain().propagating(),
    credential(700211, Reason::FederationMismatch,
        "No federated credential of the application has the issuer of the token presented.").certain().propagating(),
    credential(700212, Reason::FederationMismatch,
        "No federated credential of the application has the audience of the token presented.").certain().propagating(),
    credential(700213, Reason::FederationMismatch,
        "No federated credential of the application has the subject of the token presented.").certain().propagating(),
    credential(700223, Reason::BlockedByPolicy,
        "A tenant's policy doesn't allow federated credentials."),
    credential(700229, Reason::FederationMismatch,
        "Only a token issued to an application may be presented as a federated credential.").certain(),
    credential(700236, Reason::FederationMismatch,
        "A token issued by Entra itself may not be presented in another tenant.").certain(),
    credential(700238, Reason::BlockedByPolicy,
        "A tenant's policy doesn't allow federated credentials of this issuer."),
    tenant(900023, Reason::TenantNotFound,
        "Microsoft takes the tenant for neither a GUID nor a domain: check spec.tenantId.").certain(),
    tenant(900382, Reason::WrongCloud,
        "The tenant lives in another cloud: check spec.cloud.").certain(),
    tenant(900383, Reason::WrongCloud,
        "The tenant lives in another cloud: check spec.cloud.").certain(),
    tenant(900384, Reason::WrongCloud,
        "The tenant lives in another cloud: check spec.cloud.").certain(),
    tenant(900432, Reason::WrongCloud,
        "The tenant lives in another cloud, which takes no credential from here: check spec.cloud.").certain(),
    credential(900612, Reason::FederationMismatch,
        "Microsoft couldn't use the signing keys of the cluster's issuer: its discovery document must be public, its keys RSA."),
    credential(901002, Reason::AppMisconfigured,
        "Microsoft refused the way the resource was named."),
    tenant(1000031, Reason::ServicePrincipalDisabled,
        "The application can't be used in the customer's tenant at this time: ask its administrator.").certain(),
    credential(1002012, Reason::AppMisconfigured,
        "Microsoft refused the scope asked for."),
    row(1002016, Reason::ServiceUnavailable, Scope::Service, Retry::Slow,
        "Microsoft saw TLS 1.0 or 1.1, which the operator doesn't speak: a proxy on the way does.").certain(),
    tenant(5000224, Reason::TenantDeleted,
        "The customer's tenant was deleted or deprovisioned.").certain(),
    credential(5002730, Reason::CredentialRejected,
        "Microsoft doesn't take this key or signing algorithm: try the assertion algorithm RS256.").certain(),
    credential(5002738, Reason::CredentialRejected,
        "Microsoft doesn't take this signing algorithm: it wants RS256 or PS256, also of a cluster's issuer.").certain(),
    tenant(7000112, Reason::ServicePrincipalDisabled,
        "The application is disabled in the customer's tenant.").certain(),
    credential(7000215, Reason::CredentialRejected,
        "The client secret is wrong. It must be the secret's value, not the secret's ID.").certain().propagating(),
    credential(7000216, Reason::CredentialRejected,
        "Microsoft saw no credential in the request.").certain(),
    credential(7000218, Reason::CredentialRejected,
        "Microsoft saw no credential in the request.").certain(),
    credential(7000222, Reason::CredentialExpired,
        "The client secret has expired.").certain().propagating(),
    consent(7000229, "The application has no service principal in the customer's tenant: nobody consented yet.")
        .certain().propagating(),
    credential(7000272, Reason::FederationMismatch,
        "The token is signed with a key that the cluster's issuer doesn't publish (any more, or yet).").certain().propagating(),
    credential(7002138, Reason::FederationMismatch,
        "The subject of the application's federated credential differs from the token's in upper and lower case.").certain().propagating(),
    tenant(9001023, Reason::TenantNotFound,
        "Microsoft got no usable tenant from the request: check spec.tenantId.").certain(),
];

/// Finds a code.
#[must_use]
pub fn find(code: u32) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.code == code)
}
