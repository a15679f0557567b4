//! The closed list of condition reasons: where each shows, who must act, what it says.

use std::fmt;

/// Why a tenant is as it is. Each has a page in `docs/runbook.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The Secret holds a checked, unexpired token.
    TokenPublished,
    /// Work is under way.
    Pending,
    /// Microsoft asked us to slow down.
    Throttled,
    /// Microsoft, a proxy or the network failed.
    ServiceUnavailable,
    /// A credential changed minutes ago and isn't known everywhere yet.
    CredentialPropagating,
    /// `secretRef` names nothing.
    CredentialSecretNotFound,
    /// The Secret lacks the label that marks it as a credential.
    CredentialSecretNotLabelled,
    /// The Secret's keys don't make a credential.
    CredentialMalformed,
    /// `secretRef` isn't allowed here.
    SecretRefDenied,
    /// The credential or application doesn't cover this tenant.
    NotGranted,
    /// `applicationRef` names nothing that can be read.
    ApplicationNotFound,
    /// The application is being deleted.
    ApplicationTerminating,
    /// `spec.suspend` of the application is set.
    ApplicationSuspended,
    /// Entra refused the credential.
    CredentialRejected,
    /// The credential has expired.
    CredentialExpired,
    /// The federated credential doesn't match.
    FederationMismatch,
    /// The application's registration doesn't fit.
    AppMisconfigured,
    /// The application has no service principal in the customer's tenant.
    ConsentRequired,
    /// A token came without any role.
    NoRoles,
    /// The customer switched the application off.
    ServicePrincipalDisabled,
    /// The customer has no Defender resource.
    ResourceNotInTenant,
    /// Defender is there but not set up.
    NotProvisioned,
    /// A policy of the tenant blocks the sign-in.
    BlockedByPolicy,
    /// No such tenant.
    TenantNotFound,
    /// The tenant was deleted.
    TenantDeleted,
    /// The tenant lives in another cloud.
    WrongCloud,
    /// Some required roles are missing.
    RolesMissing,
    /// The token isn't the one asked for.
    TokenMismatch,
    /// This machine's clock is off.
    ClockSkew,
    /// The target Secret belongs to somebody else.
    TargetConflict,
    /// Another writer keeps changing the target Secret.
    TargetContested,
    /// The API server denies a write.
    NotPermitted,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The API has no front door in the region asked for.
    RegionUnavailable,
    /// `spec.suspend` is set.
    Suspended,
}

/// Who must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The operator retries by itself.
    Nobody,
    /// The platform team that runs the cluster.
    Platform,
    /// The partner that owns the application.
    Partner,
    /// The customer's administrator.
    Customer,
}

/// Which abnormal-true condition goes with a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abnormal {
    /// Neither.
    None,
    /// The operator will retry: `Reconciling`.
    Reconciling,
    /// A person must change something: `Stalled`.
    Stalled,
}

/// The condition types that a reason can speak on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// The Secret holds a checked, unexpired token.
    Ready,
    /// The partner's credential can be read and is accepted.
    CredentialReady,
    /// The customer has consented.
    ConsentGranted,
    /// Every required role is in the token.
    RolesGranted,
    /// The operator is at it.
    Reconciling,
    /// A person must act.
    Stalled,
}

impl ConditionType {
    /// Name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::CredentialReady => "CredentialReady",
            Self::ConsentGranted => "ConsentGranted",
            Self::RolesGranted => "RolesGranted",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// A condition's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// `True`
    True,
    /// `False`
    False,
    /// `Unknown`
    Unknown,
}

