//! The virtual clock: microseconds since the beginning of a run.

use jiff::Timestamp;

/// Microseconds since the beginning of a run.
pub type Micros = i64;

pub const MILLI: Micros = 1_000;
pub const SECOND: Micros = 1_000_000;
pub const MINUTE: Micros = 60 * SECOND;
pub const HOUR: Micros = 60 * MINUTE;
pub const DAY: Micros = 24 * HOUR;

/// The beginning, in seconds of Unix time: some day, so that the core's types have their usual values.
const EPOCH: i64 = 1_790_000_000;

/// The instant as the core knows it.
pub fn at(micros: Micros) -> Timestamp {
    Timestamp::from_microsecond(EPOCH * SECOND + micros).unwrap_or(Timestamp::MAX)
}

/// A whole second as the core knows it.
pub fn at_second(second: i32) -> Timestamp {
    Timestamp::from_second(EPOCH + i64::from(second)).unwrap_or(Timestamp::MAX)
}

/// Rounded up: who waits until then finds it come.
pub fn micros(at: Timestamp) -> Micros {
    let part = i64::from(at.subsec_nanosecond());
    (at.as_second() - EPOCH) * SECOND + part.div_euclid(1_000) + i64::from(part % 1_000 > 0)
}

/// The whole second of an instant.
pub fn second(at: Timestamp) -> i32 {
    i32::try_from(at.as_second() - EPOCH).unwrap_or(i32::MAX)
}

/// The whole second that an instant is in.
pub fn second_of(micros: Micros) -> i32 {
    i32::try_from(micros.div_euclid(SECOND)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_agree_and_rounding_never_comes_too_early() {
        assert_eq!(micros(at(1_234_567)), 1_234_567);
        assert_eq!(at_second(7), at(7 * SECOND));
        assert_eq!((second(at(7_999_999)), second_of(7_999_999)), (7, 7));
        let between = at(5) + jiff::SignedDuration::from_nanos(1);
        assert_eq!(micros(between), 6);
    }
}
