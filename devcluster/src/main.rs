//! `devcluster`: a real Kubernetes control plane for the time of one command.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let args = cli::Args::parse();
    let own_failure = args.own_failure();
    match cli::execute(args).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("devcluster: {error}");
            ExitCode::from(own_failure)
        }
    }
}
