//! What a decision is made from, as the operator gathers it.

use defender_tenant_operator::core::application::choice::{Standing, choose};
use defender_tenant_operator::core::breaker::Health;
use defender_tenant_operator::core::gate::MintKey;
use defender_tenant_operator::core::gathered::{Gathered, Session};
use jiff::Timestamp;

use super::parties::Parties;
use super::scratch::Lead;
use super::tenant::Row;
use super::world::World;
use crate::clock::at;

impl World {
    /// What the gate says of an application's credentials, as the operator gathers it.
    pub fn lead(&mut self, row: &Row, now: Timestamp) -> Lead {
        let app = self.parties.app(row.app);
        let gate = &mut self.shards[usize::from(row.shard)].gate;
        let mut standings = [Standing::Unusable; 2];
        let count = app.fingerprints.len().min(2);
        let mut fresh = None;
        for (n, fingerprint) in app.fingerprints.iter().take(2).enumerate() {
            gate.learn(*fingerprint, app.changed_at[n], now);
            standings[n] = gate.standing(*fingerprint, now);
            let propagating = gate.health(*fingerprint) == Health::Propagating;
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
    pub fn see<T>(
        &mut self,
        n: u32,
        session: &Session,
        look: impl FnOnce(&Gathered<'_>, &Lead, &Parties) -> T,
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
        look(&g, &lead, &self.parties)
    }

    pub fn key(&self, credential: u16) -> MintKey {
        MintKey {
            fingerprint: self.parties.credential(credential).fingerprint,
            tenant: self.scratch.tenant_id,
            audience: self.parties.endpoints.audience,
        }
    }
}
