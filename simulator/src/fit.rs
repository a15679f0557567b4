//! From a report of the bench to a calibration, and from a calibration to the rows that it wasn't fitted to.

use serde::{Deserialize, Serialize};

use crate::calibration::Calibration;
use crate::clock::{HOUR, MINUTE, Micros, SECOND};
use crate::engine;
use crate::engine::setup::{Kind, Lifetimes, Machines, Outage, Setup, Start};

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

/// Sizes that are predicted, never fitted.
const PREDICTED: [u64; 2] = [2_000, 10_000];
/// How long the bench waits before it mends the credential.
const REFUSED_FOR: Micros = 40 * SECOND;

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
const fn size(n: u64) -> f64 {
    n as f64
}

fn median(rows: &[Row], name: &str, n: u64) -> Option<f64> {
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
    let refresh = |rows: &mut Rows<'_>, name, first: f64| {
        let points = rows.of(name).ok()?;
        Some(line(&points).0 * 1_000.0)
            .filter(|cost| *cost > 0.0)
            .or(Some(first))
    };
    fitted.refresh_operator =
        refresh(&mut rows, "refresh_cpu_operator", fitted.operator).unwrap_or(fitted.operator);
    fitted.refresh_server =
        refresh(&mut rows, "refresh_cpu_apiserver", fitted.server).unwrap_or(fitted.server);
    fitted.refresh_etcd =
        refresh(&mut rows, "refresh_cpu_etcd", fitted.etcd).unwrap_or(fitted.etcd);
    if let Ok(base) = rows.of("rss_one") {
        fitted.memory_base = base[0].1;
    }
    // Memory is no prediction of this model: what was measured is taken.
    let resident = rows
        .rows
        .iter()
        .filter(|row| row.name == "rss")
        .max_by_key(|row| row.n);
    if let Some(Row {
        n: Some(n), value, ..
    }) = resident
    {
        fitted.memory_tenant = (value - fitted.memory_base) * 1_024.0 / size(*n);
        rows.used.push(("rss".to_owned(), *n));
    }
    let walls = rows.of("converge")?;
    wall(&mut fitted, &walls);
    fitted.fitted = rows.used;
    Ok(fitted)
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

fn bench(n: f64, duration: Micros, cores: usize) -> Setup {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size of the bench"
    )]
    let tenants = n as u32;
    Setup {
        start: Start::Together,
        lifetimes: Lifetimes::Fixed(3_599),
        machines: Machines::One { cores },
        until_well: true,
        ..Setup::new(tenants, duration)
    }
}

fn seconds(wall: Option<Micros>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an hour at the most")]
    let seconds = wall.map_or(f64::NAN, |wall| wall as f64 / SECOND as f64);
    seconds
}

/// Seconds until the last of so many tenants has its first token.
pub fn converge(calibration: &Calibration, n: f64) -> f64 {
    let setup = bench(n, HOUR, calibration.cores);
    let tally = engine::run(&setup, calibration.first());
    calibration.start_seconds + seconds(tally.well_at)
}

/// Seconds from the mending of a credential that a breaker was open for, until all are well.
pub fn rotation(calibration: &Calibration, n: f64) -> f64 {
    let mut setup = bench(n, 2 * HOUR, calibration.cores);
    setup.outages.push(Outage {
        kind: Kind::Credential { replaced: true },
        from: 0,
        until: REFUSED_FOR + MINUTE,
    });
    let tally = engine::run(&setup, calibration.first());
    seconds(tally.well_at) - seconds(Some(REFUSED_FOR + MINUTE))
}

/// CPU seconds of operator, API server and etcd for so many refreshes.
pub fn refresh(calibration: &Calibration, n: f64) -> f64 {
    let each = calibration.refresh_operator + calibration.refresh_server + calibration.refresh_etcd;
    each * n / 1_000.0
}

/// A row of the report, and what was predicted for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub name: &'static str,
    pub n: u64,
    pub predicted: f64,
    pub measured: Option<f64>,
}

impl Prediction {
    /// How far it is off, as a share of what was measured.
    pub fn miss(&self) -> Option<f64> {
        self.measured
            .map(|measured| self.predicted / measured - 1.0)
    }
}

/// A model of what is measured.
type Model = fn(&Calibration, f64) -> f64;