impl Truth {
    /// Name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Everything that is fixed about a reason.
struct Facts {
    name: &'static str,
    /// The condition that it makes False or Unknown, beside `Ready`.
    on: Option<(ConditionType, Truth)>,
    abnormal: Abnormal,
    owner: Owner,
    message: &'static str,
}

const fn facts(
    name: &'static str,
    on: Option<(ConditionType, Truth)>,
    abnormal: Abnormal,
    owner: Owner,
    message: &'static str,
) -> Facts {
    Facts {
        name,
        on,
        abnormal,
        owner,
        message,
    }
}

impl Reason {
    /// Every reason, the most urgent last: what is seen first in `kubectl get` when several hold.
    pub const ALL: [Self; 35] = [
        Self::TokenPublished,
        Self::Pending,
        Self::RolesMissing,
        Self::Throttled,
        Self::ServiceUnavailable,
        Self::CredentialPropagating,
        Self::Suspended,
        Self::NotProvisioned,
        Self::BlockedByPolicy,
        Self::NoRoles,
        Self::ConsentRequired,
        Self::ServicePrincipalDisabled,
        Self::ResourceNotInTenant,
        Self::WrongCloud,
        Self::TenantDeleted,
        Self::TenantNotFound,
        Self::ClockSkew,
        Self::TokenMismatch,
        Self::TargetContested,
        Self::TargetConflict,
        Self::NotPermitted,
        Self::AppMisconfigured,
        Self::FederationMismatch,
        Self::CredentialExpired,
        Self::CredentialRejected,
        Self::CredentialMalformed,
        Self::CredentialSecretNotLabelled,
        Self::CredentialSecretNotFound,
        Self::ApplicationSuspended,
        Self::NotGranted,
        Self::ApplicationTerminating,
        Self::ApplicationNotFound,
        Self::SecretRefDenied,
        Self::RegionUnavailable,
        Self::NamespaceTerminating,
    ];

    #[rustfmt::skip]
    const fn facts(self) -> Facts {
        use Abnormal as A;
        use ConditionType::{ConsentGranted, CredentialReady, RolesGranted};
        use Owner as O;
        use Truth::{False, Unknown};
        match self {
            Self::TokenPublished => facts("TokenPublished", None, A::None, O::Nobody,
                "The Secret holds a live token."),
            Self::Pending => facts("Pending", None, A::Reconciling, O::Nobody,
                "Work is under way."),
            Self::Throttled => facts("Throttled", None, A::Reconciling, O::Nobody,
                "Microsoft asked to slow down; retried when it allows."),
            Self::ServiceUnavailable => facts("ServiceUnavailable", None, A::Reconciling, O::Nobody,
                "Microsoft or the way to it failed; retried."),
            Self::CredentialPropagating => facts("CredentialPropagating", None, A::Reconciling, O::Nobody,
                "A credential that changed minutes ago isn't known everywhere at Microsoft yet; retried."),
            Self::CredentialSecretNotFound => facts("CredentialSecretNotFound", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "The credential's Secret doesn't exist: secretRef names one of this namespace, an application those of the operator's namespace."),
            Self::CredentialSecretNotLabelled => facts("CredentialSecretNotLabelled", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "The credential's Secret isn't marked as one: kubectl label secret NAME defendertenant.io/credential=true (an application's is in the operator's namespace)"),
            Self::CredentialMalformed => facts("CredentialMalformed", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "The credential can't be used."),
            Self::SecretRefDenied => facts("SecretRefDenied", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "secretRef isn't allowed in this namespace."),
            Self::NotGranted => facts("NotGranted", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "This tenant isn't granted here."),
            Self::ApplicationNotFound => facts("ApplicationNotFound", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "There is no DefenderApplication of the name in applicationRef that this operator can read."),
            Self::ApplicationTerminating => facts("ApplicationTerminating", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "The DefenderApplication is being deleted: refer to another one. The token stays until it expires."),
            Self::ApplicationSuspended => facts("ApplicationSuspended", Some((CredentialReady, False)), A::Stalled, O::Platform,
                "The DefenderApplication is suspended (spec.suspend): nothing is minted for any of its tenants."),
            Self::CredentialRejected => facts("CredentialRejected", Some((CredentialReady, False)), A::Stalled, O::Partner,
                "Microsoft refused the partner's credential: put a valid one into the credential Secret."),
            Self::CredentialExpired => facts("CredentialExpired", Some((CredentialReady, False)), A::Stalled, O::Partner,
                "The partner's credential has expired: create a new one and put it into the credential Secret."),
            Self::FederationMismatch => facts("FederationMismatch", Some((CredentialReady, False)), A::Stalled, O::Partner,
                "The application's federated credential doesn't match."),
            Self::AppMisconfigured => facts("AppMisconfigured", Some((CredentialReady, False)), A::Stalled, O::Partner,
                "The application's registration doesn't allow this request."),
            Self::ConsentRequired => facts("ConsentRequired", Some((ConsentGranted, False)), A::Stalled, O::Customer,
                "The customer hasn't consented: send status.consentUrl to an administrator of the customer. If that page says AADSTS650052, the customer's tenant lacks the product behind one of the application's permissions."),
            Self::NoRoles => facts("NoRoles", Some((ConsentGranted, False)), A::Stalled, O::Customer,
                "The token carries no role: send status.consentUrl to an administrator of the customer."),
            Self::ServicePrincipalDisabled => facts("ServicePrincipalDisabled", Some((ConsentGranted, False)), A::Stalled, O::Customer,
                "The customer switched the application off in its tenant."),
            Self::ResourceNotInTenant => facts("ResourceNotInTenant", Some((ConsentGranted, False)), A::Stalled, O::Customer,
                "The customer's tenant doesn't have the product behind spec.api."),
            Self::NotProvisioned => facts("NotProvisioned", Some((ConsentGranted, Unknown)), A::Stalled, O::Customer,
                "Microsoft Defender isn't set up in the customer's tenant."),
            Self::BlockedByPolicy => facts("BlockedByPolicy", Some((ConsentGranted, Unknown)), A::Stalled, O::Customer,
                "A policy of the customer's tenant blocks the application."),
            Self::TenantNotFound => facts("TenantNotFound", Some((ConsentGranted, Unknown)), A::Stalled, O::Partner,
                "Microsoft knows no such tenant: check spec.tenantId and spec.cloud."),
            Self::TenantDeleted => facts("TenantDeleted", Some((ConsentGranted, Unknown)), A::Stalled, O::Partner,
                "The customer's tenant was deleted."),
            Self::WrongCloud => facts("WrongCloud", Some((ConsentGranted, Unknown)), A::Stalled, O::Partner,
                "The tenant lives in another cloud than spec.cloud says."),
            Self::RolesMissing => facts("RolesMissing", Some((RolesGranted, False)), A::None, O::Customer,
                "Required roles are missing."),
            Self::TokenMismatch => facts("TokenMismatch", None, A::Stalled, O::Platform,
                "The token that came isn't the one asked for and was thrown away."),
            Self::ClockSkew => facts("ClockSkew", None, A::Stalled, O::Platform,
                "This machine's clock differs from Microsoft's: mend its time service."),
            Self::TargetConflict => facts("TargetConflict", None, A::Stalled, O::Platform,
                "The target Secret belongs to somebody else: choose another spec.target.name or remove it."),
            Self::TargetContested => facts("TargetContested", None, A::Stalled, O::Platform,
                "Another writer keeps changing the target Secret: stop it."),
            Self::NotPermitted => facts("NotPermitted", None, A::Stalled, O::Platform,
                "The API server denies the operator a write: its permissions, a quota or an admission policy."),
            Self::NamespaceTerminating => facts("NamespaceTerminating", None, A::Stalled, O::Platform,
                "The namespace is being deleted."),
            Self::RegionUnavailable => facts("RegionUnavailable", None, A::Stalled, O::Platform,
                "spec.api has no front door in spec.region in this cloud, so nothing is minted: set spec.region to one that it has."),
            Self::Suspended => facts("Suspended", None, A::Stalled, O::Nobody,
                "spec.suspend is set: nothing is minted."),
        }
    }

