//! What is measured, at which sizes, how often.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;

/// Rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Until all are served, and the highest memory meanwhile.
    Converge,
    /// How that grows.
    Growth,
    /// At rest, and started again.
    Steady,
    /// What refreshes cost.
    Refresh,
    /// A credential that is mended.
    Rotation,
    /// Customers that fail beside others.
    Isolation,
    /// Refreshes in time.
    Late,
    /// Tenants shared among processes.
    Shard,
}

impl Family {
    /// In the order in which they are measured at one size: what changes the tenants comes last.
    const ALL: [Self; 8] = [
        Self::Converge,
        Self::Growth,
        Self::Steady,
        Self::Refresh,
        Self::Rotation,
        Self::Isolation,
        Self::Late,
        Self::Shard,
    ];

    /// The rows that choose it, by the beginnings of their names.
    const fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Converge => &["converge", "rss_peak"],
            Self::Growth => &["growth"],
            Self::Steady => &["rss", "rss_one", "idle_cpu", "restart"],
            Self::Refresh => &["refresh"],
            Self::Rotation => &["rotation"],
            Self::Isolation => &["isolation"],
            Self::Late => &["refresh_late", "refresh_short"],
            Self::Shard => &["shard"],
        }
    }

    const fn sizes(self) -> &'static [usize] {
        match self {
            Self::Converge => &[500, 2000, 10_000],
            Self::Growth => &[1000, 2000, 5000, 10_000, 20_000],
            Self::Steady => &[1, 1000, 10_000],
            Self::Refresh | Self::Isolation => &[2000],
            Self::Rotation => &[2000, 10_000],
            Self::Late => &[10_000],
            Self::Shard => &[5000],
        }
    }

    const fn quick_sizes(self) -> &'static [usize] {
        match self {
            Self::Converge | Self::Refresh | Self::Rotation | Self::Late => &[200],
            Self::Growth => &[200, 500],
            Self::Steady => &[1, 200],
            Self::Isolation | Self::Shard => &[500],
        }
    }
}

/// A person's choice.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Small sizes, few rounds.
    pub quick: bool,
    /// The families of chosen rows; all without a choice.
    pub families: Option<Vec<Family>>,
    /// Sizes instead of a family's own.
    pub sizes: Option<Vec<usize>>,
    /// Rounds instead of the usual number.
    pub rounds: Option<usize>,
}

impl Settings {
    /// From names of rows (`a,b`; a family is also chosen by the beginning of its rows' names) and sizes (`500,2000`).
    pub fn choose(rows: Option<&str>, sizes: Option<&str>) -> Result<Self> {
        let families = rows.map(|rows| rows.split(',').map(family).collect());
        let sizes = sizes.map(|sizes| {
            let sizes = sizes.split(',').map(|n| n.trim().parse::<usize>());
            sizes.collect::<std::result::Result<Vec<_>, _>>()
        });
        Ok(Self {
            families: families.transpose()?,
            sizes: sizes.transpose()?,
            ..Self::default()
        })
    }

    /// How often a pair of floor and operator is measured: a round of a large fleet takes three minutes.
    pub fn rounds(&self, n: usize) -> usize {
        self.times(if n > 5000 { 3 } else { 5 })
    }

    /// As often as a person wants; once if it is to be quick.
    fn times(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { usual })
    }

    /// How often a minute of refreshes is measured: with the floor's a round takes more than two.
    pub fn minutes(&self) -> usize {
        self.times(3)
    }

    /// How often an operator converges alone.
    pub fn growths(&self, n: usize) -> usize {
        self.times(if n >= 5000 { 1 } else { 2 })
    }

    /// How often a credential is mended: a round of a large fleet takes more than two minutes.
    pub fn rotations(&self, n: usize) -> usize {
        self.times(if n > 5000 { 1 } else { 5 })
    }

    /// How often the operator is started again.
    pub fn restarts(&self) -> usize {
        self.times(5)
    }

    /// Refreshes of each customer with faults, and as many without.
    pub fn phases(&self) -> usize {
        self.rounds
            .map_or(if self.quick { 1 } else { 2 }, |rounds| rounds.min(3))
    }

    /// The minute of refreshes, or of idleness.
    pub const fn window(&self) -> Duration {
        Duration::from_secs(if self.quick { 10 } else { 60 })
    }

    /// Whether a family is measured.
    pub fn is_chosen(&self, family: Family) -> bool {
        let chosen = self.families.as_ref();
        chosen.is_none_or(|chosen| chosen.contains(&family))
    }

    /// Which families at which size of the fleet, small ones first: it only grows.
    pub fn schedule(&self) -> BTreeMap<usize, Vec<Family>> {
        let mut schedule: BTreeMap<usize, Vec<Family>> = BTreeMap::new();
        for family in Family::ALL {
            if !self.is_chosen(family) {
                continue;
            }
            let own = if self.quick {
                family.quick_sizes()
            } else {
                family.sizes()
            };
            for n in self.sizes.as_deref().unwrap_or(own) {
                schedule.entry(*n).or_default().push(family);
            }
        }
        schedule
    }
}

/// The family with the row whose name is the longest beginning of this one.
fn family(row: &str) -> Result<Family> {
    let row = row.trim();
    let named = |family: &Family| {
        let names = family.rows().iter();
        let fitting = names.filter(|name| row.starts_with(**name));
        fitting
            .map(|name| name.len())
            .max()
            .map(|length| (length, *family))
    };
    let found = Family::ALL.iter().filter_map(named).max();
    found
        .map(|(_, family)| family)
        .ok_or_else(|| format!("there is no row {row}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_choose_their_family() {
        let chosen = |rows| Settings::choose(Some(rows), None).unwrap().families;
        assert_eq!(chosen("converge"), Some(vec![Family::Converge]));
        assert_eq!(chosen("converge_cpu_etcd"), Some(vec![Family::Converge]));
        assert_eq!(
            chosen("refresh,refresh_late,rss_peak,rss"),
            Some(vec![
                Family::Refresh,
                Family::Late,
                Family::Converge,
                Family::Steady
            ])
        );
        assert!(Settings::choose(Some("nothing"), None).is_err());
        assert!(Settings::choose(None, Some("many")).is_err());
    }

    #[test]
    fn the_fleet_only_grows() {
        let settings = Settings::choose(Some("converge"), Some("2000,500")).unwrap();
        let sizes: Vec<usize> = settings.schedule().into_keys().collect();
        assert_eq!(sizes, [500, 2000]);
    }
}
