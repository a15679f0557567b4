//! Memory that doesn't grow: the operator under everything at once, for a while.

use std::time::{Duration, Instant};

use crate::Result;
use crate::lab::operator::{Operator, metric};
use crate::lab::{CLIENT, Lab, SECRET};
use crate::machine::Machine;
use crate::report::{Report, Row};
use crate::say;
use crate::stats::median;

/// Lifetimes that tokens are given in turn, seconds.
const LIFETIMES: [u32; 6] = [20, 60, 30, 45, 15, 60];
/// A beat: the lifetime changes, some tenants go and come.
const BEAT: Duration = Duration::from_secs(5);
/// Tenants that go and come at each beat.
const CHURN: usize = 10;
/// Beats between changes of who fails, and between rotations.
const FAULTS_EVERY: u64 = 6;
const ROTATION_EVERY: u64 = 24;
/// The share of the time after which it is warm, and the share at each end that is compared.
const WARM: f64 = 0.25;
const SHARE: f64 = 0.15;

/// Memory at an instant.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Seconds from the beginning.
    at: f64,
    /// MiB.
    rss: f64,
}

/// Runs it, and adds its row. Returns whether memory stayed what it was.
pub async fn run(long: Duration, n: usize, mut report: Report) -> Result<bool> {
    let mut lab = Lab::start().await?;
    Machine::here(&lab).await?.write(report.file())?;
    lab.credential(SECRET).await?;
    lab.resize(n).await?;
    lab.emulator.lifetime(Some(LIFETIMES[0])).await?;
    let mut operator = Operator::start(&lab, &["--refresh-margin", "2"])?;
    let started = Instant::now();
    let mut samples = Vec::new();
    let mut beat = 0;
    while started.elapsed() < long {
        operator.check()?;
        change(&mut lab, n, beat).await?;
        beat += 1;
        tokio::time::sleep(BEAT).await;
        let sample = Sample {
            at: started.elapsed().as_secs_f64(),
            rss: operator.usage()?.rss,
        };
        if beat % 12 == 0 {
            let tokens = lab.emulator.token_requests().await?;
            say(&format!(
                "{:.0} s: {:.1} MiB, {tokens} token requests",
                sample.at, sample.rss
            ));
        }
        samples.push(sample);
    }
    recover(&lab, &mut operator, n).await?;
    let (warm, end) = ends(&samples, long.as_secs_f64());
    let tokens = lab.emulator.token_requests().await?;
    let peak = operator.usage()?.peak;
    let minutes = long.as_secs() / 60;
    let note = format!("{minutes} minutes, {tokens} token requests, peak {peak:.1} MiB");
    report.add(Row::new("soak", n, end, "MiB").floor(warm).note(note))?;
    print!("{}", report.table());
    operator.stop().await?;
    lab.stop().await?;
    Ok(report.is_met())
}

/// What happens at a beat. Customers that go never come back, and no secret is used twice: what is kept of them for ever
/// would show.
async fn change(lab: &mut Lab, tenants: usize, beat: u64) -> Result<()> {
    let turn = usize::try_from(beat)?;
    let lifetime = LIFETIMES[turn % LIFETIMES.len()];
    lab.emulator.lifetime(Some(lifetime)).await?;
    let oldest = lab.size - tenants;
    lab.resize(lab.size + CHURN).await?;
    for n in oldest..oldest + CHURN {
        lab.remove(n).await?;
    }
    let customers = lab.size - tenants..lab.size;
    match beat % FAULTS_EVERY {
        1 => drop(lab.break_some(customers, turn).await?),
        4 => lab.emulator.clear_faults().await?,
        _ => {}
    }
    let next = secret(beat / ROTATION_EVERY);
    match beat % ROTATION_EVERY {
        // Microsoft takes another secret; two beats later the operator has it, too.
        10 => lab.emulator.application(CLIENT, &next).await,
        12 => lab.credential(&next).await,
        _ => Ok(()),
    }
}

/// As long as Entra's are.
fn secret(rotation: u64) -> String {
    format!("bench~4Xw.eR6tY8uI0oP2aS4dF6gH8jK{rotation:08}")
}

/// Everybody is well in the end, when nothing happens any more.
async fn recover(lab: &Lab, operator: &mut Operator, n: usize) -> Result<()> {
    lab.emulator.clear_faults().await?;
    lab.emulator.lifetime(None).await?;
    // The slowest retry of a fault takes minutes; a changed credential is a reason to try again at once.
    for rotation in [u64::from(u32::MAX), 0] {
        let secret = secret(rotation);
        lab.emulator.application(CLIENT, &secret).await?;
        lab.credential(&secret).await?;
        tokio::time::sleep(BEAT).await;
    }
    let started = Instant::now();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let all = n as f64;
    loop {
        operator.check()?;
        let metrics = operator.metrics().await?;
        let well = metric(&metrics, "defender_tenant_tenants{ready=\"True\"");
        if well >= all {
            return Ok(());
        }
        if started.elapsed() > Duration::from_mins(5) {
            return Err(format!("{well} of {n} tenants are well five minutes after").into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Medians of the memory after warm-up and at the end.
fn ends(samples: &[Sample], long: f64) -> (f64, f64) {
    let part = |from: f64, to: f64| {
        let inside = samples.iter().filter(|sample| {
            sample.at >= from * long && sample.at <= to * long + BEAT.as_secs_f64()
        });
        median(&inside.map(|sample| sample.rss).collect::<Vec<_>>())
    };
    (part(WARM, WARM + SHARE), part(1.0 - SHARE, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_compared_after_warm_up_and_at_the_end() {
        let samples: Vec<Sample> = (0..100_u32)
            .map(|at| Sample {
                at: f64::from(at),
                rss: if at < 20 { 1.0 } else { f64::from(at) },
            })
            .collect();
        let (warm, end) = ends(&samples, 100.0);
        assert!((30.0..=36.0).contains(&warm), "{warm}");
        assert!(end > 90.0, "{end}");
    }
}
