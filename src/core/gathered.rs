//! Everything that a decision is made from.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::application::Application;
use super::breaker::Health;
use super::claims::Expected;
use super::credential::{Credential, Fingerprint};
use super::discovery::Discovery;
use super::errors::{Failure, Scope};
use super::federated::TokenView;
use super::ids::{ApiUrl, ApplicationId, Audience, LoginHost, TenantId};
use super::reason::Reason;
use super::roles::{self, Required};
use super::schedule::RefreshPolicy;
use super::target::{Held, mint_inputs};
use super::tenant::Tenant;
use crate::api::DefenderApi;

mod obstacle;

pub use obstacle::{Denied, NoApplication, Obstacle};

/// Where Microsoft is met for this tenant: from the compiled-in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoints {
    /// Login authority.
    pub login: LoginHost,
    /// Resource that the token is for.
    pub audience: Audience,
    /// Application id of that resource, which may stand in `aud`.
    pub resource_id: &'static str,
    /// What consumers call; the global front door where there is none in the region asked for.
    pub api_url: ApiUrl,
    /// There is a front door in the region asked for.
    pub has_front_door: bool,
}

/// What `spec.secretRef` or `spec.applicationRef` leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CredentialView<'a> {
    /// A credential.
    Found(&'a Credential),
    /// None that may be used, and why.
    Missing(Obstacle),
}

/// What `spec.applicationRef` leads to, beside its credential.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApplicationView<'a> {
    /// The application.
    pub application: &'a Application,
    /// Fingerprints of all its credentials that can be used.
    pub fingerprints: &'a [Fingerprint],
    /// The APIs whose tokens the tenant may keep: those granted, and those of which that can't be told.
    pub kept_apis: &'a [DefenderApi],
}

/// A Secret that this tenant controls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    pub resource_version: String,
    /// What its annotations say of a token.
    pub held: Option<Held>,
    /// It is as we wrote it: its resourceVersion is the one that we wrote or checked last.
    pub verified: bool,
}

/// What stands under the target's name.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and most have a Secret"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetView {
    /// Nothing that we know of.
    Absent,
    /// Our Secret.
    Ours(Owned),
    /// Somebody else's. `predecessor`: it belongs to a deleted tenant of this name, and goes by itself.
    Stranger {
        /// See above.
        predecessor: bool,
    },
}

/// An owned Secret under another name than the target's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldTarget {
    /// Its name.
    pub name: String,
    /// The Secret.
    pub owned: Owned,
}

/// What a look into the target's bytes showed. The bytes themselves stay with the executor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyFacts {
    /// Keys, annotations and labels are as they should be.
    pub in_order: bool,
    /// The token in it, if it is the right one and live.
    pub token: Option<TokenFacts>,
    /// Something stands where a token should, and it isn't what we wrote.
    pub junk: bool,
}

/// What is known of a token that passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFacts {
    /// When it was minted.
    pub issued_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When the next mint is due.
    pub refresh_at: Timestamp,
    /// Its roles, sorted.
    pub roles: Vec<String>,
}

/// How a mint ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Minted {
    /// A token that passed the checks.
    Token {
        /// About it.
        token: TokenFacts,
        /// This machine's clock is so far ahead of Microsoft's.
        skew: Option<SignedDuration>,
    },
    /// A token that isn't the one asked for.
    Wrong {
        /// `TokenMismatch` or `ClockSkew`.
        reason: Reason,
        /// Which check failed.
        detail: &'static str,
    },
    /// No token.
    Failed {
        /// Why.
        failure: Failure,
        /// Whom it concerns, after the breaker had its say.
        scope: Scope,
        /// Where the breaker decides about the retry: failed probes, next instant.
        progress: Option<(usize, Timestamp)>,
    },
}

/// How a write to the target failed, in a way that another look doesn't mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFailure {
    /// 403.
    NotPermitted,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// The API server refuses the object itself.
    Refused,
    /// The API server can't be reached.
    Unreachable,
}

