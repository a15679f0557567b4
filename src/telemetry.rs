//! Logs.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person.
    Text,
}

/// The level isn't one.
#[derive(Debug, thiserror::Error)]
#[error(
    "--log-level must be error, warn, info, debug or trace, or directives such as info,defender_tenant_operator=debug"
)]
pub struct BadLevel;

/// Sends logs to stderr, and takes the text out of panics: a payload may quote anything.
pub fn install(format: LogFormat, level: &str) -> Result<(), BadLevel> {
    let filter = EnvFilter::try_new(level).map_err(|_| BadLevel)?;
    let ansi = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr);
    // Installed once; a second call in one process (a test) keeps the first.
    let _ = match format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => builder.try_init(),
    };
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}
