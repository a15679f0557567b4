//! A tenant: all that cluster and operator keep of it, in a hundred bytes.

use crate::random::mix;

/// Marks of a tenant.
pub mod mark {
    /// The operator has written a status for this generation.
    pub const OBSERVED: u8 = 1;
    /// The Secret is as this process wrote or checked it.
    pub const VERIFIED: u8 = 2;
    /// The status names the Secret's version.
    pub const NAMED: u8 = 4;
    /// The proof of a fresh credential failed.
    pub const PROVING: u8 = 8;
    /// It had no token when it was created.
    pub const NEW: u8 = 16;
}

/// Seconds since the beginning of the run; 0 for "none" stands in `expires` and `told_expires` alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Row {
    /// The Secret's annotations.
    pub issued: i32,
    pub expires: i32,
    pub refresh: i32,
    /// The status' token.
    pub told_issued: i32,
    pub told_expires: i32,
    /// The status' attempt; `attempts` is 0 where there is none.
    pub attempted: i32,
    pub again: i32,
    pub life: u32,
    pub app: u16,
    pub shard: u16,
    /// The credential of the Secret, and of the attempt.
    pub by: u16,
    pub attempt_by: u16,
    pub attempts: u16,
    /// The status' error and its credential's health, by number.
    pub error: u8,
    pub health: u8,
    pub region: u8,
    pub marks: u8,
}

impl Row {
    pub const fn has(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    pub const fn set(&mut self, mark: u8, on: bool) {
        if on {
            self.marks |= mark;
        } else {
            self.marks &= !mark;
        }
    }

    /// There is a Secret with a token.
    pub const fn holds(&self) -> bool {
        self.expires != 0
    }

    /// Its token is so many seconds younger.
    pub const fn postpone(&mut self, by: i32) {
        self.issued += by;
        self.expires += by;
        self.refresh += by;
        self.told_issued += by;
        self.told_expires += by;
    }

    pub const fn clear(&mut self) {
        self.issued = 0;
        self.expires = 0;
        self.refresh = 0;
    }
}

/// The UID of the nth tenant of a run, which also serves as its tenant id.
pub fn uid(seed: u64, tenant: u32) -> uuid::Uuid {
    let high = mix(mix(seed) ^ u64::from(tenant));
    uuid::Builder::from_random_bytes(
        ((u128::from(high) << 64) | u128::from(mix(high))).to_be_bytes(),
    )
    .into_uuid()
}

/// Writes it where there is room already.
pub fn write_uid(seed: u64, tenant: u32, into: &mut String) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let written = uid(seed, tenant).hyphenated().encode_lower(&mut text);
    into.clear();
    into.push_str(written);
}
