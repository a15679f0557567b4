//! How fast one credential may ask: a token bucket, halved where Microsoft throttles several of its tenants.

use jiff::{SignedDuration, Timestamp};

use super::ids::TenantId;
use super::schedule::{saturating_add, saturating_sub};

/// Never slower than this, in requests a second.
pub const FLOOR: f64 = 5.0;

/// So many distinct tenants throttled within [`WINDOW`] mean the credential, not the tenants.
const DISTINCT: usize = 3;
const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// As long as a smaller share of the answers than this says so, Microsoft throttles tenants (a region, say) and not the credential.
/// At a limit of the credential's own that is a little above what is asked for, the few who are throttled come again.
const THROTTLED_SHARE: f64 = 0.5;

/// Each [`RECOVER_EVERY`] without another halving gives this share of the full rate back.
const RECOVER_SHARE: f64 = 0.05;
const RECOVER_EVERY: SignedDuration = SignedDuration::from_secs(10);

/// A token bucket that holds a tenth of a second's requests, one at the least.
#[derive(Debug)]
pub struct Bucket {
    ceiling: f64,
    rate: f64,
    tokens: f64,
    filled_at: Timestamp,
    slowed_at: Timestamp,
    throttled: Vec<(TenantId, Timestamp)>,
    /// Answers of about the last [`WINDOW`]: tokens, and all of them; each counts less the older it is.
    answers: (f64, f64),
    answered_at: Timestamp,
}

