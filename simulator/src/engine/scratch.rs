//! From a tenant's row to what the core decides from: the same types that the operator fills from its watches.

use std::sync::Arc;

use defender_tenant_operator::api::{
    AttemptStatus, DefenderTenantStatus, LastErrorStatus, TargetStatus, TokenStatus,
};
use defender_tenant_operator::core::application::Application;
use defender_tenant_operator::core::attempt::seconds;
use defender_tenant_operator::core::breaker::Health;
use defender_tenant_operator::core::credential::{Credential, Fingerprint};
use defender_tenant_operator::core::gathered::{
    ApplicationView, CredentialView, Endpoints, Gathered, Memo, Owned, Policy, Session, TargetView,
};
use defender_tenant_operator::core::ids::TenantId;
use defender_tenant_operator::core::target::{Held, Origin, mint_inputs};
use defender_tenant_operator::core::tenant::{Key, Tenant};
use jiff::Timestamp;

use super::parties::Parties;
use super::tenant::{Row, mark, write_uid};
use crate::clock::{at_second, second};

/// What the gate says of the credential that counts.
#[derive(Debug, Clone)]
pub struct Lead {
    pub chosen: u16,
    pub before: Vec<u16>,
    pub after: Vec<u16>,
    pub fresh_again_at: Option<Timestamp>,
    pub health: Health,
    pub unproven: bool,
}

/// One tenant at a time, written over by the next.
pub struct Scratch {
    seed: u64,
    pub tenant: Tenant,
    pub tenant_id: TenantId,
    memo: Memo,
    target: TargetView,
    /// Who was taken in last, and what his tokens are minted for.
    loaded: Option<(u32, u16)>,
    inputs: String,
    token: TokenStatus,
    policy: Policy,
}

impl Scratch {
    pub fn new(seed: u64, parties: &Parties, margin: i64) -> Self {
        let mut uid = String::new();
        write_uid(seed, 0, &mut uid);
        let tenant = Tenant {
            key: Key::new("customers", "one"),
            uid: uid.clone(),
            resource_version: "1".to_owned(),
            generation: 1,
            created_at: at_second(0),
            deleting: false,
            refresh_request: None,
            spec: parties.spec.clone(),
            status: Arc::new(DefenderTenantStatus::default()),
        };
        let time = seconds(at_second(0));
        Self {
            seed,
            tenant,
            tenant_id: parse(&uid),
            memo: Memo::default(),
            target: TargetView::Absent,
            loaded: None,
            inputs: String::new(),
            token: TokenStatus {
                issued_at: time.clone(),
                expires_at: time.clone(),
                refresh_at: time,
                roles: parties.roles.clone(),
                missing_roles: Vec::new(),
                surplus_roles: Vec::new(),
                audience: parties.endpoints.audience.to_string(),
                application_id: String::new(),
            },
            policy: Policy {
                refresh_margin: jiff::SignedDuration::from_secs(margin),
                target_metadata_allow: Vec::new(),
                secret_ref: defender_tenant_operator::core::gathered::SecretRefPolicy::Allow,
                namespace_selectors: false,
            },
        }
    }

    /// Takes a tenant in.
    pub fn load(&mut self, n: u32, row: &Row, parties: &Parties) {
        if self.loaded != Some((n, row.app)) {
            write_uid(self.seed, n, &mut self.tenant.uid);
            self.tenant_id = parse(&self.tenant.uid);
            let client = parties.application(row.app).client_id;
            self.inputs = mint_inputs(parties.endpoints.audience, client, self.tenant_id);
            self.loaded = Some((n, row.app));
        }
        self.memo.proving = row.has(mark::PROVING);
        self.target = self.target_of(row, parties);
        self.load_status(row, parties);
    }

    fn target_of(&self, row: &Row, parties: &Parties) -> TargetView {
        if !row.holds() {
            return TargetView::Absent;
        }
        TargetView::Ours(Owned {
            uid: String::new(),
            resource_version: String::new(),
            held: Some(Held {
                issued_at: at_second(row.issued),
                expires_at: at_second(row.expires),
                refresh_at: at_second(row.refresh),
                digest: String::new(),
                mint_inputs: self.inputs.clone(),
                origin: Origin {
                    fingerprint: parties.credential(row.by).text.to_string(),
                    grant: None,
                },
            }),
            verified: row.has(mark::VERIFIED) || row.has(mark::NAMED),
        })
    }

