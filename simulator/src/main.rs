//! Runs the operator's own decisions for up to a million tenants on a virtual clock.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod calibration;
mod clock;
mod draw;
mod engine;
mod fit;
mod page;
mod plot;
mod predict;
mod random;
mod report;
mod scenario;

use calibration::Calibration;
use scenario::{Outcome, Scenario};

type Failed = Box<dyn std::error::Error>;

/// The operator's own decisions on a virtual clock.
#[derive(Debug, Parser)]
#[command(name = "simulator")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every scenario; write the plots, and the tables between the markers of the page.
    Run {
        /// Tenants.
        #[arg(long, default_value_t = 1_000_000)]
        tenants: u32,
        /// Days of the steady run.
        #[arg(long, default_value_t = 2)]
        days: u32,
        /// Hours of each run against a limit; what happens is counted from the second on.
        #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..))]
        limit_hours: u32,
        /// Only runs with this in their name.
        #[arg(long)]
        only: Option<String>,
        /// Constants.
        #[arg(long, default_value = "simulator/calibration.json")]
        calibration: PathBuf,
        /// Reports of the bench whose rows are set beside what is predicted.
        #[arg(long)]
        report: Vec<PathBuf>,
        /// Folder for the plots.
        #[arg(long, default_value = "docs/scaling")]
        plots: PathBuf,
        /// Page for the tables; stdout if not given.
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Fit the constants to reports of the bench, and say how well they predict the other rows.
    Fit {
        /// Reports (target/bench/report.json); of several the median is taken.
        #[arg(long, required = true, num_args = 1..)]
        report: Vec<PathBuf>,
        /// On what machine they were made, and what else it did.
        #[arg(long, default_value = "a machine of two cores")]
        machine: String,
        /// Where to write them.
        #[arg(long, default_value = "simulator/calibration.json")]
        calibration: PathBuf,
    },
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn rows(reports: &[PathBuf]) -> Result<Vec<fit::Row>, Failed> {
    let mut rows = Vec::new();
    for report in reports {
        let text = std::fs::read_to_string(report)
            .map_err(|error| format!("{}: {error}", report.display()))?;
        let more: Vec<fit::Row> = serde_json::from_str(&text)
            .map_err(|error| format!("{}: {error}", report.display()))?;
        rows.extend(more);
    }
    Ok(rows)
}

fn read(file: &Path) -> Result<Calibration, Failed> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?)
}

fn execute(command: Command) -> Result<(), Failed> {
    match command {
        Command::Fit {
            report,
            machine,
            calibration: file,
        } => {
            let rows = rows(&report)?;
            let known = read(&file).unwrap_or_default();
            let fitted =
                fit::fit(&rows, &machine, &known).map_err(|missing| missing.to_string())?;
            let predictions = predict::predict(&fitted, &rows);
            println!("{}", report::calibration(&fitted, &predictions));
            std::fs::write(file, serde_json::to_string_pretty(&fitted)? + "\n")?;
            Ok(())
        }
        Command::Run {
            tenants,
            days,
            limit_hours,
            only,
            calibration: file,
            report,
            plots,
            page,
        } => {
            let calibration = read(&file)?;
            let rows = rows(&report)?;
            std::fs::create_dir_all(&plots)?;
            let began = std::time::Instant::now();
            let wanted = |scenario: &Scenario| {
                only.as_ref()
                    .is_none_or(|only| scenario.name.contains(only))
            };
            let each = |scenarios: Vec<Scenario>| -> Vec<Outcome> {
                scenarios
                    .into_iter()
                    .filter(wanted)
                    .map(|scenario| {
                        let outcome = scenario::run(scenario, &calibration);
                        eprintln!(
                            "{}: {:.0} s for {} refreshes",
                            outcome.scenario.says, outcome.took, outcome.tally.refreshes
                        );
                        outcome
                    })
                    .collect()
            };
            let calm = each(scenario::calm(tenants, days));
            let outages = each(scenario::outages(tenants, &calibration));
            let limits = each(scenario::limits(tenants, limit_hours));
            draw::calm(&plots, &calm)?;
            draw::outages(&plots, &outages)?;
            let predictions = predict::predict(&calibration, &rows);
            let setup = scenario::deployment(tenants, 0);
            let mut tables = vec![("run", report::machines(&setup))];
            if let (Some(steady), Some(busiest)) = (calm.first(), report::busiest(&outages)) {
                tables.push(("sizes", report::sizes(&calibration, steady, busiest)));
            }
            tables.push(("calm", report::calm(&calm)));
            tables.push(("outages", report::outages(&outages)));
            tables.push(("limits", report::limits(&limits)));
            tables.push((
                "calibration",
                report::calibration(&calibration, &predictions),
            ));
            eprintln!("all of it in {:.0} s", began.elapsed().as_secs_f64());
            match page {
                Some(file) => {
                    let text = std::fs::read_to_string(&file)?;
                    std::fs::write(file, page::fill(text, &tables)?)?;
                }
                None => tables
                    .iter()
                    .for_each(|(name, table)| println!("## {name}\n\n{table}")),
            }
            Ok(())
        }
    }
}
