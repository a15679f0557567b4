//! The operator's binary.

use std::process::ExitCode;

use clap::Parser as _;
use defender_tenant_operator::api;
use defender_tenant_operator::cli::{Cli, Command};
use defender_tenant_operator::run::run;

fn main() -> ExitCode {
    // One TLS provider for everybody, chosen before anybody asks.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Cli::parse().command {
        Command::Crds => print!("{}", api::render_all()),
        Command::Version => println!("{}", env!("CARGO_PKG_VERSION")),
        Command::Run(args) => {
            let runtime = match tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
            {
                Ok(runtime) => runtime,
                Err(error) => {
                    eprintln!("error: no runtime: {error}");
                    return ExitCode::FAILURE;
                }
            };
            if let Err(error) = runtime.block_on(run(*args)) {
                eprintln!("error: {error}");
                return ExitCode::from(error.exit_code());
            }
        }
    }
    ExitCode::SUCCESS
}