impl Bucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: f64, now: Timestamp) -> Self {
        let mut bucket = Self {
            ceiling: rate,
            rate,
            tokens: 0.0,
            filled_at: now,
            slowed_at: now,
            throttled: Vec::new(),
            answers: (0.0, 0.0),
            answered_at: now,
        };
        bucket.tokens = bucket.size();
        bucket
    }

    /// Another full rate from now on. A rate that is slowed down stays so, in proportion.
    pub fn set_ceiling(&mut self, ceiling: f64, now: Timestamp) {
        self.fill(now);
        self.rate *= ceiling / self.ceiling;
        self.ceiling = ceiling;
        self.tokens = self.tokens.min(self.size());
    }

    fn size(&self) -> f64 {
        (self.rate / 10.0).max(1.0)
    }

    /// The rate in force.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    fn fill(&mut self, now: Timestamp) {
        self.recover(now);
        let seconds = now.duration_since(self.filled_at).as_secs_f64();
        // A clock that was set back must not take requests away for long: time counts again from there.
        self.tokens = (self.tokens + seconds.max(0.0) * self.rate).min(self.size());
        self.filled_at = now;
    }

    fn recover(&mut self, now: Timestamp) {
        // Set back: the wait begins anew.
        self.slowed_at = self.slowed_at.min(now);
        while self.rate < self.ceiling && now.duration_since(self.slowed_at) >= RECOVER_EVERY {
            self.rate = (self.rate + self.ceiling * RECOVER_SHARE).min(self.ceiling);
            self.slowed_at = saturating_add(self.slowed_at, RECOVER_EVERY);
        }
    }

    fn have(&self, now: Timestamp) -> f64 {
        let seconds = now.duration_since(self.filled_at).as_secs_f64();
        self.tokens + seconds.max(0.0) * self.rate
    }

    /// How many requests may begin at once.
    #[must_use]
    pub fn available(&self, now: Timestamp) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number is asked for; it is never negative"
        )]
        let whole = self.have(now).min(self.size()) as usize;
        whole
    }

    /// Takes one request, or says when there is one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(self.next_at(now))
    }

    /// When a request is there at the soonest.
    #[must_use]
    pub fn next_at(&self, now: Timestamp) -> Timestamp {
        if now < self.filled_at {
            // The clock was set back. Only taking makes time count again, so somebody must come and try.
            return now;
        }
        let have = self.have(now);
        if have >= 1.0 {
            return now;
        }
        // Rounded up, so that the one who waits finds it there.
        let wait = SignedDuration::from_secs_f64((1.0 - have) / self.rate)
            + SignedDuration::from_micros(1);
        saturating_add(now, wait)
    }

    /// Microsoft gave a token.
    pub fn accepted(&mut self, now: Timestamp) {
        self.answered(1.0, now);
    }

    fn answered(&mut self, token: f64, now: Timestamp) {
        let age = now.duration_since(self.answered_at).as_secs_f64();
        let weight = (-age.max(0.0) / WINDOW.as_secs_f64()).exp();
        self.answers.0 = self.answers.0 * weight + token;
        self.answers.1 = self.answers.1 * weight + 1.0;
        self.answered_at = now;
    }

    /// Microsoft throttled this tenant.
    pub fn throttled(&mut self, tenant: TenantId, now: Timestamp) {
        let since = saturating_sub(now, WINDOW);
        self.throttled
            .retain(|(other, at)| *at > since && *other != tenant);
        self.throttled.push((tenant, now));
        self.answered(0.0, now);
        let (tokens, all) = self.answers;
        let many = all - tokens >= THROTTLED_SHARE * all;
        if self.throttled.len() >= DISTINCT && many {
            self.fill(now);
            self.rate = (self.rate / 2.0).max(FLOOR.min(self.ceiling));
            self.tokens = self.tokens.min(self.size());
            self.slowed_at = now;
            // The next halving needs three tenants, and answers, of its own.
            self.throttled.clear();
            self.answers = (0.0, 0.0);
        } else if self.throttled.len() > DISTINCT {
            self.throttled.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_share_keeps_what_was_slowed_down() {
        let mut bucket = Bucket::new(100.0, at(0));
        bucket.set_ceiling(50.0, at(0));
        assert!((bucket.rate() - 50.0).abs() < 1e-9);
        assert_eq!(bucket.available(at(0)), 5);
        for n in 1..=3 {
            bucket.throttled(tenant(n), at(0));
        }
        assert!((bucket.rate() - 25.0).abs() < 1e-9);
        bucket.set_ceiling(100.0, at(0));
        assert!((bucket.rate() - 50.0).abs() < 1e-9);
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
    }

    fn tenant(n: u8) -> TenantId {
        format!("6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e{n:02x}")
            .parse()
            .unwrap()
    }

    fn count(bucket: &mut Bucket, from: i64, to: i64) -> usize {
        (from..to).filter(|ms| bucket.take(at(*ms)).is_ok()).count()
    }

    #[test]
    fn the_rate_is_kept_and_the_wait_is_exact() {
        let mut bucket = Bucket::new(500.0, at(0));
        // 50 at once, then one each 2 ms.
        assert_eq!((0..60).filter(|_| bucket.take(at(0)).is_ok()).count(), 50);
        assert_eq!(bucket.available(at(0)), 0);
        let next = bucket.take(at(0)).unwrap_err();
        assert_eq!(bucket.available(next), 1);
        assert!(bucket.take(next).is_ok());
        assert!(bucket.take(next).is_err());
        assert_eq!(count(&mut bucket, 10, 1_010), 503);
        assert_eq!(bucket.available(at(9_000)), 50);
    }

    #[test]
    fn three_throttled_tenants_in_a_minute_halve_the_rate_and_two_do_not() {
        let mut bucket = Bucket::new(500.0, at(0));
        bucket.throttled(tenant(1), at(0));
        bucket.throttled(tenant(1), at(1));
        bucket.throttled(tenant(2), at(2));
        assert!((bucket.rate() - 500.0).abs() < 0.1);
        bucket.throttled(tenant(3), at(61_000));
        assert!(
            (bucket.rate() - 500.0).abs() < 0.1,
            "the first two are older than a minute"
        );
        bucket.throttled(tenant(4), at(61_001));
        bucket.throttled(tenant(5), at(61_002));
        assert!((bucket.rate() - 250.0).abs() < 0.1);
    }

    #[test]
    fn the_rate_comes_back_additively_and_has_a_floor() {
        let mut bucket = Bucket::new(40.0, at(0));
        for round in 0..9 {
            for n in 0..3 {
                bucket.throttled(tenant(round * 3 + n), at(0));
            }
        }
        assert!((bucket.rate() - FLOOR).abs() < 0.1);
        let _ = bucket.take(at(10_000));
        assert!((bucket.rate() - 7.0).abs() < 0.1);
        let _ = bucket.take(at(20_000));
        assert!((bucket.rate() - 9.0).abs() < 0.1);
        let _ = bucket.take(at(1_000_000));
        assert!((bucket.rate() - 40.0).abs() < 0.1);
    }

    #[test]
    fn tenants_throttled_among_many_that_are_not_slow_nobody_down() {
        let slowed = |every: u8| {
            let mut bucket = Bucket::new(40.0, at(0));
            for n in 0..30 {
                for _ in 0..if n % every == 0 { 2 } else { 0 } {
                    bucket.accepted(at(i64::from(n) * 100));
                }
                bucket.throttled(tenant(n), at(i64::from(n) * 100));
            }
            (bucket.rate(), bucket.throttled.len())
        };
        assert_eq!(
            slowed(1),
            (40.0, DISTINCT),
            "two tokens for each that is throttled"
        );
        assert!(slowed(4).0 < 39.0, "one for two");
        let mut bucket = Bucket::new(40.0, at(0));
        for _ in 0..1_000 {
            bucket.accepted(at(0));
        }
        for n in 0..3 {
            bucket.throttled(tenant(n), at(600_000));
        }
        assert!(
            (bucket.rate() - 20.0).abs() < 0.1,
            "ten minutes ago is long ago"
        );
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_stop_the_bucket() {
        let mut bucket = Bucket::new(10.0, at(7_200_000));
        assert!(bucket.take(at(7_200_000)).is_ok());
        assert!(bucket.take(at(0)).is_err());
        assert!(bucket.take(at(200)).is_ok());
    }
}