    fn load_status(&mut self, row: &Row, parties: &Parties) {
        let fresh = Arc::get_mut(&mut self.tenant.status);
        let Some(status) = fresh else {
            return;
        };
        status.observed_generation = Some(if row.has(mark::OBSERVED) { 1 } else { -1 });
        if row.told_expires == 0 {
            status.token = None;
        } else {
            let token = status.token.get_or_insert_with(|| self.token.clone());
            token.issued_at = seconds(at_second(row.told_issued));
            token.expires_at = seconds(at_second(row.told_expires));
        }
        if !row.has(mark::OBSERVED) {
            status.target = None;
        } else if status.target.is_none() {
            status.target = Some(TargetStatus {
                name: parties.target_name.clone(),
                resource_version: None,
            });
        }
        status.attempt = (row.attempts != 0).then(|| AttemptStatus {
            generation: 1,
            fingerprint: parties.credential(row.attempt_by).text.to_string(),
            count: i32::from(row.attempts),
            last_at: seconds(at_second(row.attempted)),
            next_at: Some(seconds(at_second(row.again))),
        });
        status.last_error = parties.error(row.error);
    }

    /// All that a decision is made from.
    pub fn view<'a>(
        &'a self,
        lead: &Lead,
        application: &'a Application,
        credential: &'a Credential,
        fingerprints: &'a [Fingerprint],
        session: &'a Session,
        endpoints: Endpoints,
    ) -> Gathered<'a> {
        Gathered {
            tenant: &self.tenant,
            tenant_id: self.tenant_id,
            endpoints,
            inherited_roles: &application.spec.required_roles,
            application: Some(ApplicationView {
                application,
                fingerprints,
                kept_apis: &[],
            }),
            credential: CredentialView::Found(credential),
            federated: None,
            health: lead.health,
            unproven: lead.unproven,
            changes_at: None,
            proof_at: lead.fresh_again_at.filter(|_| self.memo.proving),
            target: &self.target,
            old_target: None,
            memo: &self.memo,
            session,
            policy: &self.policy,
        }
    }
}

fn parse(uid: &str) -> TenantId {
    uid.parse()
        .unwrap_or_else(|_| unreachable!("a random UUID is canonical and isn't nil"))
}

/// What a status write changes in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub issued: i32,
    pub expires: i32,
    pub attempted: i32,
    pub again: i32,
    pub attempts: u16,
    pub attempt_by: u16,
    pub error: u8,
    pub health: u8,
    /// It names the Secret's version.
    pub named: bool,
}

impl Told {
    /// What stands there.
    pub const fn of(row: &Row) -> Self {
        Self {
            issued: row.told_issued,
            expires: row.told_expires,
            attempted: row.attempted,
            again: row.again,
            attempts: row.attempts,
            attempt_by: row.attempt_by,
            error: row.error,
            health: row.health,
            named: row.has(mark::NAMED),
        }
    }

    /// What would be written: the core's attempt, the token that lives, and the core's error, which has no number yet.
    pub fn after(
        g: &Gathered<'_>,
        row: &Row,
        parties: &Parties,
        now: Timestamp,
    ) -> (Self, Option<LastErrorStatus>) {
        use defender_tenant_operator::core::attempt::{after, error_after};
        let live = g.live(now);
        let attempt = after(g, now);
        let error = error_after(g, now);
        let verified = matches!(&g.target, TargetView::Ours(owned) if owned.verified);
        let mut told = Self {
            issued: live.map_or(0, |held| second(held.issued_at)),
            expires: live.map_or(0, |held| second(held.expires_at)),
            attempted: 0,
            again: 0,
            attempts: 0,
            attempt_by: row.attempt_by,
            error: 0,
            health: health(g.health),
            named: verified,
        };
        if let Some(attempt) = attempt {
            told.attempted = second(attempt.last_at.0);
            told.again = attempt
                .next_at
                .map_or(told.attempted, |next| second(next.0));
            told.attempts = u16::try_from(attempt.count).unwrap_or(u16::MAX).max(1);
            told.attempt_by = parties
                .by_text(&attempt.fingerprint)
                .unwrap_or(row.attempt_by);
        }
        (told, error)
    }

    pub const fn write(self, row: &mut Row) {
        row.told_issued = self.issued;
        row.told_expires = self.expires;
        row.attempted = self.attempted;
        row.again = self.again;
        row.attempts = self.attempts;
        row.attempt_by = self.attempt_by;
        row.error = self.error;
        row.health = self.health;
        row.set(mark::NAMED, self.named);
        row.set(mark::OBSERVED, true);
    }
}

const fn health(health: Health) -> u8 {
    match health {
        Health::Fine => 0,
        Health::Propagating => 1,
        Health::Refused(_) => 2,
    }
}
