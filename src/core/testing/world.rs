//! Everything around one tenant, and an executor that does what a plan says.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{AUDIENCE, CLIENT, CONSENT_URL, LOGIN, held, http, owned, roles, tenant, token};
use crate::api::{DefenderApi, DefenderTenantSpec, DefenderTenantStatus, ExpiredTokenPolicy};
use crate::core::application::Application;
use crate::core::breaker::Health;
use crate::core::conditions::{compose, transition};
use crate::core::credential::{Credential, Fingerprint};
use crate::core::discovery::{Answer, Discovery};
use crate::core::errors::{Failure, Scope, Verdict};
use crate::core::federated::TokenView;
use crate::core::gathered::{
    ApplicationView, BodyFacts, CredentialView, Endpoints, Gathered, Memo, Minted, Obstacle,
    OldTarget, Policy, ProbeResult, SecretRefPolicy, Session, TargetView, TokenFacts, WriteFailure,
};
use crate::core::ids::ApiUrl;
use crate::core::plan::{MintWhy, Plan, Step, plan};
use crate::core::target::{Grant, Held, Origin};
use crate::core::tenant::Tenant;

/// More steps than any reconcile needs.
const STEPS_MAX: usize = 12;

/// What `spec.secretRef` or `spec.applicationRef` leads to.
#[derive(Clone)]
pub enum Lead {
    Missing(Obstacle),
    Found(Box<Credential>),
}

/// How Microsoft answers, or why it isn't asked.
#[derive(Clone)]
pub enum Microsoft {
    Token(Vec<String>),
    Skewed(Vec<String>),
    Fails(Verdict, Scope, Option<(usize, Timestamp)>),
    RetryAfter(Duration),
    Wait(Timestamp),
    Park,
}

/// Everything around one tenant, and an executor that does what the plan says.
#[derive(Clone)]
pub struct World {
    pub tenant: Tenant,
    pub lead: Lead,
    pub application: Option<Application>,
    /// Of all credentials that the application has.
    pub fingerprints: Vec<Fingerprint>,
    /// APIs whose tokens the tenant may keep.
    pub kept_apis: Vec<DefenderApi>,
    /// What a live look at the application says.
    pub withdrawn: bool,
    pub federated: Option<TokenView>,
    pub health: Health,
    pub unproven: bool,
    pub changes_at: Option<Timestamp>,
    pub proof_at: Option<Timestamp>,
    pub endpoints: Endpoints,
    pub inherited_roles: Vec<String>,
    pub target: TargetView,
    pub old: Option<OldTarget>,
    pub memo: Memo,
    pub session: Session,
    pub policy: Policy,
    pub microsoft: Microsoft,
    /// What a live look at the target finds, if not what is known of it.
    pub reality: Option<TargetView>,
    /// What a look into its bytes finds.
    pub bytes: BodyFacts,
    pub probe: ProbeResult,
    /// What becomes of the question where the tenant lives.
    pub discovery: Discovery,
    /// When it was asked.
    pub discoveries: Vec<Timestamp>,
    /// The step that the API server denies, and how.
    pub denies: Option<(Step, WriteFailure)>,
    pub status_writable: bool,
    pub mints: Vec<(Timestamp, MintWhy)>,
    pub events: Vec<String>,
    pub status_writes: usize,
}

impl World {
    /// A new tenant with a good credential, whose customer has consented.
    pub fn new() -> Self {
        Self {
            tenant: tenant(),
            lead: Lead::Found(Box::new(Credential::for_test(CLIENT, "s~1"))),
            application: None,
            fingerprints: Vec::new(),
            kept_apis: Vec::new(),
            withdrawn: true,
            federated: None,
            health: Health::Fine,
            unproven: false,
            changes_at: None,
            proof_at: None,
            endpoints: Endpoints {
                login: LOGIN,
                audience: AUDIENCE,
                resource_id: "fc780465-2017-40d4-a0c5-307022471b92",
                api_url: ApiUrl("https://api.security.microsoft.com"),
                has_front_door: true,
            },
            inherited_roles: Vec::new(),
            target: TargetView::Absent,
            old: None,
            memo: Memo::default(),
            session: Session::default(),
            policy: Policy {
                refresh_margin: SignedDuration::from_secs(120),
                target_metadata_allow: Vec::new(),
                secret_ref: SecretRefPolicy::Allow,
                namespace_selectors: false,
            },
            microsoft: Microsoft::Token(roles(&["Alert.Read.All"])),
            reality: None,
            bytes: BodyFacts {
                junk: false,
                in_order: true,
                token: None,
            },
            probe: ProbeResult::Works,
            discovery: Discovery::Answered(Answer::Unclear),
            discoveries: Vec::new(),
            denies: None,
            status_writable: true,
            mints: Vec::new(),
            events: Vec::new(),
            status_writes: 0,
        }
    }

