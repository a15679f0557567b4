//! The store that all processes share: every write over exactly what was seen.

use super::*;

impl Sim {
    fn version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    pub(super) fn serve(&mut self, order: Order) -> Answer {
        match order {
            Order::Look(shard) => Answer::Looked(shard, Ok(self.leases.get(&shard).cloned())),
            Order::LookAtCount => Answer::Counted(Ok(self.agreed.clone())),
            Order::Claim(shard, claim) => {
                let seen = self
                    .leases
                    .get(&shard)
                    .map(|standing| standing.version.clone());
                let outcome = match (&seen, &claim.over) {
                    (None, Some(_)) => Claimed::NotFound,
                    (seen, over) if seen == over => {
                        let version = self.version();
                        let standing = Standing {
                            record: claim.record.clone(),
                            version: version.clone(),
                            wanted_by: claim.wanted_by.clone(),
                        };
                        self.leases.insert(shard, standing);
                        Claimed::Accepted(version)
                    }
                    _ => Claimed::Conflict,
                };
                Answer::Claimed(shard, claim, outcome)
            }
            Order::Propose(proposal) => {
                let outcome = if proposal.over == self.agreed.version {
                    let version = self.version();
                    self.agreed = Agreed {
                        agreement: proposal.agreement,
                        version: Some(version.clone()),
                    };
                    if self.counts.last() != Some(&proposal.agreement.count) {
                        self.counts.push(proposal.agreement.count);
                    }
                    Claimed::Accepted(version)
                } else {
                    Claimed::Conflict
                };
                Answer::Proposed(proposal, outcome)
            }
        }
    }
}
