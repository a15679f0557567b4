//! `bench`: what the operator costs, beside what the same work costs a bare client. See `docs/performance.md`.

mod audit;
mod floor;
mod goals;
mod lab;
mod machine;
mod page;
mod procs;
mod report;
mod rows;
mod settings;
mod soak;
mod stats;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

/// What went wrong, for the person who runs it.
type Error = Box<dyn std::error::Error + Send + Sync>;
/// An outcome.
type Result<T> = std::result::Result<T, Error>;

/// Measures the operator.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures rows, and writes the report.
    Rows {
        /// Which, comma-separated; all by default.
        #[arg(long)]
        rows: Option<String>,
        /// Numbers of tenants instead of each row's own.
        #[arg(long)]
        n: Option<String>,
        /// Rounds instead of five.
        #[arg(long)]
        rounds: Option<usize>,
        /// Small and short: to see that it works.
        #[arg(long)]
        quick: bool,
        /// Where the report goes.
        #[arg(long, default_value = "target/bench/report.json")]
        report: PathBuf,
    },
    /// Runs the operator under changing load, and looks at its memory.
    Soak {
        /// How long.
        #[arg(long, default_value_t = 20)]
        minutes: u64,
        /// How many tenants.
        #[arg(long, default_value_t = 2000)]
        n: usize,
        /// Where the report goes.
        #[arg(long, default_value = "target/bench/soak.json")]
        report: PathBuf,
    },
    /// Writes reports into a page, between its markers.
    Page {
        /// The page.
        #[arg(long, default_value = "docs/performance.md")]
        page: PathBuf,
        /// Reports of `rows` and of `soak`; one that isn't there is left out.
        #[arg(long, default_values = ["target/bench/report.json", "target/bench/soak.json"])]
        reports: Vec<PathBuf>,
    },
    /// The bare client, started by the others.
    #[command(hide = true)]
    Floor {
        /// What it is to do.
        plan: PathBuf,
    },
}

fn main() -> ExitCode {
    // The only provider that is compiled in.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        // One thread: nothing is handed from one to another, which costs the least.
        Command::Floor { plan } => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(floor::client::run(&plan))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Rows {
            rows,
            n,
            rounds,
            quick,
            report,
        } => {
            let given = |text: Option<String>| text.filter(|text| !text.is_empty());
            let mut settings =
                settings::Settings::choose(given(rows).as_deref(), given(n).as_deref())?;
            settings.quick = quick;
            settings.rounds = rounds;
            let report = report::Report::new(report)?;
            tokio::runtime::Runtime::new()?.block_on(measure(settings, report))
        }
        Command::Soak { minutes, n, report } => {
            let report = report::Report::new(report)?;
            let minutes = std::time::Duration::from_mins(minutes);
            let met = tokio::runtime::Runtime::new()?.block_on(soak::run(minutes, n, report))?;
            Ok(if met {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Command::Page { page, reports } => {
            page::write(&page, &reports)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn measure(settings: settings::Settings, report: report::Report) -> Result<ExitCode> {
    let started = Instant::now();
    let mut bench = rows::Bench::start(settings, report).await?;
    let machine = machine::Machine::here(&bench.lab).await?;
    machine.write(bench.report.file())?;
    let outcome = bench.run().await;
    print!("{}", bench.report.table());
    let rows::Bench { lab, report, .. } = bench;
    lab.stop().await?;
    outcome?;
    say(&format!("{} s in all", started.elapsed().as_secs()));
    if !report.is_met() {
        // A figure, not a failure: the next run on another machine may say otherwise.
        say("not every goal is met");
    }
    Ok(ExitCode::SUCCESS)
}

/// Progress, for the person who waits.
fn say(text: &str) {
    eprintln!("bench: {text}");
}
