//! What becomes of Microsoft's and the API server's answers.

use std::time::Duration;

use defender_tenant_operator::core::breaker::{Effect, Outcome};
use defender_tenant_operator::core::credential::Fingerprint;
use defender_tenant_operator::core::errors::{
    BodyClass, ErrorAnswer, Failure, OAuthError, Scope, Transport, Verdict, classify, transport,
};
use defender_tenant_operator::core::gate::MintKey;
use defender_tenant_operator::core::gathered::{BodyFacts, Minted, TokenFacts};
use defender_tenant_operator::core::inspect::token_facts;
use defender_tenant_operator::core::plan::MintWhy;
use defender_tenant_operator::core::schedule::saturating_add;
use jiff::{SignedDuration, Timestamp};

use super::entra::Reply;
use super::setup::Outage;
use super::tenant::mark;
use super::turn::{Place, Turn};
use super::world::World;
use crate::clock::{at, at_second, second, second_of};

impl World {
    /// Microsoft has answered, or hasn't.
    pub fn answered(&mut self, shard: usize, turn: &mut Turn, key: MintKey, place: Place) {
        let now = at(self.now);
        let row = self.rows[turn.row as usize];
        let number = self.number(turn.row);
        self.scratch.load(number, &row, &self.parties);
        let uid = self.scratch.tenant.uid.clone();
        let reply = turn.reply.take().unwrap_or(Reply::Nothing);
        let failure = failure(reply);
        let minute = self.tally.minute(self.now);
        match reply {
            Reply::Token(_) => minute.tokens += 1,
            Reply::Throttled(_) => minute.throttled += 1,
            _ => minute.failed += 1,
        }
        let gate = &mut self.shards[shard].gate;
        let report = match &failure {
            None => gate.report(key, &uid, Outcome::Token, None, false, now),
            Some(failure) => {
                let outcome = Outcome::Failed(&failure.verdict);
                gate.report(key, &uid, outcome, failure.retry_after, false, now)
            }
        };
        if report.effect != Effect::None {
            self.announce(shard, row.app, key.fingerprint);
        }
        let Some(failure) = failure else {
            self.rows[turn.row as usize].set(mark::PROVING, false);
            let Reply::Token(life) = reply else {
                return;
            };
            let facts = self.facts(turn, life, now);
            turn.session.minted = Some(Minted::Token {
                token: facts,
                skew: None,
            });
            turn.settled();
            return;
        };
        let refused = failure.verdict.scope == Scope::Credential;
        if refused && turn.why == MintWhy::Proof {
            self.rows[turn.row as usize].set(mark::PROVING, true);
        }
        turn.session.minted = Some(Minted::Failed {
            failure,
            scope: report.scope.unwrap_or(failure.verdict.scope),
            progress: report.progress,
        });
        match (refused, place) {
            (false, _) => turn.settled(),
            (true, Place::Before) => turn.session.minted = None,
            (true, Place::Chosen) => {}
            (true, Place::After) => turn.restore(),
        }
    }

    fn facts(&mut self, turn: &Turn, life: u32, now: Timestamp) -> TokenFacts {
        let roles = self.parties.roles.clone();
        let expires_at = saturating_add(now, SignedDuration::from_secs(i64::from(life)));
        self.see(turn.row, &turn.session, |g, _, _| {
            token_facts(g, now, expires_at, None, roles)
        })
    }

    /// Everybody who has the credential must say so in its status, once.
    fn announce(&mut self, shard: usize, app: u16, fingerprint: Fingerprint) {
        if self.parties.app(app).fingerprints.contains(&fingerprint) {
            self.wake_users(app, Some(shard));
        }
    }

    /// The Secret is written.
    pub fn published(&mut self, turn: &mut Turn) {
        let Some(Minted::Token { token, .. }) = &turn.session.minted else {
            return;
        };
        turn.session.published = true;
        let now = second_of(self.now);
        let before = self.rows[turn.row as usize];
        let row = &mut self.rows[turn.row as usize];
        row.issued = second(token.issued_at);
        row.expires = second(token.expires_at);
        row.refresh = second(token.refresh_at);
        row.by = turn.by;
        row.set(mark::VERIFIED, true);
        row.set(mark::NAMED, false);
        if before.has(mark::NEW) {
            row.set(mark::NEW, false);
            self.tally.first += 1;
            return;
        }
        self.tally.refreshes += 1;
        if before.expires - self.setup.min_remaining < now {
            self.late(&before, now);
        } else if self.counts() && !self.is_troubled() {
            self.tally.refreshed(now - before.refresh);
        }
    }

    /// While an outage lasts, or its recovery does.
    fn is_troubled(&self) -> bool {
        let lasts = |(n, outage): (usize, &Outage)| {
            outage.from <= self.now && self.tally.recoveries[n].took.is_none()
        };
        self.setup.outages.iter().enumerate().any(lasts)
    }

    pub fn read(&mut self, turn: &mut Turn) {
        let row = &mut self.rows[turn.row as usize];
        turn.session.looked = true;
        if !row.holds() {
            return;
        }
        row.set(mark::VERIFIED, true);
        turn.session.body = Some(BodyFacts {
            in_order: true,
            junk: false,
            token: Some(TokenFacts {
                issued_at: at_second(row.issued),
                expires_at: at_second(row.expires),
                refresh_at: at_second(row.refresh),
                roles: self.parties.roles.clone(),
            }),
        });
    }
}

/// What a reply means, in the operator's words.
fn failure(reply: Reply) -> Option<Failure> {
    let answer = |status: u16, codes: Vec<u32>, error: Option<OAuthError>| -> Verdict {
        classify(&ErrorAnswer {
            status,
            codes,
            error,
            suberror: None,
            body: BodyClass::Json,
        })
    };
    let verdict = match reply {
        Reply::Token(_) => return None,
        Reply::Throttled(_) => answer(429, Vec::new(), None),
        Reply::Unavailable => answer(503, Vec::new(), None),
        Reply::Nothing => transport(Transport::Timeout),
        Reply::Refused => answer(401, vec![7_000_222], Some(OAuthError::InvalidClient)),
    };
    let retry_after = match reply {
        Reply::Throttled(seconds) => Some(Duration::from_secs(u64::from(seconds))),
        _ => None,
    };
    Some(Failure {
        retry_after,
        ..Failure::from(verdict)
    })
}