    /// The reason in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// The condition that this reason makes False or Unknown, beside `Ready`.
    #[must_use]
    pub const fn speaks_on(self) -> Option<(ConditionType, Truth)> {
        self.facts().on
    }

    /// Which abnormal condition goes with it, unless circumstances say otherwise (see `conditions`).
    #[must_use]
    pub const fn abnormal(self) -> Abnormal {
        self.facts().abnormal
    }

    /// Who must act.
    #[must_use]
    pub const fn owner(self) -> Owner {
        self.facts().owner
    }

    /// The constant message.
    #[must_use]
    pub const fn message(self) -> &'static str {
        self.facts().message
    }

    /// Finds a reason by its name in the API.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.as_str() == name)
    }

    /// Rank by urgency: the higher, the more it hides others.
    #[must_use]
    pub fn urgency(self) -> usize {
        Self::ALL
            .into_iter()
            .position(|r| r == self)
            .unwrap_or_default()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_is_listed_once_and_found_by_its_name() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
            assert_eq!(format!("{reason:?}"), reason.as_str());
        }
        assert_eq!(Reason::parse("Other"), None);
    }

    #[test]
    fn what_a_person_must_mend_is_stalled() {
        for reason in Reason::ALL {
            if matches!(reason.owner(), Owner::Platform | Owner::Partner) {
                assert_eq!(reason.abnormal(), Abnormal::Stalled, "{reason}");
            }
        }
    }
}
