//! What the operator does, as the audit log tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::Result;
use crate::audit::{Audit, Request};
use crate::lab::Lab;
use crate::lab::fleet::Due;
use crate::lab::operator::{AGENT, Operator, metric};

/// How often the audit log is read.
pub const LOOK: Duration = Duration::from_millis(100);
/// So long nothing is asked before a round counts as ended; CPU is read then.
pub const QUIET: Duration = Duration::from_secs(1);
/// A refresh isn't earlier than its instant by more than this: an earlier write belongs to the instant before.
const EARLY: i64 = 2;

/// The operator's requests as they come.
pub struct Watched {
    audit: Audit,
    /// All of them.
    pub requests: Vec<Request>,
    /// Secrets that were written.
    pub secrets: BTreeSet<String>,
    /// Tenants whose status was written.
    pub statuses: BTreeSet<String>,
    changed: Instant,
}

impl Watched {
    /// From now on.
    pub fn new(lab: &Lab) -> Result<Self> {
        Ok(Self {
            audit: lab.audit()?,
            requests: Vec::new(),
            secrets: BTreeSet::new(),
            statuses: BTreeSet::new(),
            changed: Instant::now(),
        })
    }

    /// Reads on.
    pub fn look(&mut self) -> Result<()> {
        let more = self.audit.more(AGENT)?;
        for request in more.iter().filter(|request| request.is_ok()) {
            if request.is_status() {
                self.statuses.insert(request.object.clone());
            } else if request.resource == "secrets" && request.is_write() {
                self.secrets.insert(request.object.clone());
            }
        }
        if more.iter().any(Request::is_counted) {
            self.changed = Instant::now();
        }
        self.requests.extend(more);
        Ok(())
    }

    /// Nothing was asked for a while.
    pub fn is_quiet(&self) -> bool {
        self.changed.elapsed() >= QUIET
    }

    /// Reads on until something is so and nothing is asked any more.
    pub async fn until(
        &mut self,
        what: &str,
        operator: &mut Operator,
        patience: Duration,
        is_so: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        while !(is_so(self) && self.is_quiet()) {
            operator.check()?;
            if started.elapsed() > patience {
                let (secrets, statuses) = (self.secrets.len(), self.statuses.len());
                return Err(format!(
                    "not {what}: {secrets} Secrets and {statuses} statuses written"
                )
                .into());
            }
            tokio::time::sleep(LOOK).await;
            self.look()?;
        }
        Ok(())
    }

    /// Reads on until something is so, or long enough.
    pub async fn wait(
        &mut self,
        operator: &mut Operator,
        patience: Duration,
        is_so: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let started = Instant::now();
        while !is_so(self) && started.elapsed() < patience {
            operator.check()?;
            // What is asked of thousands of requests takes its time, which isn't to be the operator's.
            tokio::time::sleep(10 * LOOK).await;
            self.look()?;
        }
        Ok(())
    }

    /// Every one of so many tenants has got a Secret and a status.
    pub fn has_served(&self, n: usize) -> bool {
        self.secrets.len() >= n && self.statuses.len() >= n
    }

    /// Requests that count.
    pub fn counted(&self) -> usize {
        self.requests.iter().filter(|r| r.is_counted()).count()
    }

    /// Writes that aren't heartbeats.
    pub fn writes(&self) -> usize {
        self.requests.iter().filter(|r| r.is_write()).count()
    }

    /// The instant of the last accepted write.
    pub fn last_write(&self) -> Option<Timestamp> {
        let writes = self.requests.iter().filter(|r| r.is_write() && r.is_ok());
        writes.map(|request| request.at).max()
    }

    /// The instant of the last request.
    pub fn last(&self) -> Option<Timestamp> {
        let counted = self.requests.iter().filter(|r| r.is_counted());
        counted.map(|request| request.at).max()
    }

    /// By Secret, how many seconds after its instant it was renewed.
    pub fn lateness(&self, dues: &BTreeMap<String, Due>) -> BTreeMap<String, f64> {
        lateness(&self.requests, dues)
    }
}

fn lateness(requests: &[Request], dues: &BTreeMap<String, Due>) -> BTreeMap<String, f64> {
    let mut late = BTreeMap::new();
    let renewals = requests
        .iter()
        .filter(|r| r.resource == "secrets" && r.verb == "patch" && r.is_ok());
    for request in renewals {
        let Some(due) = dues.get(&request.object) else {
            continue;
        };
        if request.at.as_second() >= due.refresh.as_second() - EARLY {
            late.entry(request.object.clone())
                .or_insert_with(|| crate::floor::seconds(due.refresh, request.at));
        }
    }
    late
}

/// Waits until the operator knows `n` tenants and has nothing to do; the instant when it was seen so.
pub async fn idle(operator: &mut Operator, n: usize, patience: Duration) -> Result<Timestamp> {
    let started = Instant::now();
    loop {
        operator.check()?;
        let metrics = operator.metrics().await?;
        #[expect(clippy::cast_precision_loss, reason = "tens of thousands")]
        let all = metric(&metrics, "defender_tenant_tenants{") >= n as f64;
        if all && metric(&metrics, "defender_tenant_queue_depth{") == 0.0 {
            return Ok(Timestamp::now());
        }
        if started.elapsed() > patience {
            return Err("the operator doesn't come to rest".into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(object: &str, at: i64) -> Request {
        Request {
            agent: AGENT.to_owned(),
            verb: "patch".to_owned(),
            resource: "secrets".to_owned(),
            object: object.to_owned(),
            code: 200,
            at: Timestamp::from_second(at).unwrap(),
        }
    }

    #[test]
    fn a_renewal_belongs_to_the_instant_that_it_follows() {
        let due = |at| Due {
            refresh: Timestamp::from_second(at).unwrap(),
            expires: Timestamp::from_second(at + 100).unwrap(),
        };
        let dues = BTreeMap::from([("a".to_owned(), due(100)), ("b".to_owned(), due(200))]);
        // The one at 90 was under way when the instants were read; the second one of a is a later round's.
        let requests = [
            patch("a", 90),
            patch("a", 103),
            patch("b", 199),
            patch("a", 150),
            patch("c", 1),
        ];
        let late = lateness(&requests, &dues);
        assert_eq!(
            late,
            BTreeMap::from([("a".to_owned(), 3.0), ("b".to_owned(), -1.0)])
        );
    }
}
