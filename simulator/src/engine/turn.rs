//! A tenant's turn, step by step as `src/controller` does it: gather, plan, do, until there is nothing to do; then one
//! status write. What a step leads to is decided by the core; here it is only what takes time.

use std::time::Duration;

use defender_tenant_operator::core::application::choice::{Standing, choose};
use defender_tenant_operator::core::breaker::{Effect, Outcome};
use defender_tenant_operator::core::credential::Fingerprint;
use defender_tenant_operator::core::errors::{
    BodyClass, ErrorAnswer, Failure, OAuthError, Scope, Transport, Verdict, classify, transport,
};
use defender_tenant_operator::core::gate::{Admission, MintKey};
use defender_tenant_operator::core::gathered::{BodyFacts, Gathered, Minted, Session, TokenFacts};
use defender_tenant_operator::core::inspect::token_facts;
use defender_tenant_operator::core::plan::{MintWhy, Step, plan};
use defender_tenant_operator::core::queue::Dispatch;
use defender_tenant_operator::core::schedule::saturating_add;
use defender_tenant_operator::core::turn::{finish, is_superseded, is_told};
use jiff::{SignedDuration, Timestamp};

use super::entra::{Question, Reply};
use super::scratch::{Lead, Told};
use super::setup::Machines;
use super::tenant::{Row, mark};
use super::world::{Event, World};
use crate::clock::{Micros, at, second, second_of};

/// As the operator's `STEPS_MAX`.
const STEPS_MAX: usize = 16;
/// As the operator's `TROUBLED` and `PROOF_PAUSE`.
const TROUBLED: SignedDuration = SignedDuration::from_secs(30);
const PROOF_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Where a credential stands in a mint's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Chosen,
    After,
}

/// What takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
    Asking(MintKey, Place),
    Publishing,
    Retiring,
    Reading,
    Telling(Told),
}

/// A turn under way.
#[derive(Debug)]
pub struct Turn {
    row: u32,
    called: bool,
    session: Session,
    why: MintWhy,
    /// The credential that was asked with last.
    by: u16,
    asks: Vec<(u16, Place)>,
    refusal: Option<(Option<Minted>, u16)>,
    doing: Option<Doing>,
    pub reply: Option<Reply>,
    /// Work that the machine has still to do for it, the last first, and a wait after that.
    phases: Vec<(usize, Micros)>,
    wait: Micros,
}

impl World {
    /// What the gate says of an application's credentials, as the operator gathers it.
    fn lead(&mut self, row: &Row, now: Timestamp) -> Lead {
        let app = self.parties.app(row.app);
        let gate = &mut self.shards[usize::from(row.shard)].gate;
        let mut standings = [Standing::Unusable; 2];
        let count = app.fingerprints.len().min(2);
        let mut fresh = None;
        for (n, fingerprint) in app.fingerprints.iter().take(2).enumerate() {
            gate.learn(*fingerprint, app.changed_at[n], now);
            standings[n] = gate.standing(*fingerprint, now);
            let propagating = gate.health(*fingerprint)
                == defender_tenant_operator::core::breaker::Health::Propagating;
            if let (Standing::Refused(next), true, None) = (standings[n], propagating, fresh) {
                fresh = Some((n, next));
            }
        }
        let choice = choose(&standings[..count], now);
        let chosen = choice.as_ref().map_or(0, |choice| choice.chosen);
        let many = |places: Vec<usize>| {
            places
                .into_iter()
                .map(|place| app.credentials[place])
                .collect()
        };
        let fingerprint = app.fingerprints[chosen];
        let (before, after) =
            choice.map_or_else(Default::default, |c| (many(c.before), many(c.after)));
        Lead {
            chosen: app.credentials[chosen],
            before,
            after,
            fresh_again_at: fresh.filter(|(n, _)| *n < chosen).map(|(_, next)| next),
            health: gate.health(fingerprint),
            unproven: gate.is_unproven(fingerprint),
        }
    }

