//! Defender's call limits per tenant.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::roles::Api;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
/// Microsoft's documented limits: Endpoint 100 calls a minute, XDR 50, hunting 45, and 1,500 an hour of each. Graph's own
/// are not known; it has Endpoint's here.
const CALLS_A_MINUTE: u32 = 100;
const XDR_A_MINUTE: u32 = 50;
const HUNTING_A_MINUTE: u32 = 45;
const CALLS_AN_HOUR: u32 = 1500;

/// What a call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    pub(crate) api: Api,
    pub(crate) is_hunting: bool,
}

#[derive(Clone, Copy, Default)]
struct Window {
    start: i64,
    count: u32,
}

impl Window {
    /// Counts one call, or says how many seconds of this window are left.
    fn take(&mut self, limit: u32, length: i64, now: i64) -> Result<(), i64> {
        if now - self.start >= length || now < self.start {
            *self = Self {
                start: now,
                count: 0,
            };
        }
        if self.count >= limit {
            return Err(self.start + length - now);
        }
        self.count += 1;
        Ok(())
    }
}

/// Counts of every tenant that called.
#[derive(Default)]
pub(crate) struct Quota(HashMap<(Uuid, Bucket), (Window, Window)>);

impl Quota {
    /// Counts a call of the tenant; above a limit: after how many seconds to call again.
    pub(crate) fn take(&mut self, tenant: Uuid, bucket: Bucket, now: Timestamp) -> Result<(), i64> {
        let now = now.as_second();
        let (minute, hour) = self.0.entry((tenant, bucket)).or_default();
        let a_minute = match bucket.api {
            _ if bucket.is_hunting => HUNTING_A_MINUTE,
            Api::Xdr => XDR_A_MINUTE,
            Api::Endpoint | Api::Graph => CALLS_A_MINUTE,
        };
        minute.take(a_minute, MINUTE, now)?;
        hour.take(CALLS_AN_HOUR, HOUR, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Bucket = Bucket {
        api: Api::Endpoint,
        is_hunting: false,
    };
    const HUNTING: Bucket = Bucket {
        is_hunting: true,
        ..CALLS
    };
    const XDR: Bucket = Bucket {
        api: Api::Xdr,
        ..CALLS
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn allowed(quota: &mut Quota, tenant: Uuid, bucket: Bucket, second: i64) -> usize {
        (0..2000)
            .take_while(|_| quota.take(tenant, bucket, at(second)).is_ok())
            .count()
    }

    #[test]
    fn a_hundred_calls_a_minute_and_45_of_hunting_for_each_tenant() {
        let mut quota = Quota::default();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(allowed(&mut quota, one, CALLS, 0), 100);
        assert_eq!(allowed(&mut quota, two, CALLS, 0), 100);
        assert_eq!(allowed(&mut quota, one, HUNTING, 0), 45);
        assert_eq!(allowed(&mut quota, one, XDR, 0), 50);
        assert_eq!(quota.take(one, CALLS, at(40)), Err(20));
        assert_eq!(allowed(&mut quota, one, CALLS, 60), 100);
    }

    #[test]
    fn fifteen_hundred_calls_an_hour() {
        let mut quota = Quota::default();
        let tenant = Uuid::from_u128(1);
        let calls: usize = (0..20)
            .map(|minute| allowed(&mut quota, tenant, CALLS, minute * 60))
            .sum();
        assert_eq!(calls, 1500);
        assert_eq!(quota.take(tenant, CALLS, at(1200)), Err(2400));
        assert_eq!(allowed(&mut quota, tenant, CALLS, 3600), 100);
    }
}
