//! Shards: which tenants are whose. What changes hands, and when, is decided below.

use std::ops::Range;

use super::schedule;
use crate::api::LABEL_BUCKET;

pub mod agreement;
pub mod campaign;

/// Buckets are the top 8 bits of a hash.
const BUCKETS: u32 = 256;
/// Each shard has four buckets at the least: with fewer, some would serve many more tenants than others.
pub const SHARDS_MAX: u32 = 64;

/// The bucket that an object belongs to, by its UID.
#[must_use]
pub fn bucket(uid: &str) -> u8 {
    schedule::bucket(uid)
}

/// The contiguous buckets of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    range: Range<u32>,
}

impl Buckets {
    /// Of one shard of so many.
    #[must_use]
    pub const fn of(shard: u32, count: u32) -> Self {
        Self {
            range: BUCKETS * shard / count..BUCKETS * (shard + 1) / count,
        }
    }

    /// Whether an object with this UID is the shard's.
    #[must_use]
    pub fn has(&self, uid: &str) -> bool {
        self.has_bucket(bucket(uid))
    }

    /// Whether this bucket is the shard's.
    #[must_use]
    pub fn has_bucket(&self, bucket: u8) -> bool {
        self.range.contains(&u32::from(bucket))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.range
            .clone()
            .filter_map(|bucket| bucket.try_into().ok())
    }

    /// The label selector of the target Secrets.
    #[must_use]
    pub fn label_selector(&self) -> String {
        let labels: Vec<String> = self.iter().map(|bucket| format!("{bucket:02x}")).collect();
        format!("{LABEL_BUCKET} in ({})", labels.join(","))
    }

    /// Kubernetes' `shardSelector` of the tenants: literals of fewer digits are an error, though the API's own
    /// description has them; the end of all, 2^64, has one more.
    #[must_use]
    pub fn shard_selector(&self) -> String {
        let literal = |bucket: u32| format!("0x{bucket:02x}00000000000000");
        format!(
            "shardRange(object.metadata.uid, '{}', '{}')",
            literal(self.range.start),
            literal(self.range.end)
        )
    }
}

/// The bucket that a target Secret's label tells.
#[must_use]
pub fn bucket_of_label(label: &str) -> Option<u8> {
    let digits = label.len() == 2 && label.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u8::from_str_radix(label, 16).ok()).flatten()
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