/// What is predicted, and how.
const MODELS: [(&str, Model); 3] = [
    ("converge", converge),
    ("refresh", refresh),
    ("rotation", rotation),
];

/// Predicts the rows that nothing was fitted to.
pub fn predict(calibration: &Calibration, rows: &[Row]) -> Vec<Prediction> {
    let mut predictions = Vec::new();
    for (name, model) in MODELS {
        for n in PREDICTED {
            let count = size(n);
            predictions.push(Prediction {
                name,
                n,
                predicted: model(calibration, count),
                measured: median(rows, name, n),
            });
        }
    }
    predictions
}

/// The rows that the model itself would make: what a bench with these constants would report.
#[cfg(test)]
fn synthetic(calibration: &Calibration) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: &str, n: u64, value: f64| {
        rows.push(Row {
            name: name.to_owned(),
            n: Some(n),
            value,
            unit: "s".to_owned(),
            floor: None,
            ratio: None,
        });
    };
    let c = calibration;
    for n in [500, 1_000, 2_000, 10_000] {
        let count = size(n);
        add("converge", n, converge(c, count));
        add("converge_cpu", n, 0.1 + c.operator * count / 1_000.0);
        add(
            "converge_cpu_apiserver",
            n,
            0.2 + c.server * count / 1_000.0,
        );
        add("converge_cpu_etcd", n, c.etcd * count / 1_000.0);
        add("converge_cpu_emulator", n, c.emulator * count / 1_000.0);
        if PREDICTED.contains(&n) {
            add("refresh", n, refresh(c, count));
            add("rotation", n, rotation(c, count));
        } else {
            add(
                "refresh_cpu_operator",
                n,
                c.refresh_operator * count / 1_000.0,
            );
            add(
                "refresh_cpu_apiserver",
                n,
                c.refresh_server * count / 1_000.0,
            );
            add("refresh_cpu_etcd", n, c.refresh_etcd * count / 1_000.0);
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn a_report_of_the_model_itself_with_noise_is_predicted_within_fifteen_percent() {
        let truth = Calibration {
            start_seconds: 0.7,
            unaccounted: 0.2,
            operator: 1.1,
            server: 3.4,
            etcd: 0.7,
            emulator: 0.5,
            refresh_operator: 0.9,
            refresh_server: 2.6,
            refresh_etcd: 0.6,
            ..Calibration::default()
        };
        let mut rows = synthetic(&truth);
        let mut random = Random::new(7);
        for row in &mut rows {
            row.value *= 0.97 + 0.06 * random.unit();
        }
        let fitted = fit(&rows, "a test", &Calibration::default()).unwrap();
        assert!(!fitted.placeholder);
        assert!(
            fitted.fitted.iter().all(|(_, n)| !PREDICTED.contains(n)),
            "{:?}",
            fitted.fitted
        );
        let predictions = predict(&fitted, &rows);
        assert_eq!(predictions.len(), 6);
        for prediction in predictions {
            let miss = prediction.miss().unwrap();
            assert!(miss.abs() < 0.15, "{prediction:?}: {miss}");
        }
        // It can fail: another machine's constants don't predict this report.
        let other = Calibration {
            server: 6.0,
            ..fitted
        };
        let off = predict(&other, &rows)
            .into_iter()
            .any(|p| p.miss().unwrap().abs() > 0.15);
        assert!(off);
    }

    #[test]
    fn a_report_without_other_sizes_is_refused() {
        let rows = synthetic(&Calibration::default());
        let only: Vec<_> = rows
            .into_iter()
            .filter(|row| row.n == Some(2_000))
            .collect();
        assert_eq!(
            fit(&only, "a test", &Calibration::default()).unwrap_err().0,
            "converge_cpu"
        );
    }

    #[test]
    fn what_is_spent_once_is_told_from_what_each_costs() {
        let (each, once) = line(&[(500.0, 1.5), (1_000.0, 2.5)]);
        assert!((each - 0.002).abs() < 1e-9 && (once - 0.5).abs() < 1e-9);
        let (each, once) = line(&[(500.0, 0.9), (1_000.0, 2.1)]);
        assert!((0.0018..0.0022).contains(&each) && once == 0.0);
    }
}
