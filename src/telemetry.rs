//! Logs.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

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

/// The client library quotes what the API server says: at debug, in the watches' warnings, and a whole list that it can't
/// read. A denial or a proxy's answer may quote the Secret that was sent: such lines aren't let through at any level that
/// is asked for. What they tell is told by lines of ours.
fn may_quote(target: &str, level: Level) -> bool {
    (target.starts_with("kube_client") || target.starts_with("kube_runtime"))
        && level > Level::ERROR
}

/// Sends logs to stderr, and takes the text out of panics: a payload may quote anything.
pub fn install(format: LogFormat, level: &str) -> Result<(), BadLevel> {
    let filter = EnvFilter::try_new(level).map_err(|_| BadLevel)?;
    let discreet = FilterFn::new(|metadata| {
        metadata.is_span() || !may_quote(metadata.target(), *metadata.level())
    });
    let ansi = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(ansi)
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    // Installed once; a second call in one process (a test) keeps the first.
    let _ = match format {
        LogFormat::Json => {
            let json = layer
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false);
            registry.with(json.with_filter(discreet)).try_init()
        }
        LogFormat::Text => registry.with(layer.with_filter(discreet)).try_init(),
    };
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_quote_an_object_is_not_logged_at_any_level() {
        for target in ["kube_client::client", "kube_runtime::watcher"] {
            for level in [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                assert!(may_quote(target, level), "{target} {level}");
            }
        }
        assert!(!may_quote("kube_client::client", Level::ERROR));
        assert!(!may_quote("defender_tenant_operator::run", Level::TRACE));
    }
}
