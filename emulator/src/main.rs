//! `entra-emulator`: see the crate's README.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use entra_emulator::{Config, Error, Options};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Plays Microsoft Entra's token service and the Defender for Endpoint API.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// TLS port of all of Microsoft's host names; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// CONNECT proxy, for clients' HTTPS_PROXY.
    #[arg(long, default_value = "127.0.0.1:8080")]
    proxy: SocketAddr,
    /// Control API (plain HTTP without authentication).
    #[arg(long, default_value = "127.0.0.1:8444")]
    control: SocketAddr,
    /// Where to write the CA certificate that clients must trust.
    #[arg(long, default_value = "ca.crt")]
    ca_file: PathBuf,
    /// Certificate (PEM) of a CA to use instead of a new one.
    #[arg(long, requires = "ca_key")]
    ca_cert: Option<PathBuf>,
    /// Key (PEM: PKCS#8, PKCS#1 or SEC 1) of that CA.
    #[arg(long, requires = "ca_cert")]
    ca_key: Option<PathBuf>,
    /// Applications, tenants and token settings to start with (JSON).
    #[arg(long)]
    config: Option<PathBuf>,
}

/// The first line on stdout.
#[derive(Serialize)]
struct Ports<'a> {
    listen: SocketAddr,
    proxy: SocketAddr,
    control: SocketAddr,
    ca: &'a Path,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    // Before the ports are told to anybody, so that nobody's signal is missed.
    let listen = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut terminate, mut interrupt) = (
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
    );
    let options = options(arguments).map_err(|error| error.to_string())?;
    let emulator = entra_emulator::start(options)
        .await
        .map_err(|error| error.to_string())?;
    let ports = Ports {
        listen: emulator.listen(),
        proxy: emulator.proxy(),
        control: emulator.control(),
        ca: emulator.ca_file(),
    };
    let ports = serde_json::to_string(&ports).map_err(|error| error.to_string())?;
    // A closed stdout is a parent that doesn't care.
    let _ = writeln!(std::io::stdout(), "{ports}").and_then(|()| std::io::stdout().flush());
    tracing::info!("ready");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending");
    emulator.shutdown().await;
    Ok(())
}

fn options(arguments: Arguments) -> Result<Options, Error> {
    Ok(Options {
        listen: arguments.listen,
        proxy: arguments.proxy,
        control: arguments.control,
        ca_file: arguments.ca_file,
        ca: arguments.ca_cert.zip(arguments.ca_key),
        config: arguments.config.map(Config::read).transpose()?,
    })
}
