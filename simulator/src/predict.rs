//! From a calibration to the rows of the bench that it wasn't fitted to.

use crate::calibration::Calibration;
use crate::clock::{HOUR, MINUTE, Micros, SECOND};
use crate::engine;
use crate::engine::setup::{Kind, Lifetimes, Machines, Outage, Setup, Start, Until};
use crate::fit::{Row, median, size};

/// Sizes that are predicted, never fitted.
pub const PREDICTED: [u64; 2] = [2_000, 10_000];
/// How far a prediction may be off.
const NEAR: f64 = 0.15;
/// The bench mends the credential when each tenant's status says that it is refused, and nothing was written for so long.
const QUIET: Micros = SECOND;
/// Seconds within which the bench's refreshes are due.
const DUE_WITHIN: i32 = 60;

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
        until: Until::AllAreWell,
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
    calibration.start_seconds + seconds(tally.over_at)
}

/// Seconds from the mending of a credential that a breaker was open for, until all are well.
pub fn rotation(calibration: &Calibration, n: f64) -> f64 {
    let mut setup = bench(n, 2 * HOUR, calibration.cores);
    let mut run = |mended: Micros, until| {
        setup.outages = vec![Outage {
            kind: Kind::Credential { replaced: true },
            from: 0,
            until: mended,
        }];
        setup.until = until;
        engine::run(&setup, calibration.first()).over_at
    };
    let Some(told) = run(HOUR, Until::AllAreTold) else {
        return f64::NAN;
    };
    // Until then both runs are the same.
    let mended = told + QUIET;
    seconds(run(mended, Until::AllAreWell).map(|well| well - mended))
}

/// CPU seconds of operator, API server and etcd for a minute of so many refreshes.
pub fn refresh(calibration: &Calibration, n: f64) -> f64 {
    let used = |duration| {
        let setup = Setup {
            start: Start::Due(DUE_WITHIN),
            until: Until::TimeIsUp,
            ..bench(n, duration, calibration.cores)
        };
        let used = engine::run(&setup, calibration.refresh()).used;
        seconds(Some(used.operator + used.server + used.etcd))
    };
    // The start apart, as in the bench, and as the processes' accounts show it.
    (used(2 * MINUTE) - used(0)) / (1.0 + calibration.unaccounted)
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
    /// Whether it is as near as it should be.
    pub fn is_near(&self) -> Option<bool> {
        self.miss().map(|miss| miss.abs() <= NEAR)
    }

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
