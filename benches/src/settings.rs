//! What is measured, at which sizes, how often.

use std::collections::BTreeMap;

use crate::Result;

/// Rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Until all are served, and the highest memory meanwhile.
    Converge,
}

impl Family {
    const ALL: [Self; 1] = [Self::Converge];

    /// The rows that choose it.
    const fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Converge => &["converge", "rss_peak"],
        }
    }

    const fn sizes(self) -> &'static [usize] {
        match self {
            Self::Converge => &[500, 2000, 10_000],
        }
    }

    const fn quick_sizes(self) -> &'static [usize] {
        match self {
            Self::Converge => &[500],
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

    /// How often a pair of floor and operator is measured.
    pub fn rounds(&self, _n: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }

    /// Which families at which size of the fleet, small ones first: it only grows.
    pub fn schedule(&self) -> BTreeMap<usize, Vec<Family>> {
        let mut schedule: BTreeMap<usize, Vec<Family>> = BTreeMap::new();
        for family in Family::ALL {
            let chosen = self.families.as_ref();
            if chosen.is_some_and(|chosen| !chosen.contains(&family)) {
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

fn family(row: &str) -> Result<Family> {
    let row = row.trim();
    let of = |family: &Family| {
        let names = family.rows().iter();
        names
            .max_by_key(|name| {
                if row.starts_with(**name) {
                    name.len()
                } else {
                    0
                }
            })
            .filter(|name| row.starts_with(**name))
            .map(|name| (name.len(), *family))
    };
    let found = Family::ALL.iter().filter_map(of).max();
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
