//! Runs the operator's own decisions for up to a million tenants on a virtual clock.

mod calibration;
mod clock;
mod engine;
mod fit;
mod random;
mod scenario;

fn main() {
    let calibration = calibration::Calibration::default();
    let args: Vec<String> = std::env::args().collect();
    let n: u32 = args[1].parse().unwrap();
    for s in scenario::calm(n, 1)
        .into_iter()
        .chain(scenario::outages(n))
        .chain(scenario::limits(n, 3))
    {
        if args.len() > 2 && !s.name.contains(&args[2]) {
            continue;
        }
        let o = scenario::run(s, &calibration);
        let (p, m) = o.a_second(|m| m.requests);
        println!(
            "{}: {:.1}s {} peak {p:.2} mean {m:.2} = {:.2}; api peak {:?}; refreshes {} late {} undue {} unknown {} lateness {:?}",
            o.scenario.says,
            o.took,
            o.scenario.setup.steady(),
            p / m,
            o.a_second(engine::tally::Minute::writes),
            o.tally.refreshes,
            o.tally.late,
            o.tally.undue,
            o.tally.unknown,
            o.tally.lateness
        );
        for (i, r) in o.tally.recoveries.iter().enumerate() {
            println!(
                "    {r:?} bound {:.0} worst {:.2}",
                scenario::bound(&o.scenario.setup, r.concerned, r.backlog),
                o.worst(i)
            );
        }
    }
}
