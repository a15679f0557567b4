//! Microsoft Entra as far as anybody outside can tell: latency, limits, outages. The limits are unpublished: they are
//! parameters here.

use std::collections::HashMap;

use super::setup::{Down, Lifetimes, Limit, Limits};
use crate::clock::{MILLI, Micros, SECOND};
use crate::random::Random;

/// What it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A token that lives so many seconds.
    Token(u32),
    /// 429 with this `Retry-After`.
    Throttled(u32),
    /// 503.
    Unavailable,
    /// Nothing, until the client gives up.
    Nothing,
    /// AADSTS7000222: the client secret has expired.
    Refused,
}

/// The token client's time-out (`src/entra/client.rs`).
pub const TIMEOUT: Micros = 20 * SECOND;

/// Least and mean additional time of an answer.
const LATENCY: (Micros, Micros) = (60 * MILLI, 80 * MILLI);

#[derive(Debug)]
struct Meter {
    limit: Limit,
    left: f64,
    at: Micros,
}

impl Meter {
    fn new(limit: Limit) -> Self {
        Self {
            limit,
            left: limit.burst,
            at: 0,
        }
    }

    fn admits(&mut self, now: Micros) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a run has fewer than 2^53 microseconds"
        )]
        let seconds = (now - self.at) as f64 / SECOND as f64;
        self.left = (self.left + seconds * self.limit.rate).min(self.limit.burst);
        self.at = now;
        let admits = self.left >= 1.0;
        if admits {
            self.left -= 1.0;
        }
        admits
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    pub tenant: u32,
    pub app: u16,
    pub region: u8,
    pub credential: u16,
    /// The life of this tenant's tokens, where that is the tenant's own.
    pub life: u32,
}

pub struct Entra {
    lifetimes: Lifetimes,
    limits: Limits,
    tenants: HashMap<u32, Meter>,
    apps: HashMap<u16, Meter>,
    regions: HashMap<u8, Meter>,
    random: Random,
    pub down: Option<Down>,
    /// Credentials that are dead.
    pub dead: Vec<u16>,
    /// A region that is throttled whatever comes, and its `Retry-After`.
    pub throttled: Option<(u8, u32)>,
}

impl Entra {
    pub fn new(lifetimes: Lifetimes, limits: Limits, seed: u64) -> Self {
        Self {
            lifetimes,
            limits,
            tenants: HashMap::new(),
            apps: HashMap::new(),
            regions: HashMap::new(),
            random: Random::new(seed),
            down: None,
            dead: Vec::new(),
            throttled: None,
        }
    }

    /// Its answer, and how long that takes.
    pub fn ask(&mut self, who: Question, now: Micros) -> (Reply, Micros) {
        let latency = LATENCY.0 + self.random.wait(LATENCY.1);
        let reply = match self.down {
            Some(Down::Hangs) => return (Reply::Nothing, TIMEOUT),
            Some(Down::Refuses) => Reply::Unavailable,
            None => self.judge(who, now),
        };
        (reply, latency)
    }

    fn judge(&mut self, who: Question, now: Micros) -> Reply {
        if let Some((region, wait)) = self.throttled
            && region == who.region
        {
            return Reply::Throttled(wait);
        }
        let limits = self.limits;
        let admits = |meter: Option<&mut Meter>| meter.is_none_or(|meter| meter.admits(now));
        let tenant = limits.tenant.map(|limit| {
            self.tenants
                .entry(who.tenant)
                .or_insert_with(|| Meter::new(limit))
        });
        let app = limits.app.map(|limit| {
            self.apps
                .entry(who.app)
                .or_insert_with(|| Meter::new(limit))
        });
        let region = limits.region.map(|limit| {
            self.regions
                .entry(who.region)
                .or_insert_with(|| Meter::new(limit))
        });
        if !(admits(tenant) && admits(app) && admits(region)) {
            return Reply::Throttled(limits.retry_after);
        }
        if self.dead.contains(&who.credential) {
            return Reply::Refused;
        }
        Reply::Token(self.life(who.life))
    }

    fn life(&mut self, own: u32) -> u32 {
        match self.lifetimes {
            Lifetimes::Fixed(life) => life,
            Lifetimes::EachToken(low, high) => self.random.between(low, high),
            Lifetimes::EachTenant(..) => own,
        }
    }
}
