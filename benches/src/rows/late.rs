//! Whether refreshes come in time when many are due at once.

use std::time::Duration;

use serde_json::json;

use super::{Bench, Watched, converged, patience};
use crate::Result;
use crate::report::Row;
use crate::stats::percentile;

/// Later than its instant by more than this is late.
const LATE: f64 = 5.0;

/// Lifetime of tokens, `minRemainingSeconds`, and `--refresh-margin`.
struct Times {
    lifetime: u32,
    remaining: u32,
    margin: u32,
}

impl Bench {
    /// One refresh of each, on short-lived tokens.
    pub async fn late(&mut self, n: usize) -> Result<()> {
        let times = if self.settings.quick {
            Times {
                lifetime: 60,
                remaining: 10,
                margin: 5,
            }
        } else {
            Times {
                lifetime: 360,
                remaining: 60,
                margin: 30,
            }
        };
        let spec = json!({"minRemainingSeconds": times.remaining});
        self.lab.reset().await?;
        self.lab.refresh(&spec).await?;
        self.lab.emulator.lifetime(Some(times.lifetime)).await?;
        let margin = times.margin.to_string();
        let (_, mut operator) = converged(&self.lab, &["--refresh-margin", &margin]).await?;
        let mut watched = Watched::new(&self.lab)?;
        let dues = self.lab.dues().await?;
        let wait = Duration::from_secs(times.lifetime.into()) + patience(n);
        watched
            .wait(&mut operator, wait, |watched| {
                watched.lateness(&dues).len() >= dues.len()
            })
            .await?;
        operator.stop().await?;
        self.lab.emulator.lifetime(None).await?;

        let late = watched.lateness(&dues);
        let remaining = f64::from(times.remaining);
        let (mut behind, mut short) = (0_u32, 0_u32);
        for (object, due) in &dues {
            // One that never came is as late as can be.
            let lateness = late.get(object).copied().unwrap_or(f64::INFINITY);
            let left = crate::floor::seconds(due.refresh, due.expires) - lateness;
            behind += u32::from(lateness > LATE);
            short += u32::from(left < remaining);
        }
        let seconds: Vec<f64> = late.into_values().collect();
        let note = format!(
            "lateness p50 {:.2} s, p95 {:.2} s, most {:.2} s",
            percentile(&seconds, 0.5),
            percentile(&seconds, 0.95),
            percentile(&seconds, 1.0)
        );
        let all = f64::from(u32::try_from(dues.len().max(1))?);
        let share = f64::from(behind) / all;
        self.add(Row::new("refresh_late", n, share, "share").note(note))?;
        self.add(Row::new("refresh_short", n, f64::from(short), "tokens"))
    }
}