/// What a probe of the API told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeResult {
    /// The token works.
    Works,
    /// It doesn't, and this is why.
    Fails {
        /// Reason.
        reason: Reason,
        /// Constant text.
        detail: &'static str,
    },
    /// The probe itself failed.
    Unknown,
}

/// What this very reconcile has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts, each of one step"
)]
pub struct Session {
    /// The target's bytes were read.
    pub body: Option<BodyFacts>,
    /// The target was looked at by a live request.
    pub looked: bool,
    /// A mint was made.
    pub minted: Option<Minted>,
    /// The minted token was written.
    pub published: bool,
    /// The mint served this refresh request.
    pub served_request: Option<String>,
    /// Microsoft must not be asked now: until this instant, or until the lane calls.
    pub not_admitted: Option<Option<Timestamp>>,
    /// What became of the question where the tenant lives.
    pub discovery: Option<Discovery>,
    /// A write failed.
    pub failed_write: Option<WriteFailure>,
    /// The token was tried.
    pub probed: Option<ProbeResult>,
    /// An owned Secret was put right.
    pub repaired: bool,
    /// An expired token was taken away.
    pub retired: bool,
    /// Whether a live look confirmed that the right to the token was taken back.
    pub withdrawn: Option<bool>,
}

/// What this process remembers of a tenant between reconciles. Losing it costs a request, never a mint too many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memo {
    /// Repairs of the target, the latest last.
    pub repairs: VecDeque<Timestamp>,
    /// When a stranger was last seen under the target's name.
    pub stranger_seen_at: Option<Timestamp>,
    /// API requests that failed in a row.
    pub api_failures: u32,
    /// This tenant's proof of a fresh credential failed: it tries it again until the credential counts as old.
    pub proving: bool,
    /// The question where the tenant lives waits for its turn.
    pub owes_discovery: bool,
}

/// Whether tenants may bring a credential of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecretRefPolicy {
    /// They may, from their own namespace.
    #[default]
    Allow,
    /// Applications only.
    Deny,
}

/// Settings of the operator that decisions depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `--refresh-margin`
    pub refresh_margin: SignedDuration,
    /// `--target-metadata-allow`
    pub target_metadata_allow: Vec<String>,
    /// `--secret-ref`
    pub secret_ref: SecretRefPolicy,
    /// `--allow-namespace-selectors`
    pub namespace_selectors: bool,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Gathered<'a> {
    /// The tenant.
    pub tenant: &'a Tenant,
    /// `spec.tenantId`, parsed.
    pub tenant_id: TenantId,
    /// Where Microsoft is met.
    pub endpoints: Endpoints,
    /// What the application asks of all its tenants: for a tenant without a list of its own.
    pub inherited_roles: &'a [String],
    /// The application, if there is one that can be read.
    pub application: Option<ApplicationView<'a>>,
    /// The credential.
    pub credential: CredentialView<'a>,
    /// The operator's own token, where it is the credential.
    pub federated: Option<&'a TokenView>,
    /// What is known of the credential.
    pub health: Health,
    /// The credential was seen to change, and nobody has tried it yet.
    pub unproven: bool,
    /// When one of the application's credentials becomes usable, or ceases to be, without anybody telling.
    pub changes_at: Option<Timestamp>,
    /// When this tenant tries the application's newer credential again, which it found not known everywhere yet.
    pub proof_at: Option<Timestamp>,
    /// The target Secret.
    pub target: &'a TargetView,
    /// A Secret that was the target before.
    pub old_target: Option<&'a OldTarget>,
    /// What this process remembers.
    pub memo: &'a Memo,
    /// What this reconcile has done.
    pub session: &'a Session,
    /// The operator's settings.
    pub policy: &'a Policy,
}