    /// Calls with all that a decision is made from.
    fn see<T>(
        &mut self,
        n: u32,
        session: &Session,
        look: impl FnOnce(&Gathered<'_>, &Lead) -> T,
    ) -> T {
        let now = at(self.now);
        let row = self.rows[n as usize];
        let lead = self.lead(&row, now);
        let number = self.number(n);
        self.scratch.load(number, &row, &self.parties);
        let app = self.parties.app(row.app);
        let credential = &self.parties.credential(lead.chosen).credential;
        let g = self.scratch.view(
            &lead,
            &app.application,
            credential,
            &app.fingerprints,
            session,
            self.parties.endpoints,
        );
        look(&g, &lead)
    }

    pub fn key(&self, credential: u16) -> MintKey {
        MintKey {
            fingerprint: self.parties.credential(credential).fingerprint,
            tenant: self.scratch.tenant_id,
            audience: self.parties.endpoints.audience,
        }
    }

    /// Gives a tenant its turn.
    pub fn turn(&mut self, shard: usize, dispatch: Dispatch<u32>) {
        self.tally.turns += 1;
        self.tally.used.operator += self.costs.turn;
        let turn = Turn {
            row: dispatch.key,
            called: dispatch.called,
            session: Session::default(),
            why: MintWhy::NoToken,
            by: 0,
            asks: Vec::new(),
            refusal: None,
            doing: None,
            reply: None,
            phases: Vec::new(),
            wait: 0,
        };
        self.go_on(shard, None, turn);
    }

    /// One thing that took time is over.
    pub fn done(&mut self, shard: usize, slot: u32) {
        let Some(mut turn) = self.shards[shard].turns[slot as usize].take() else {
            return;
        };
        if self.works(shard, slot, &mut turn) {
            self.shards[shard].turns[slot as usize] = Some(turn);
            return;
        }
        match turn.doing.take() {
            Some(Doing::Asking(key, place)) => self.answered(shard, &mut turn, key, place),
            Some(Doing::Publishing) => self.published(&mut turn),
            Some(Doing::Retiring) => {
                self.rows[turn.row as usize].clear();
                turn.session.retired = true;
            }
            Some(Doing::Reading) => self.read(&mut turn),
            Some(Doing::Telling(told)) => {
                self.conclude(shard, Some(slot), &turn, Some(told));
                return;
            }
            None => {}
        }
        self.go_on(shard, Some(slot), turn);
    }

    /// Plans and does, until something takes time or there is nothing to do.
    fn go_on(&mut self, shard: usize, slot: Option<u32>, mut turn: Turn) {
        for _ in 0..STEPS_MAX {
            if let Some((credential, place)) = turn.asks.pop() {
                if self.ask(shard, &mut turn, credential, place) {
                    self.keep(shard, slot, turn);
                    return;
                }
                continue;
            }
            if matches!(turn.session.minted, Some(Minted::Failed { .. })) {
                let text = self.parties.credential(turn.by).text.clone();
                if self.see(turn.row, &turn.session, |g, _| is_superseded(g, &text)) {
                    turn.session.minted = None;
                }
            }
            let now = at(self.now);
            let step = self.see(turn.row, &turn.session, |g, _| plan(g, now).step);
            match step {
                Step::Rest => {
                    self.rest(shard, slot, turn);
                    return;
                }
                Step::Mint(why) => self.mint(&mut turn, why),
                Step::Publish => {
                    self.write(shard, &mut turn, Doing::Publishing);
                    self.keep(shard, slot, turn);
                    return;
                }
                Step::Retire(_) => {
                    self.write(shard, &mut turn, Doing::Retiring);
                    self.keep(shard, slot, turn);
                    return;
                }
                Step::ReadTarget | Step::LookAtTarget => {
                    self.write(shard, &mut turn, Doing::Reading);
                    self.keep(shard, slot, turn);
                    return;
                }
                _ => {
                    self.tally.unknown += 1;
                    break;
                }
            }
        }
        self.tally.unknown += 1;
        let end = defender_tenant_operator::core::queue::Finish {
            wake_at: Some(saturating_add(at(self.now), TROUBLED)),
            ..Default::default()
        };
        self.leave(shard, slot);
        self.shards[shard].queue.finish(&turn.row, end);
    }

    /// In which order the credentials are asked with, as the operator does it.
    fn mint(&mut self, turn: &mut Turn, why: MintWhy) {
        turn.why = why;
        let alone = why == MintWhy::Proof;
        let lead = self.see(turn.row, &turn.session, |_, lead| lead.clone());
        let again = alone && !lead.unproven;
        // The last one first.
        if again {
            turn.session.not_admitted = Some(
                lead.fresh_again_at
                    .filter(|next| *next > at(self.now))
                    .or(Some(saturating_add(at(self.now), PROOF_PAUSE))),
            );
        } else {
            if !alone {
                turn.asks
                    .extend(lead.after.iter().rev().map(|after| (*after, Place::After)));
            }
            turn.asks.push((lead.chosen, Place::Chosen));
        }
        if !alone || again {
            turn.asks.extend(
                lead.before
                    .iter()
                    .rev()
                    .map(|before| (*before, Place::Before)),
            );
        }
    }

    /// Asks, if the gate lets it. `false`: nothing takes time.
    fn ask(&mut self, shard: usize, turn: &mut Turn, credential: u16, place: Place) -> bool {
        let row = self.rows[turn.row as usize];
        let number = self.number(turn.row);
        self.scratch.load(number, &row, &self.parties);
        let key = self.key(credential);
        if place == Place::After {
            turn.refusal = Some((turn.session.minted.take(), turn.by));
        }
        let called = turn.called || place != Place::Chosen;
        let now = at(self.now);
        let known = &mut self.shards[shard];
        let lane_is_empty = known.queue.lane_is_empty(key.fingerprint);
        let uid = &self.scratch.tenant.uid;
        let wait = match known.gate.admit(key, uid, called, lane_is_empty, now) {
            Admission::Go => {
                known.queue.begun(&turn.row);
                turn.by = credential;
                self.request(shard, turn, &row, credential);
                turn.doing = Some(Doing::Asking(key, place));
                return true;
            }
            Admission::Wait(until) => Some(until),
            Admission::Park => None,
        };
        match place {
            Place::Chosen => {
                turn.session.not_admitted = Some(wait);
                turn.asks.clear();
            }
            Place::Before => turn.session.minted = None,
            Place::After => self.restore(turn),
        }
        false
    }

    fn restore(&mut self, turn: &mut Turn) {
        if let Some((minted, by)) = turn.refusal.take() {
            (turn.session.minted, turn.by) = (minted, by);
        }
    }

    fn request(&mut self, shard: usize, turn: &mut Turn, row: &Row, credential: u16) {
        let now = second_of(self.now);
        self.tally.minute(self.now).requests += 1;
        let same = row.by == credential;
        if row.holds() && row.refresh > now && same && row.error == 0 {
            self.tally.undue += 1;
        }
        let question = Question {
            tenant: turn.row,
            app: row.app,
            region: row.region,
            credential,
            life: row.life,
        };
        let (reply, latency) = self.entra.ask(question, self.now);
        turn.reply = Some(reply);
        self.tally.used.operator += self.costs.mint;
        let own = self.shards[shard].host;
        let cpu = self.costs.mint + self.costs.turn;
        match self.setup.machines {
            Machines::One { .. } => {
                self.tally.used.emulator += self.costs.emulator;
                // Request and answer are the operator's, with the emulator between them.
                turn.phases = vec![
                    (own, cpu / 2),
                    (own, self.costs.emulator),
                    (own, cpu - cpu / 2),
                ];
                turn.wait = 0;
            }
            Machines::Apart { .. } => {
                turn.wait = self.hosts[own].run(self.now, cpu) - self.now + latency;
            }
        }
    }

    /// One request to the API server.
    fn write(&mut self, shard: usize, turn: &mut Turn, doing: Doing) {
        let costs = self.costs;
        let now = self.now;
        let minute = self.tally.minute(now);
        let (own, server, etcd) = match doing {
            Doing::Publishing => {
                minute.secrets += 1;
                (costs.secret, costs.server_secret, costs.etcd)
            }
            Doing::Telling(_) => {
                minute.statuses += 1;
                (costs.status, costs.server_status, costs.etcd)
            }
            _ => {
                minute.others += 1;
                (costs.secret, costs.server_other, costs.etcd)
            }
        };
        self.tally.used.operator += own;
        self.tally.used.server += server;
        self.tally.used.etcd += etcd;
        let (host, cluster) = (
            self.shards[shard].host,
            usize::from(self.shards[shard].cluster),
        );
        match self.setup.machines {
            Machines::One { .. } => {
                turn.phases = vec![(host, own), (host, etcd), (host, server)];
                turn.wait = costs.commit;
            }
            Machines::Apart { .. } => {
                let sent = self.hosts[host].run(now, own);
                turn.wait = self.hosts[cluster].run(sent, server + etcd) - now + costs.commit;
            }
        }
        turn.doing = Some(doing);
    }

    /// Puts it aside until its work is done.
    fn keep(&mut self, shard: usize, slot: Option<u32>, mut turn: Turn) {
        let known = &mut self.shards[shard];
        let slot = slot.or_else(|| known.free.pop()).unwrap_or_else(|| {
            known.turns.push(None);
            u32::try_from(known.turns.len() - 1).unwrap_or(0)
        });
        if !self.works(shard, slot, &mut turn) {
            let (shard, name) = self.name(shard, slot);
            self.schedule(self.now, Event::Done(shard, name));
        }
        self.shards[shard].turns[slot as usize] = Some(turn);
    }

    /// Begins the next piece of work, or the wait. `false`: there is none.
    fn works(&mut self, shard: usize, slot: u32, turn: &mut Turn) -> bool {
        let done = if let Some((host, cpu)) = turn.phases.pop() {
            self.hosts[host].run(self.now, cpu)
        } else if turn.wait > 0 {
            self.now + std::mem::take(&mut turn.wait)
        } else {
            return false;
        };
        let (shard, name) = self.name(shard, slot);
        self.schedule(done, Event::Done(shard, name));
        true
    }

    fn leave(&mut self, shard: usize, slot: Option<u32>) {
        if let Some(slot) = slot {
            self.shards[shard].turns[slot as usize] = None;
            self.shards[shard].free.push(slot);
        }
    }

    /// Microsoft has answered, or hasn't.
    fn answered(&mut self, shard: usize, turn: &mut Turn, key: MintKey, place: Place) {
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
            self.settled(turn);
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
            (false, _) => self.settled(turn),
            (true, Place::Before) => turn.session.minted = None,
            (true, Place::Chosen) => {}
            (true, Place::After) => self.restore(turn),
        }
    }

