//! From a report of the bench to a calibration.

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::predict::{PREDICTED, converge};

/// A row of the bench's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub name: String,
    pub n: Option<u64>,
    pub value: f64,
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub floor: Option<f64>,
    #[serde(default)]
    pub ratio: Option<f64>,
}

/// Why a report can't be fitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the report has no row {} for a size other than 2,000 and 10,000, which are predicted",
            self.0
        )
    }
}

struct Rows<'a> {
    rows: &'a [Row],
    used: Vec<(String, u64)>,
}

impl Rows<'_> {
    /// Rows that may be fitted; of several reports the median a size.
    fn of(&mut self, name: &'static str) -> Result<Vec<(f64, f64)>, Missing> {
        let mut sizes: Vec<u64> = self
            .rows
            .iter()
            .filter(|row| row.name == name)
            .filter_map(|row| row.n)
            .filter(|n| !PREDICTED.contains(n))
            .collect();
        sizes.sort_unstable();
        sizes.dedup();
        let found: Vec<_> = sizes
            .into_iter()
            .filter_map(|n| {
                self.used.push((name.to_owned(), n));
                Some((size(n), median(self.rows, name, n)?))
            })
            .collect();
        if found.is_empty() {
            return Err(Missing(name));
        }
        Ok(found)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a million at the most")]
pub const fn size(n: u64) -> f64 {
    n as f64
}

pub fn median(rows: &[Row], name: &str, n: u64) -> Option<f64> {
    let mut values: Vec<f64> = rows
        .iter()
        .filter(|row| row.name == name && row.n == Some(n))
        .map(|row| row.value)
        .collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Least squares: what each costs, and what it costs once. With one size nothing is taken to be spent once.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.iter().map(|_| 1.0).sum::<f64>();
    let mean = |get: fn(&(f64, f64)) -> f64| points.iter().map(get).sum::<f64>() / count;
    let (mean_n, mean_value) = (mean(|p| p.0), mean(|p| p.1));
    let spread: f64 = points.iter().map(|(n, _)| (n - mean_n).powi(2)).sum();
    if spread <= 0.0 {
        return (mean_value / mean_n, 0.0);
    }
    let common: f64 = points
        .iter()
        .map(|(n, v)| (n - mean_n) * (v - mean_value))
        .sum();
    let each = common / spread;
    let once = mean_value - each * mean_n;
    if once < 0.0 {
        // Nothing costs less than nothing: through the origin.
        let squares: f64 = points.iter().map(|(n, _)| n * n).sum();
        return (
            points.iter().map(|(n, v)| n * v).sum::<f64>() / squares,
            0.0,
        );
    }
    (each, once)
}

/// Fits. `machine`: on what it was measured; `known`: where what the bench doesn't measure comes from.
pub fn fit(rows: &[Row], machine: &str, known: &Calibration) -> Result<Calibration, Missing> {
    let mut rows = Rows {
        rows,
        used: Vec::new(),
    };
    let mut each = |name| rows.of(name).map(|points| line(&points).0 * 1_000.0);
    let mut fitted = Calibration {
        placeholder: false,
        machine: machine.to_owned(),
        operator: each("converge_cpu")?,
        server: each("converge_cpu_apiserver")?,
        etcd: each("converge_cpu_etcd")?,
        emulator: each("converge_cpu_emulator")?,
        ..known.clone()
    };
    let mut assumed = Vec::new();
    let mut refresh = |name: &'static str, first: f64| {
        let points = rows.of(name);
        let cost = points
            .as_ref()
            .map_or(0.0, |points| line(points).0 * 1_000.0);
        if cost > 0.0 {
            return cost;
        }
        // A row that makes no sense isn't one that was fitted to.
        rows.used.retain(|(used, _)| used != name);
        assumed.push((name.to_owned(), "what a first token costs".to_owned()));
        first
    };
    fitted.refresh_operator = refresh("refresh_cpu_operator", fitted.operator);
    fitted.refresh_server = refresh("refresh_cpu_apiserver", fitted.server);
    fitted.refresh_etcd = refresh("refresh_cpu_etcd", fitted.etcd);
    fitted.assumed = assumed;
    memory(&mut fitted, &mut rows);
    let walls = rows.of("converge")?;
    wall(&mut fitted, &walls);
    fitted.fitted = rows.used;
    Ok(fitted)
}

/// Memory is no prediction of this model: what was measured is taken, at all sizes.
fn memory(fitted: &mut Calibration, rows: &mut Rows<'_>) {
    let mut points: Vec<(u64, f64)> = Vec::new();
    for name in ["rss_one", "rss"] {
        let known = rows.rows.iter().filter(|row| row.name == name);
        let mut sizes: Vec<u64> = known.filter_map(|row| row.n).collect();
        sizes.sort_unstable();
        sizes.dedup();
        for n in sizes {
            points.extend(median(rows.rows, name, n).map(|value| (n, value)));
            rows.used.push((name.to_owned(), n));
        }
    }
    let points: Vec<_> = points.into_iter().map(|(n, v)| (size(n), v)).collect();
    match points[..] {
        [] => {}
        [(n, value)] => fitted.memory_tenant = (value - fitted.memory_base) * 1_024.0 / n,
        _ => {
            let (each, once) = line(&points);
            (fitted.memory_base, fitted.memory_tenant) = (once, each * 1_024.0);
        }
    }
}

/// What wall clocks tell: the start, and with two sizes the share that no account shows.
fn wall(fitted: &mut Calibration, walls: &[(f64, f64)]) {
    let bare = Calibration {
        start_seconds: 0.0,
        ..fitted.clone()
    };
    let misses = |unaccounted: f64| -> (f64, f64) {
        let model = Calibration {
            unaccounted,
            ..bare.clone()
        };
        let gaps: Vec<f64> = walls
            .iter()
            .map(|(n, value)| value - converge(&model, *n))
            .collect();
        let start = (gaps.iter().sum::<f64>() / gaps.iter().map(|_| 1.0).sum::<f64>()).max(0.0);
        let miss = walls
            .iter()
            .zip(&gaps)
            .map(|((_, value), gap)| ((gap - start) / value).powi(2))
            .sum();
        (miss, start)
    };
    let share = if walls.len() > 1 {
        let steps = (0..=16).map(|step| f64::from(step) * 0.05);
        steps
            .min_by(|a, b| misses(*a).0.total_cmp(&misses(*b).0))
            .unwrap_or(fitted.unaccounted)
    } else {
        fitted.unaccounted
    };
    fitted.unaccounted = share;
    fitted.start_seconds = misses(share).1;
}

#[cfg(test)]
mod tests;