impl Gathered<'_> {
    /// A credential that may be used for this tenant, or what is in the way.
    pub fn usable_credential(&self) -> Result<&Credential, Obstacle> {
        match self.credential {
            CredentialView::Missing(obstacle) => Err(obstacle),
            CredentialView::Found(credential) if !credential.covers(self.tenant_id) => {
                Err(Obstacle::NotListed)
            }
            CredentialView::Found(credential) => Ok(credential),
        }
    }

    /// The right to this token was taken back, as far as is known: its Secret goes once a live look confirms it. Only
    /// the application that granted it takes it back.
    #[must_use]
    pub fn is_withdrawn(&self, held: &Held) -> bool {
        let (Some(view), Some(grant)) = (self.application, &held.origin.grant) else {
            return false;
        };
        let application = view.application;
        if application.uid != grant.application || application.deleting {
            return false;
        }
        application.deletes_secrets() || !view.kept_apis.contains(&grant.api)
    }

    /// The fingerprint that a mint would use.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.usable_credential()
            .ok()
            .map(|c| c.fingerprint(self.endpoints.login))
    }

    /// The credential that counts now is another than this one, and nothing bad is known of it.
    #[must_use]
    pub fn is_other_and_fine(&self, fingerprint: &str) -> bool {
        self.health == Health::Fine
            && self
                .fingerprint()
                .is_some_and(|now| now.to_string() != fingerprint)
    }

    /// The application that a token would be for.
    #[must_use]
    pub fn client_id(&self) -> Option<ApplicationId> {
        match self.credential {
            CredentialView::Found(credential) => Some(credential.client_id),
            CredentialView::Missing(_) => self.application.map(|view| view.application.client_id),
        }
    }

    /// What a token must be.
    #[must_use]
    pub fn expected(&self) -> Option<Expected> {
        Some(Expected {
            tenant: self.tenant_id,
            audience: self.endpoints.audience,
            application: self.client_id()?,
            resource_id: self.endpoints.resource_id,
        })
    }

    /// Hash of what a token would be minted for.
    #[must_use]
    pub fn mint_inputs(&self) -> Option<String> {
        Some(mint_inputs(
            self.endpoints.audience,
            self.client_id()?,
            self.tenant_id,
        ))
    }

    /// What a token must carry.
    #[must_use]
    pub fn required(&self) -> Required {
        let spec = &self.tenant.spec;
        roles::required(
            &spec.required_roles,
            self.inherited_roles,
            spec.api,
            spec.plan,
        )
    }

    /// When tokens are renewed.
    #[must_use]
    pub fn refresh_policy(&self) -> RefreshPolicy {
        RefreshPolicy {
            min_remaining: SignedDuration::from_secs(i64::from(
                self.tenant.spec.refresh.min_remaining_seconds,
            )),
            margin: self.policy.refresh_margin,
        }
    }

    /// The live token in our Secret, as far as it is known to be as we wrote it.
    #[must_use]
    pub fn live(&self, now: Timestamp) -> Option<&Held> {
        match self.target {
            TargetView::Ours(Owned {
                held: Some(held),
                verified: true,
                ..
            }) if held.is_live(now) => Some(held),
            _ => None,
        }
    }

    /// Whether the live token is for another API or cloud than the spec asks for by now: it stays until the right one comes.
    #[must_use]
    pub fn is_for_other_audience(&self, now: Timestamp) -> bool {
        let Some(held) = self.live(now).filter(|_| !self.session.published) else {
            return false;
        };
        let token = self.tenant.status.token.as_ref();
        token.is_some_and(|token| {
            token.issued_at.0 == held.issued_at && token.audience != self.endpoints.audience.0
        })
    }

    /// Roles of the live token: from this mint, else from the Secret's bytes, else as the status says.
    #[must_use]
    pub fn live_roles(&self, now: Timestamp) -> Option<&[String]> {
        let held = self.live(now)?;
        if let Some(Minted::Token { token, .. }) = self
            .session
            .minted
            .as_ref()
            .filter(|_| self.session.published)
        {
            return Some(&token.roles);
        }
        if let Some(token) = self
            .session
            .body
            .as_ref()
            .and_then(|body| body.token.as_ref())
        {
            return Some(&token.roles);
        }
        let status = self.tenant.status.token.as_ref()?;
        (status.issued_at.0 == held.issued_at).then_some(status.roles.as_slice())
    }
}
