//! What is in the way of a credential.

use crate::core::application::Denial;
use crate::core::credential::Fault;
use crate::core::federated::TokenFault;
use crate::core::reason::Reason;

/// Why there is no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// No such Secret.
    NotFound,
    /// An application's Secret is in the operator's namespace, and the operator doesn't know which that is.
    NoHome,
    /// A Secret without the label.
    NotLabelled,
    /// `secretRef` may not be used here.
    Denied(Denied),
    /// A Secret that makes no credential.
    Malformed(Fault),
    /// Workload identity, and the operator has no token to present.
    NoToken(TokenFault),
    /// The credential's own key `tenant-ids` leaves the tenant out.
    NotListed,
    /// No application that could be read.
    NoApplication(NoApplication),
    /// The application is being deleted.
    Terminating,
    /// The application is suspended.
    Suspended,
    /// The application doesn't grant it.
    NotGranted(Denial),
    /// The application is registered in another Entra cloud than the one that the tenant signs in at.
    OtherCloud,
}

/// Why `secretRef` may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denied {
    /// The operator's namespace holds the credentials of applications, which aren't anybody's.
    #[error("this is the operator's own namespace")]
    OperatorNamespace,
    /// `--secret-ref=deny`
    #[error("the operator runs with --secret-ref=deny: use applicationRef")]
    Flag,
}

/// Why no application could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoApplication {
    /// There is none.
    #[error("create it, or mend the name")]
    Missing,
    /// Its spec breaks a rule of the CRD.
    #[error("its spec isn't of this version's shape: is an older CRD installed?")]
    Unreadable,
    /// The operator serves chosen namespaces, and sees nothing that belongs to the cluster.
    #[error("the operator runs with --watch-namespaces and sees none: use secretRef")]
    NamespaceMode,
}

impl Obstacle {
    /// The reason that it shows as.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotFound | Self::NoHome => Reason::CredentialSecretNotFound,
            Self::NotLabelled => Reason::CredentialSecretNotLabelled,
            Self::Denied(_) => Reason::SecretRefDenied,
            Self::Malformed(_) | Self::NoToken(_) => Reason::CredentialMalformed,
            Self::NotListed | Self::NotGranted(_) => Reason::NotGranted,
            Self::NoApplication(_) => Reason::ApplicationNotFound,
            Self::Terminating => Reason::ApplicationTerminating,
            Self::Suspended => Reason::ApplicationSuspended,
            Self::OtherCloud => Reason::AppMisconfigured,
        }
    }

    /// What makes this case special.
    #[must_use]
    pub fn detail(self) -> String {
        match self {
            Self::Denied(denied) => denied.to_string(),
            Self::Malformed(fault) => fault.to_string(),
            Self::NoToken(fault) => format!("the operator's own token (--federated-token-file): {fault}"),
            Self::NoHome => "the operator doesn't know its own namespace: start it with --operator-namespace, or with POD_NAMESPACE in its environment".to_owned(),
            Self::NotListed => "the credential's key tenant-ids doesn't list it".to_owned(),
            Self::NoApplication(why) => why.to_string(),
            Self::NotGranted(denial) => denial.to_string(),
            Self::OtherCloud => "it is registered in another Entra cloud (spec.entraCloud) than the one that serves spec.cloud: GCCHigh and DoD need one of USGovernment, Commercial and GCC one of Public".to_owned(),
            Self::NotFound | Self::NotLabelled | Self::Terminating | Self::Suspended => String::new(),
        }
    }
}