    /// One whose token was minted at the beginning of the test, as a first reconcile left it.
    pub fn settled() -> Self {
        let mut world = Self::new();
        world.reconcile(super::at(0));
        world.mints.clear();
        world.session = Session::default();
        world.status_writes = 0;
        world
    }

    /// As a new process finds it, before any status was lost.
    pub fn restart(&mut self) {
        self.memo = Memo::default();
        if let TargetView::Ours(owned) = &mut self.target {
            owned.verified = false;
        }
    }

    pub fn spec(&mut self, change: impl FnOnce(&mut DefenderTenantSpec)) {
        change(Arc::make_mut(&mut self.tenant.spec));
    }

    /// As `spec`, and the generation moves on.
    pub fn edit(&mut self, change: impl FnOnce(&mut DefenderTenantSpec)) {
        self.spec(change);
        self.tenant.generation += 1;
    }

    pub fn status(&mut self) -> &mut DefenderTenantStatus {
        Arc::make_mut(&mut self.tenant.status)
    }

    pub fn secret(&mut self, secret: &str) {
        self.lead = Lead::Found(Box::new(Credential::for_test(CLIENT, secret)));
    }

    pub fn g(&self) -> Gathered<'_> {
        Gathered {
            tenant: &self.tenant,
            tenant_id: self.tenant.spec.tenant_id.parse().unwrap(),
            endpoints: self.endpoints,
            inherited_roles: &self.inherited_roles,
            application: self
                .application
                .as_ref()
                .map(|application| ApplicationView {
                    application,
                    fingerprints: &self.fingerprints,
                    kept_apis: &self.kept_apis,
                }),
            credential: match &self.lead {
                Lead::Missing(obstacle) => CredentialView::Missing(*obstacle),
                Lead::Found(credential) => CredentialView::Found(credential),
            },
            federated: self.federated.as_ref(),
            health: self.health,
            unproven: self.unproven,
            changes_at: self.changes_at,
            proof_at: self.proof_at,
            target: &self.target,
            old_target: self.old.as_ref(),
            memo: &self.memo,
            session: &self.session,
            policy: &self.policy,
        }
    }

    pub fn plan(&self, now: Timestamp) -> Plan {
        plan(&self.g(), now)
    }

    pub fn composed(&self, now: Timestamp) -> DefenderTenantStatus {
        compose(&self.g(), || Some(CONSENT_URL.to_owned()), now)
    }

    /// One reconcile: the steps that were done, and when it wants its next turn.
    pub fn reconcile(&mut self, now: Timestamp) -> (Vec<Step>, Option<Timestamp>) {
        self.session = Session::default();
        let mut steps = Vec::new();
        loop {
            let plan = self.plan(now);
            assert!(
                plan.wake_at.is_none_or(|wake| wake > now),
                "a wake-up in the past: {plan:?}"
            );
            if plan.step == Step::Rest {
                let status = self.composed(now);
                if status != *self.tenant.status && self.status_writable {
                    let application = self.tenant.spec.application_ref.is_some();
                    let said = transition(&self.tenant.status, &status, application);
                    self.events.extend(said.map(|n| n.reason.into()));
                    self.tenant.status = Arc::new(status);
                    self.status_writes += 1;
                }
                return (steps, plan.wake_at);
            }
            steps.push(plan.step);
            assert!(steps.len() <= STEPS_MAX, "for ever: {steps:?}");
            self.act(plan.step, now);
        }
    }

    /// Reconciles whenever the plan asks for it, until then. The instants of the mints, in seconds.
    pub fn run(&mut self, from: i64, until: i64) -> Vec<i64> {
        let mut now = super::at(from);
        let before = self.mints.len();
        while now <= super::at(until) {
            let (_, wake) = self.reconcile(now);
            let Some(wake) = wake else { break };
            now = wake;
        }
        self.mints[before..]
            .iter()
            .map(|(when, _)| when.as_second() - super::at(0).as_second())
            .collect()
    }

    fn act(&mut self, step: Step, now: Timestamp) {
        if let Some((denied, failure)) = self.denies
            && denied == step
        {
            self.session.failed_write = Some(failure);
            return;
        }
        match step {
            Step::Rest => {}
            Step::ReadTarget => {
                self.session.looked = true;
                self.session.body = Some(self.bytes.clone());
                self.verify(self.bytes.in_order);
            }
            Step::LookAtTarget => {
                self.session.looked = true;
                self.target = self.reality.clone().unwrap_or_else(|| self.target.clone());
                let stranger = matches!(self.target, TargetView::Stranger { .. });
                self.memo.stranger_seen_at = stranger.then_some(now);
            }
            Step::Mint(why) => self.mint(why, now),
            Step::Publish => self.publish(),
            Step::Rewrite => {
                self.bytes.in_order = true;
                self.session.body = Some(self.bytes.clone());
                self.verify(true);
                if self.tenant.is_observed() {
                    self.session.repaired = true;
                    self.memo.repairs.push_back(now);
                }
            }
            Step::CopyOld => {
                let held = self.old.as_ref().and_then(|old| old.owned.held.clone());
                self.target = TargetView::Ours(owned(held));
                self.session.body = Some(self.bytes.clone());
            }
            Step::RemoveOld => self.old = None,
            Step::ConfirmWithdrawal => self.session.withdrawn = Some(self.withdrawn),
            Step::Retire(policy) | Step::Withdraw(policy) => {
                self.session.retired = true;
                self.target = match policy {
                    ExpiredTokenPolicy::Delete => TargetView::Absent,
                    ExpiredTokenPolicy::Empty => TargetView::Ours(owned(None)),
                };
            }
            Step::Discover => {
                self.discoveries.push(now);
                self.memo.owes_discovery = self.discovery == Discovery::Later;
                self.session.discovery = Some(self.discovery);
            }
            Step::Probe => self.session.probed = Some(self.probe),
        }
    }

    fn verify(&mut self, in_order: bool) {
        if let TargetView::Ours(owned) = &mut self.target {
            owned.verified |= in_order;
        }
    }

    fn mint(&mut self, why: MintWhy, now: Timestamp) {
        let failed = |failure: Failure, scope, progress| Minted::Failed {
            failure,
            scope,
            progress,
        };
        let came = |names: &[String], skew| Minted::Token {
            token: TokenFacts {
                roles: names.to_vec(),
                ..token(now, &[])
            },
            skew,
        };
        let minted = match &self.microsoft {
            Microsoft::Wait(until) => {
                self.session.not_admitted = Some(Some(*until));
                return;
            }
            Microsoft::Park => {
                self.session.not_admitted = Some(None);
                return;
            }
            Microsoft::Token(names) => came(names, None),
            Microsoft::Skewed(names) => came(names, Some(SignedDuration::from_mins(9))),
            Microsoft::Fails(verdict, scope, progress) => {
                failed((*verdict).into(), *scope, *progress)
            }
            Microsoft::RetryAfter(wait) => {
                let verdict = http(429);
                let failure = Failure {
                    retry_after: Some(*wait),
                    ..verdict.into()
                };
                failed(failure, verdict.scope, None)
            }
        };
        self.mints.push((now, why));
        if why == MintWhy::Forced {
            self.session
                .served_request
                .clone_from(&self.tenant.refresh_request);
        }
        self.session.minted = Some(minted);
    }

    fn publish(&mut self) {
        let Some(Minted::Token { token, .. }) = self.session.minted.clone() else {
            panic!("nothing to publish");
        };
        let g = self.g();
        let held = Held {
            mint_inputs: g.mint_inputs().unwrap(),
            origin: Origin {
                fingerprint: g.fingerprint().unwrap().to_string(),
                grant: self.application.as_ref().map(|application| Grant {
                    application: application.uid.clone(),
                    api: self.tenant.spec.api,
                }),
            },
            expires_at: token.expires_at,
            refresh_at: token.refresh_at,
            ..held(token.issued_at)
        };
        if let Some((now, MintWhy::Lost)) = self.mints.last().copied() {
            self.memo.repairs.push_back(now);
        }
        self.target = TargetView::Ours(owned(Some(held)));
        self.bytes = BodyFacts {
            junk: false,
            in_order: true,
            token: Some(token),
        };
        self.session.published = true;
    }
}
