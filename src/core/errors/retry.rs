//! When a failure is tried again: pure functions of what is persisted.

use std::time::Duration;

use super::Retry;
use crate::core::breaker;
use crate::core::reason::Reason;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Longest `Retry-After` that is believed, as in MSAL (`RetryAfterProvider`: 3600 s).
pub const MAX_RETRY_AFTER: Duration = secs(HOUR);

/// Where a throttling answer doesn't say how long, as in MSAL (`HttpStatusProvider`: 60 s).
pub const THROTTLED: Duration = secs(MINUTE);

/// Waits between the first questions for consent: they fall 1, 2, 5, 10 and 15 minutes after the beginning,
/// since an administrator who got the link tends to use it at once.
const CONSENT_STEPS: [Duration; 5] = [
    secs(MINUTE),
    secs(MINUTE),
    secs(3 * MINUTE),
    secs(5 * MINUTE),
    secs(5 * MINUTE),
];
/// Then each half hour for a day,
const CONSENT_DAY: Duration = secs(30 * MINUTE);
/// then four times a day.
const CONSENT_LATER: Duration = secs(6 * HOUR);

const TRANSIENT_FIRST: Duration = secs(5);
const TRANSIENT_LAST: Duration = secs(5 * MINUTE);

/// First and last wait of a slow retry, doubling between.
const fn slow(reason: Reason) -> (Duration, Duration) {
    match reason {
        // Gone for good, as far as anybody has seen; undeleting is possible for thirty days.
        Reason::TenantDeleted => (secs(HOUR), secs(DAY)),
        // A person must change the spec, and that asks again at once.
        Reason::TenantNotFound | Reason::WrongCloud => (secs(15 * MINUTE), secs(6 * HOUR)),
        // Time service mends a clock by itself, within minutes.
        Reason::ClockSkew => (secs(MINUTE), secs(15 * MINUTE)),
        // A purchase, a set-up or a policy: hours at the customer's, and worth an hour at most here.
        _ => (secs(10 * MINUTE), secs(HOUR)),
    }
}

/// What [`delay`] depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attempt {
    /// How it is retried.
    pub retry: Retry,
    /// Why it failed.
    pub reason: Reason,
    /// Failures in a row, this one included: 1 for the first.
    pub count: u32,
    /// Time since the first of them.
    pub elapsed: Duration,
    /// What Microsoft asked for.
    pub retry_after: Option<Duration>,
    /// 0.0 … 1.0, a pure function of the object's UID.
    pub jitter: f64,
}

/// How long to wait before the next attempt, jitter (up to a tenth) included.
#[must_use]
pub fn delay(attempt: &Attempt) -> Duration {
    let nth = attempt.count.saturating_sub(1);
    let index = usize::try_from(nth).unwrap_or(usize::MAX);
    let base = match attempt.retry {
        // A tenant of an open breaker that nobody told when its next probe is due.
        Retry::Breaker => breaker_step(index.min(breaker::STEPS.len() - 1)),
        Retry::Consent => match CONSENT_STEPS.get(index) {
            Some(step) => *step,
            None if attempt.elapsed < secs(DAY) => CONSENT_DAY,
            None => CONSENT_LATER,
        },
        Retry::Transient => doubling(TRANSIENT_FIRST, TRANSIENT_LAST, nth),
        Retry::Throttle => attempt
            .retry_after
            .map_or(THROTTLED, |asked| asked.min(MAX_RETRY_AFTER)),
        Retry::Slow => {
            let (first, last) = slow(attempt.reason);
            doubling(first, last, nth)
        }
    };
    base + base.mul_f64(share(attempt.jitter))
}

/// The longest that [`delay`] gives for a class: a persisted `nextAt` further away isn't believed.
#[must_use]
pub const fn cap(retry: Retry) -> Duration {
    let longest = match retry {
        Retry::Breaker => breaker_step(breaker::STEPS.len() - 1),
        Retry::Consent => CONSENT_LATER,
        Retry::Transient => TRANSIENT_LAST,
        Retry::Throttle => MAX_RETRY_AFTER,
        Retry::Slow => secs(DAY),
    };
    // All of them are whole multiples of ten seconds.
    secs(longest.as_secs() + longest.as_secs() / 10)
}

const fn breaker_step(index: usize) -> Duration {
    secs(breaker::STEPS[index].unsigned_abs())
}

fn doubling(first: Duration, last: Duration, nth: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(nth)).min(last)
}

/// A tenth at the most, whatever comes in.
fn share(jitter: f64) -> f64 {
    if jitter.is_finite() {
        jitter.clamp(0.0, 1.0) / 10.0
    } else {
        0.0
    }
}

/// Reads a `Retry-After` header: seconds or an HTTP date, at most an hour; nonsense is `None`.
///
/// An instant that is past is no wait at all: zero.
#[must_use]
pub fn retry_after(value: &str, now: jiff::Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // So many digits that they overflow are still a number of seconds.
        let seconds = value.parse().unwrap_or(u64::MAX);
        return Some(secs(seconds).min(MAX_RETRY_AFTER));
    }
    let until = http_date(value)?;
    let wait = Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO);
    Some(wait.min(MAX_RETRY_AFTER))
}

