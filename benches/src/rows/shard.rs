//! Tenants shared among processes: what each of them needs of what a single one does.

use devcluster::Minor;

use super::steady::SETTLE;
use super::{Bench, Watched, converged, patience};
use crate::Result;
use crate::lab::Lab;
use crate::lab::operator::{Operator, metric};
use crate::report::Row;
use crate::say;

/// Processes, one a shard.
const SHARDS: usize = 4;
const LOCAL: [&str; 2] = ["--shards", "4"];
const SERVER_SIDE: [&str; 3] = ["--shards", "4", "--server-side-shards"];

/// What a process needs for its part.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// CPU seconds from its start until all have been served.
    cpu: f64,
    /// Memory at rest after that, MiB.
    rss: f64,
    /// Objects of others that it was told of.
    foreign: f64,
}

impl Bench {
    /// In a lab of its own: the API server of the others doesn't know the selector, as most don't.
    pub async fn shard(&mut self, n: usize) -> Result<()> {
        if Minor::from_env()? == Minor::V1_34 {
            say("shard: this version's API server has no shard selector");
            return Ok(());
        }
        let mut lab = Lab::start_with(&["--feature-gates=ShardedListAndWatch=true"]).await?;
        lab.credential(crate::lab::SECRET).await?;
        lab.resize(1).await?;
        let one = self.single(&lab).await?.rss;
        lab.resize(n).await?;
        let whole = self.single(&lab).await?;
        for (name, flags) in [("shard", &SERVER_SIDE[..]), ("shard_local", &LOCAL[..])] {
            let parts = shared(&lab, flags).await?;
            for row in rows(name, n, one, whole, &parts) {
                self.add(row)?;
            }
        }
        lab.stop().await
    }

    async fn single(&self, lab: &Lab) -> Result<Part> {
        lab.reset().await?;
        let (_, operator) = converged(lab, &[]).await?;
        let parts = parts(std::slice::from_ref(&operator)).await?;
        operator.stop().await?;
        Ok(parts[0])
    }
}

/// Four processes that start together, as a roll-out's do.
async fn shared(lab: &Lab, flags: &[&str]) -> Result<Vec<Part>> {
    lab.reset().await?;
    lab.forget_leases().await?;
    let mut watched = Watched::new(lab)?;
    let mut operators = Vec::new();
    for _ in 0..SHARDS {
        operators.push(Operator::start(lab, flags)?);
    }
    let n = lab.size;
    for operator in &mut operators {
        watched
            .until("converged", operator, patience(n), |watched| {
                watched.has_served(n)
            })
            .await?;
    }
    for operator in &operators {
        let held = metric(&operator.metrics().await?, "defender_tenant_shards_held");
        if (held - 1.0).abs() > 0.5 {
            return Err(format!("a process holds {held} shards instead of one").into());
        }
    }
    let parts = parts(&operators).await?;
    for operator in operators {
        operator.stop().await?;
    }
    Ok(parts)
}

async fn parts(operators: &[Operator]) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for operator in operators {
        let cpu = operator.usage()?.cpu;
        let metrics = operator.metrics().await?;
        parts.push(Part {
            cpu,
            rss: 0.0,
            foreign: metric(&metrics, "defender_tenant_foreign_objects_total"),
        });
    }
    tokio::time::sleep(SETTLE).await;
    for (part, operator) in parts.iter_mut().zip(operators) {
        part.rss = operator.usage()?.rss;
    }
    Ok(parts)
}

/// The process that needs most of each, beside the single one.
fn rows(name: &str, n: usize, one: f64, whole: Part, parts: &[Part]) -> [Row; 2] {
    let most = |of: fn(&Part) -> f64| parts.iter().map(of).fold(0.0, f64::max);
    let foreign = most(|part| part.foreign);
    let (rss, cpu) = (most(|part| part.rss), most(|part| part.cpu));
    [
        Row::new(name, n, rss - one, "MiB")
            .floor(whole.rss - one)
            .note(format!(
                "of the largest of {SHARDS}, beyond the {one:.1} of one tenant; {foreign:.0} objects of others received"
            )),
        Row::new(&format!("{name}_cpu"), n, cpu, "CPU s")
            .floor(whole.cpu)
            .note("of the busiest, until all are served"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_part_is_told_beyond_what_one_tenant_needs() {
        let part = |cpu, rss| Part {
            cpu,
            rss,
            foreign: 0.0,
        };
        let rows = rows(
            "shard",
            10,
            16.0,
            part(4.0, 40.0),
            &[part(1.0, 22.0), part(1.5, 20.0)],
        );
        assert_eq!(rows[0].ratio, Some(0.25));
        assert_eq!(rows[1].ratio, Some(0.375));
    }
}
