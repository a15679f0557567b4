//! What keeps a credential that is there from being used now, and what is worth knowing of one that was refused.

use jiff::{SignedDuration, Timestamp};

use super::credential::{Kind, Validity};
use super::federated::{TokenFault, TokenView};
use super::gathered::Gathered;
use super::reason::Reason;
use super::schedule::saturating_add;

/// How often a token file that can't be used is looked at again.
pub const TOKEN_FILE_LOOK: SignedDuration = SignedDuration::from_secs(30);

/// Why a credential that is there can't be used now. Microsoft isn't asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit<'a> {
    /// The certificate isn't valid before this instant.
    NotYet(Timestamp),
    /// The certificate isn't valid since this instant.
    Expired(Timestamp),
    /// There is no service account token to present.
    TokenFile(&'a TokenView, TokenFault),
}

impl Unfit<'_> {
    /// The condition's reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Expired(_) => Reason::CredentialExpired,
            Self::NotYet(_) | Self::TokenFile(..) => Reason::CredentialMalformed,
        }
    }

    /// What makes this case special, for the condition's message.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::NotYet(from) => format!(
                "the certificate isn't valid before {from}; it is used from then on, or put one there that is valid now"
            ),
            Self::Expired(at) => format!("the certificate expired at {at}"),
            Self::TokenFile(view, fault) => view.complaint(*fault),
        }
    }
}

impl Gathered<'_> {
    /// What keeps the credential from being used now, if there is one that this tenant may use.
    #[must_use]
    pub fn unfit(&self, now: Timestamp) -> Option<Unfit<'_>> {
        let credential = self.usable_credential().ok()?;
        match credential.validity(now) {
            Validity::NotYet(from) => Some(Unfit::NotYet(from)),
            Validity::Expired(at) => Some(Unfit::Expired(at)),
            Validity::Valid if credential.kind() == Kind::WorkloadIdentity => {
                let view = self.federated?;
                Some(Unfit::TokenFile(view, view.fault(now)?))
            }
            Validity::Valid => None,
        }
    }

    /// When the credential may begin or cease to be fit, without anybody telling.
    #[must_use]
    pub fn fitness_changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        // Of an application's credentials each counts, not only the one that stands for them now.
        if self.application.is_some() {
            // It may have passed since this was gathered.
            let soon = saturating_add(now, SignedDuration::from_secs(1));
            return self.changes_at.map(|at| at.max(soon));
        }
        match self.unfit(now) {
            Some(Unfit::NotYet(from)) => Some(from),
            Some(Unfit::TokenFile(..)) => Some(saturating_add(now, TOKEN_FILE_LOOK)),
            Some(Unfit::Expired(_)) => None,
            None => self.usable_credential().ok()?.not_after(),
        }
    }

    /// What the partner needs to know to mend a credential that was refused for this reason.
    #[must_use]
    pub fn refusal_hint(&self, reason: Reason) -> Option<String> {
        let credential = self.usable_credential().ok()?;
        match reason {
            Reason::CredentialRejected => credential.thumbprint().map(|thumbprint| {
                format!("thumbprint {thumbprint} must stand among the application's certificates")
            }),
            Reason::FederationMismatch => {
                let presented = self.federated?.found.as_ref().ok()?;
                Some(format!(
                    "the operator's token has {presented}: a federated credential of the application must have exactly these"
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
