//! When a token is renewed.

use jiff::{SignedDuration, Timestamp};

/// What decides the instant, beside the token itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// What the Secret's token has left at the least (`spec.refresh.minRemainingSeconds`).
    pub min_remaining: SignedDuration,
    /// Pays for the mint itself (`--refresh-margin`).
    pub margin: SignedDuration,
}

/// FNV-1a over the text: the hash of Kubernetes' shard selectors, so that buckets and shards agree.
#[must_use]
pub fn fnv1a_64(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The bucket of an object: the top 8 bits of its UID's hash.
#[must_use]
pub fn bucket(uid: &str) -> u8 {
    fnv1a_64(uid).to_be_bytes()[0]
}

/// The bucket as it stands in the label: two hexadecimal digits.
#[must_use]
pub fn bucket_label(uid: &str) -> String {
    format!("{:02x}", bucket(uid))
}

/// A fraction of one that is the object's own and never changes, in steps of 1/65536.
/// Taken from the hash's low bits: those of the top are the bucket, and would give a shard one jitter.
#[must_use]
pub fn jitter_fraction(uid: &str) -> f64 {
    let low = fnv1a_64(uid).to_be_bytes();
    f64::from(u16::from_be_bytes([low[6], low[7]])) / 65_536.0
}

/// When a token with this life is renewed: late enough to cost little, early enough to leave
/// `min_remaining` in the Secret whatever the jitter.
///
/// `max(issued + L/2, min(expiry − max(L/3, minRemaining + margin), issued + refresh_in) − jitter)`
#[must_use]
pub fn refresh_at(
    issued: Timestamp,
    expires: Timestamp,
    refresh_in: Option<SignedDuration>,
    policy: RefreshPolicy,
    uid: &str,
) -> Timestamp {
    let life = expires.duration_since(issued).max(SignedDuration::ZERO);
    let lead = (life / 3).max(policy.min_remaining + policy.margin);
    let mut due = saturating_sub(expires, lead);
    if let Some(asked) = refresh_in {
        due = due.min(saturating_add(issued, asked));
    }
    let jitter = (life / 10).mul_f64(jitter_fraction(uid));
    let at = saturating_sub(due, jitter).max(saturating_add(issued, life / 2));
    // Annotations and status keep whole seconds.
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The token lives so shortly that renewing at half its life leaves less than `min_remaining`.
#[must_use]
pub fn lifetime_too_short(
    issued: Timestamp,
    expires: Timestamp,
    min_remaining: SignedDuration,
) -> bool {
    expires.duration_since(issued) / 2 < min_remaining
}

/// `t + d`, at the end of time at the latest.
#[must_use]
pub fn saturating_add(t: Timestamp, d: SignedDuration) -> Timestamp {
    t.saturating_add(d).unwrap_or(Timestamp::MAX)
}

/// `t - d`, at the beginning of time at the earliest.
#[must_use]
pub fn saturating_sub(t: Timestamp, d: SignedDuration) -> Timestamp {
    t.saturating_sub(d).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    const POLICY: RefreshPolicy = RefreshPolicy {
        min_remaining: SignedDuration::from_secs(600),
        margin: SignedDuration::from_secs(120),
    };

    /// The low 16 bits of this UID's hash are looked up, so that the expected instants stay exact.
    const UID: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";

    #[test]
    fn the_hash_is_fnv_1a() {
        // Vectors of the FNV reference code.
        assert_eq!(fnv1a_64(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a_64("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a_64("foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(bucket_label("foobar"), "85");
    }

    #[test]
    fn an_hour_is_renewed_a_third_before_its_end() {
        let jitter = SignedDuration::from_secs(360).mul_f64(jitter_fraction(UID));
        let expected = at(2400).saturating_sub(jitter).unwrap();
        let got = refresh_at(at(0), at(3600), None, POLICY, UID);
        assert_eq!(got.as_second(), expected.as_second());
    }

    #[test]
    fn min_remaining_moves_the_instant_forward_but_never_before_half_the_life() {
        let policy = RefreshPolicy {
            min_remaining: SignedDuration::from_secs(1700),
            ..POLICY
        };
        assert_eq!(refresh_at(at(0), at(3600), None, policy, UID), at(1800));
        assert!(lifetime_too_short(
            at(0),
            at(3600),
            SignedDuration::from_secs(1801)
        ));
        assert!(!lifetime_too_short(
            at(0),
            at(3600),
            SignedDuration::from_secs(1800)
        ));
    }

    #[test]
    fn refresh_in_is_heard() {
        let asked = Some(SignedDuration::from_secs(43_200));
        let got = refresh_at(at(0), at(86_400), asked, POLICY, UID);
        assert!(got <= at(43_200) && got >= at(43_200 - 8_640), "{got}");
        let without = refresh_at(at(0), at(86_400), None, POLICY, UID);
        assert!(without > at(43_200), "{without}");
    }

    proptest! {
        #[test]
        fn the_promise_holds_for_every_life(
            life in 1_i64..90_000, min in 5_i64..43_200, margin in 0_i64..600, asked in proptest::option::of(0_i64..90_000), uid in "[0-9a-f]{8}-[0-9a-f]{4}"
        ) {
            let policy = RefreshPolicy {
                min_remaining: SignedDuration::from_secs(min),
                margin: SignedDuration::from_secs(margin),
            };
            let asked = asked.map(SignedDuration::from_secs);
            let due = refresh_at(at(0), at(life), asked, policy, &uid);
            prop_assert!(due <= at(life));
            // Half the life (in whole seconds) is never spent on a token that was just minted.
            prop_assert!(due.as_second() >= at(0).as_second() + life / 2);
            if !lifetime_too_short(at(0), at(life), SignedDuration::from_secs(min + margin)) {
                prop_assert!(at(life).duration_since(due) >= SignedDuration::from_secs(min));
            }
            prop_assert_eq!(due, refresh_at(at(0), at(life), asked, policy, &uid));
        }
    }
}