/// Reads an HTTP date.
#[must_use]
pub fn http_date(value: &str) -> Option<jiff::Timestamp> {
    jiff::Timestamp::try_from(httpdate::parse_http_date(value.trim()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn attempt(retry: Retry, reason: Reason, count: u32) -> Attempt {
        Attempt {
            retry,
            reason,
            count,
            elapsed: Duration::ZERO,
            retry_after: None,
            jitter: 0.0,
        }
    }

    fn waits(retry: Retry, reason: Reason, n: u32) -> Vec<u64> {
        (1..=n)
            .map(|count| delay(&attempt(retry, reason, count)).as_secs())
            .collect()
    }

    #[test]
    fn the_schedules_are_the_agreed_ones() {
        assert_eq!(
            waits(Retry::Transient, Reason::ServiceUnavailable, 8),
            [5, 10, 20, 40, 80, 160, 300, 300]
        );
        assert_eq!(
            waits(Retry::Breaker, Reason::CredentialRejected, 8),
            [30, 60, 120, 300, 600, 900, 1800, 1800]
        );
        assert_eq!(waits(Retry::Throttle, Reason::Throttled, 2), [60, 60]);
        assert_eq!(
            waits(Retry::Slow, Reason::TenantDeleted, 6),
            [3600, 7200, 14_400, 28_800, 57_600, 86_400]
        );
        assert_eq!(
            waits(Retry::Slow, Reason::TenantNotFound, 6),
            [900, 1800, 3600, 7200, 14_400, 21_600]
        );
        assert_eq!(
            waits(Retry::Slow, Reason::NotProvisioned, 4),
            [600, 1200, 2400, 3600]
        );
        assert_eq!(
            waits(Retry::Slow, Reason::ClockSkew, 5),
            [60, 120, 240, 480, 900]
        );
    }

    #[test]
    fn consent_is_asked_for_soon_then_each_half_hour_for_a_day_then_four_times_a_day() {
        let mut at = Duration::ZERO;
        let mut instants = Vec::new();
        for count in 1..70 {
            at += delay(&Attempt {
                elapsed: at,
                ..attempt(Retry::Consent, Reason::ConsentRequired, count)
            });
            instants.push(at.as_secs() / 60);
        }
        assert_eq!(instants[..7], [1, 2, 5, 10, 15, 45, 75]);
        let day = instants
            .iter()
            .position(|minute| *minute >= 24 * 60)
            .unwrap();
        assert_eq!(instants[day] - instants[day - 1], 30);
        assert_eq!(instants[day + 1] - instants[day], 360);
        assert_eq!(instants[day + 2] - instants[day + 1], 360);
    }

    #[test]
    fn a_throttled_request_waits_as_long_as_microsoft_says() {
        let throttled = attempt(Retry::Throttle, Reason::Throttled, 3);
        for (asked, waited) in [(0, 0), (7, 7), (3600, 3600), (9999, 3600)] {
            assert_eq!(
                delay(&Attempt {
                    retry_after: Some(secs(asked)),
                    ..throttled
                }),
                secs(waited)
            );
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-01T10:00:00Z".parse().unwrap();
        let cases = [
            ("60", Some(60)),
            (" 60 ", Some(60)),
            ("0", Some(0)),
            ("3600", Some(3600)),
            ("3601", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("Sun, 01 Nov 2026 10:00:30 GMT", Some(30)),
            ("Sun, 01 Nov 2026 12:00:00 GMT", Some(3600)),
            ("Sun, 01 Nov 2026 09:00:00 GMT", Some(0)),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("Sun, 99 Nov 2026 10:00:30 GMT", None),
        ];
        for (value, expected) in cases {
            assert_eq!(retry_after(value, now), expected.map(secs), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_its_cap_and_jitter_only_adds(
            retry in prop::sample::select(vec![Retry::Breaker, Retry::Consent, Retry::Transient, Retry::Throttle, Retry::Slow]),
            reason in prop::sample::select(Reason::ALL.to_vec()),
            count: u32, elapsed: u32, asked: Option<u32>, jitter: f64,
        ) {
            let one = Attempt {
                retry, reason, count,
                elapsed: secs(elapsed.into()),
                retry_after: asked.map(|s| secs(s.into())),
                jitter,
            };
            prop_assert!(delay(&one) <= cap(retry));
            let plain = delay(&Attempt { jitter: 0.0, ..one });
            prop_assert!(plain <= delay(&one));
        }

        #[test]
        fn any_retry_after_is_at_most_an_hour(value in ".{0,40}", second in -99_999_999_999_i64..99_999_999_999) {
            let now = Timestamp::from_second(second).unwrap();
            prop_assert!(retry_after(&value, now).is_none_or(|wait| wait <= MAX_RETRY_AFTER));
        }

        #[test]
        fn any_date_within_the_hour_is_kept(second in 0_u64..4_000_000_000, ahead in 0_u64..3600) {
            let date = httpdate::fmt_http_date(std::time::UNIX_EPOCH + secs(second + ahead));
            let now = Timestamp::from_second(second.try_into().unwrap()).unwrap();
            prop_assert_eq!(retry_after(&date, now), Some(secs(ahead)));
        }
    }
}
