//! What is wanted of which row, and in which order rows are told.

use std::fmt;

/// The most that is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Of value ÷ floor.
    Ratio(f64),
    /// Of the value.
    Value(f64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(most) => write!(f, "ratio ≤ {most}"),
            Self::Value(most) => write!(f, "value ≤ {most}"),
        }
    }
}

/// Sizes at which a goal holds.
#[derive(Debug, Clone, Copy)]
enum Sizes {
    All,
    These(&'static [usize]),
}

/// Every row: its name, its goal, and at which sizes that holds (`QUICK` runs smaller ones, which are judged, too, where
/// size isn't the point).
const ROWS: [(&str, Option<Bound>, Sizes); 30] = {
    use Bound::{Ratio, Value};
    use Sizes::{All, These};
    const LARGE: Sizes = These(&[2000, 10_000]);
    const FULL: Sizes = These(&[10_000]);
    [
        ("converge", Some(Ratio(1.25)), LARGE),
        ("converge_cpu", Some(Ratio(1.5)), LARGE),
        ("converge_cpu_apiserver", None, All),
        ("converge_cpu_etcd", None, All),
        ("converge_cpu_emulator", None, All),
        ("converge_api_requests", None, All),
        ("converge_token_requests", None, All),
        ("refresh", Some(Ratio(1.25)), All),
        ("refresh_cpu_operator", None, All),
        ("refresh_cpu_apiserver", None, All),
        ("refresh_cpu_etcd", None, All),
        ("refresh_token_requests", Some(Value(1.0)), All),
        ("refresh_api_requests", Some(Value(2.0)), All),
        ("refresh_late", Some(Value(0.05)), All),
        ("refresh_short", Some(Value(0.0)), All),
        ("restart", Some(Value(5.0)), All),
        ("restart_mints", Some(Value(0.0)), All),
        ("restart_writes", Some(Value(0.0)), All),
        ("rss", Some(Value(48.0)), FULL),
        ("rss_peak", Some(Value(64.0)), FULL),
        ("rss_one", Some(Value(16.0)), All),
        ("growth", Some(Value(1.05)), All),
        ("isolation", Some(Ratio(1.2)), All),
        ("rotation", Some(Ratio(1.25)), All),
        ("idle_cpu", None, All),
        ("shard", Some(Ratio(0.3)), These(&[5000])),
        ("shard_cpu", Some(Ratio(0.3)), These(&[5000])),
        ("shard_local", None, All),
        ("shard_local_cpu", None, All),
        ("soak", Some(Ratio(1.05)), All),
    ]
};

/// What is wanted of a row, if anything.
pub fn goal(name: &str, n: usize) -> Option<Bound> {
    let (_, bound, sizes) = ROWS.iter().find(|row| row.0 == name)?;
    match sizes {
        Sizes::All => *bound,
        Sizes::These(sizes) => bound.filter(|_| sizes.contains(&n)),
    }
}

/// Where a row stands.
pub fn place(name: &str) -> usize {
    let found = ROWS.iter().position(|row| row.0 == name);
    found.unwrap_or(ROWS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_hold_where_they_are_meant() {
        assert_eq!(goal("converge", 2000), Some(Bound::Ratio(1.25)));
        assert_eq!(goal("converge", 500), None);
        assert_eq!(goal("restart_mints", 7), Some(Bound::Value(0.0)));
        assert_eq!(goal("nothing", 7), None);
        assert!(place("converge") < place("soak"));
        assert_eq!(place("nothing"), ROWS.len());
    }
}
