//! A credential that Microsoft refuses for everybody, and is mended.

use jiff::Timestamp;

use super::converge::RATE;
use super::{Bench, Watched, patience};
use crate::Result;
use crate::floor::seconds;
use crate::lab::operator::Operator;
use crate::lab::{CLIENT, SECRET};
use crate::report::Row;
use crate::say;
use crate::stats::median;

/// The secret that Microsoft takes from then on.
const MENDED: &str = "bench~4Xw.eR6tY8uI0oP2aS4dF6gH8jK1lZ3xC5vB7";

impl Bench {
    /// Rounds from nothing: the breaker opens for all, then the Secret is put right.
    pub async fn rotation(&mut self, n: usize) -> Result<()> {
        let bare = self.bare(n).await?;
        let (mut took, mut requests) = (Vec::new(), Vec::new());
        let rounds = self.settings.rotations(n);
        for round in 1..=rounds {
            self.lab.reset().await?;
            self.lab.emulator.application(CLIENT, MENDED).await?;
            let mended = self.mend(n).await;
            self.lab.emulator.application(CLIENT, SECRET).await?;
            self.lab.credential(SECRET).await?;
            let (seconds, asked) = mended?;
            say(&format!("round {round} of {rounds}: {seconds:.2} s"));
            took.push(seconds);
            requests.push(asked);
        }
        #[expect(clippy::cast_precision_loss, reason = "tens of thousands")]
        let paced = n as f64 / RATE;
        // The same work as a convergence, by the same servers: no faster than the bare client's either.
        let floor = paced.max(bare);
        let ratios: Vec<f64> = took.iter().map(|seconds| seconds / floor).collect();
        let alone = median(&took) / paced;
        let asked = median(&requests);
        let note = format!(
            "÷ n/{RATE} = {paced:.2} s alone: {alone:.2}; bare client {bare:.2} s; {asked:.2} API requests a customer"
        );
        self.add(
            Row::new("rotation", n, median(&took), "s")
                .floor(floor)
                .rounds(&ratios)
                .note(note),
        )
    }

    /// Seconds, and requests a customer.
    async fn mend(&self, n: usize) -> Result<(f64, f64)> {
        let mut refused = Watched::new(&self.lab)?;
        let mut operator = Operator::start(&self.lab, &[])?;
        refused
            .until("refused", &mut operator, patience(n), |watched| {
                watched.statuses.len() >= n
            })
            .await?;
        let mut well = Watched::new(&self.lab)?;
        let mended = Timestamp::now();
        self.lab.credential(MENDED).await?;
        well.until("well again", &mut operator, patience(n), |watched| {
            watched.has_served(n)
        })
        .await?;
        operator.stop().await?;
        let took = seconds(mended, well.last_write().unwrap_or(mended));
        #[expect(clippy::cast_precision_loss, reason = "tens of thousands")]
        let asked = well.counted() as f64 / n as f64;
        Ok((took, asked))
    }
}