    /// Another credential wouldn't change it.
    fn settled(&mut self, turn: &mut Turn) {
        turn.asks.clear();
        turn.refusal = None;
        if turn.why == MintWhy::Proof {
            turn.session.not_admitted = None;
        }
    }

    fn facts(&mut self, turn: &Turn, life: u32, now: Timestamp) -> TokenFacts {
        let roles = self.parties.roles.clone();
        let expires_at = saturating_add(now, SignedDuration::from_secs(i64::from(life)));
        self.see(turn.row, &turn.session, |g, _| {
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
    fn published(&mut self, turn: &mut Turn) {
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
        } else if !self.is_troubled() {
            self.tally.refreshed(now - before.refresh);
        }
    }

    /// While an outage lasts, or its recovery does.
    fn is_troubled(&self) -> bool {
        let lasts = |(n, outage): (usize, &super::setup::Outage)| {
            outage.from <= self.now && self.tally.recoveries[n].took.is_none()
        };
        self.setup.outages.iter().enumerate().any(lasts)
    }

    fn read(&mut self, turn: &mut Turn) {
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
                issued_at: crate::clock::at_second(row.issued),
                expires_at: crate::clock::at_second(row.expires),
                refresh_at: crate::clock::at_second(row.refresh),
                roles: self.parties.roles.clone(),
            }),
        });
    }

    /// Nothing is left to do: the status, if it says anything new.
    fn rest(&mut self, shard: usize, slot: Option<u32>, mut turn: Turn) {
        let now = at(self.now);
        let row = self.rows[turn.row as usize];
        let lead = self.lead(&row, now);
        let number = self.number(turn.row);
        self.scratch.load(number, &row, &self.parties);
        let told = {
            let app = self.parties.app(row.app);
            let credential = &self.parties.credential(lead.chosen).credential;
            let g = self.scratch.view(
                &lead,
                &app.application,
                credential,
                &app.fingerprints,
                &turn.session,
                self.parties.endpoints,
            );
            is_told(&g).then(|| Told::after(&g, &row, &self.parties, now))
        };
        let told = told.map(|(told, error)| Told {
            error: error.map_or(0, |error| self.parties.number(&error)),
            ..told
        });
        match told.filter(|told| *told != Told::of(&row) || !row.has(mark::OBSERVED)) {
            Some(told) => {
                self.write(shard, &mut turn, Doing::Telling(told));
                self.keep(shard, slot, turn);
            }
            None => self.conclude(shard, slot, &turn, None),
        }
    }

    /// The turn's end.
    fn conclude(&mut self, shard: usize, slot: Option<u32>, turn: &Turn, told: Option<Told>) {
        let now = at(self.now);
        // As the operator does: by what was known before the status was written.
        let end = self.see(turn.row, &turn.session, |g, _| finish(g, None, now));
        if let Some(told) = told {
            told.write(&mut self.rows[turn.row as usize]);
        }
        self.leave(shard, slot);
        self.shards[shard].queue.finish(&turn.row, end);
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
