//! The operator's binary.

use std::process::ExitCode;

use clap::Parser as _;
use defender_tenant_operator::cli::{Cli, Command, Output};
use defender_tenant_operator::run::run;
use defender_tenant_operator::{api, doctor, smoke};

fn main() -> ExitCode {
    // One TLS provider for everybody, chosen before anybody asks.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ended = match Cli::parse().command {
        Command::Crds => {
            print!("{}", api::render_all());
            Ok(0)
        }
        Command::Version => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
        Command::Run(args) => to_its_end(async {
            let ended = run(*args).await;
            ended
                .map(|()| 0)
                .map_err(|e| (e.to_string(), e.exit_code()))
        }),
        Command::Doctor(args) => to_its_end(async {
            let report = doctor::run(&args).await;
            let report = report.map_err(|error| (error.to_string(), 2))?;
            let version = env!("CARGO_PKG_VERSION");
            match args.output {
                Output::Text => print!("{}", report.text(version)),
                Output::Json => print!("{}", report.json(version)),
            }
            Ok(report.exit_code())
        }),
        Command::SmokeTest(args) => to_its_end(async {
            let ended = smoke::run(&args).await;
            ended
                .map(|()| 0)
                .map_err(|e| (e.to_string(), e.exit_code()))
        }),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err((error, code)) => {
            eprintln!("error: {error}");
            ExitCode::from(code)
        }
    }
}

/// An exit code, or what went wrong with one.
type Ended = Result<u8, (String, u8)>;

fn to_its_end(work: impl Future<Output = Ended>) -> Ended {
    // One thread: five hundred mints a second are a third of a core's work, and tasks that wake each other across
    // threads would add a tenth to it, and heaps of their own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| (format!("no runtime: {error}"), 1))?;
    let ended = runtime.block_on(work);
    // A name that is still being resolved keeps nobody waiting.
    runtime.shutdown_background();
    ended
}
