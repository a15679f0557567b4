//! The discrete-event engine.

mod answer;
pub mod costs;
pub mod entra;
mod host;
mod outages;
mod parties;
mod people;
mod scratch;
pub mod setup;
pub mod tally;
mod tenant;
mod turn;
mod view;
mod work;
mod world;

use costs::Costs;
use setup::Setup;
use tally::Tally;
use world::World;

/// Runs it: clusters that share nothing side by side.
pub fn run(setup: &Setup, costs: Costs) -> Tally {
    // Tenants of a region share its limit, whichever cluster they are in.
    if setup.limits.region.is_some() {
        return World::new(setup, costs, 0..setup.clusters).run();
    }
    let mut tallies: Vec<Option<Tally>> = vec![None; usize::from(setup.clusters)];
    for pair in tallies.chunks_mut(2).enumerate() {
        let (first, pair) = pair;
        std::thread::scope(|scope| {
            for (n, place) in pair.iter_mut().enumerate() {
                let cluster = u16::try_from(first * 2 + n).unwrap_or(0);
                scope.spawn(move || {
                    *place = Some(World::new(setup, costs, cluster..cluster + 1).run());
                });
            }
        });
    }
    let mut all = Tally::new(setup);
    for tally in tallies.into_iter().flatten() {
        all.add(&tally);
    }
    all
}
