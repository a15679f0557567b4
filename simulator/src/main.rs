//! Runs the operator's own decisions for up to a million tenants on a virtual clock.

mod clock;
mod engine;
mod random;

fn main() {
    let mut setup = engine::setup::Setup::new(20_000, clock::DAY / 4);
    setup.shards = 4;
    let costs = engine::costs::Costs {
        turn: 20,
        mint: 300,
        secret: 200,
        status: 200,
        server_secret: 900,
        server_status: 1800,
        server_other: 500,
        etcd: 150,
        commit: 2000,
        emulator: 200,
    };
    let began = std::time::Instant::now();
    let t = engine::run(&setup, costs);
    println!(
        "{} s, refreshes {} late {} undue {} unknown {} turns {} events {} lateness {:?} steady {} peak/mean {:?} used {:?}",
        began.elapsed().as_secs_f64(),
        t.refreshes,
        t.late,
        t.undue,
        t.unknown,
        t.turns,
        t.events,
        t.lateness,
        setup.steady(),
        t.peak_and_mean(clock::HOUR, 6 * clock::HOUR, |m| m.requests),
        t.used
    );
}
