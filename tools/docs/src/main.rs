//! Writes what is generated: `crds/` and `docs/reference/`, from the operator's types and tables.
//!
//! `reference-docs FOLDER` writes below that folder.

#![allow(
    clippy::format_push_string,
    reason = "pages are put together piece by piece, and nobody waits for them"
)]

mod api;
mod clouds;
mod errors;
mod flags;
mod markdown;
mod metrics;
mod names;

use defender_tenant_operator::api::{application_crd, crd, render};
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

/// The files, by their path in the repository.
fn pages() -> [(&'static str, String); 8] {
    [
        ("crds/defendertenants.yaml", render(&crd())),
        ("crds/defenderapplications.yaml", render(&application_crd())),
        ("docs/reference/api.md", api::tenant()),
        ("docs/reference/application.md", api::application()),
        ("docs/reference/flags.md", flags::page()),
        ("docs/reference/metrics.md", metrics::page()),
        ("docs/reference/errors.md", errors::page()),
        ("docs/reference/clouds.md", clouds::page()),
    ]
}

fn write(root: &std::path::Path) -> io::Result<()> {
    for (path, text) in pages() {
        let path = root.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let Some(root) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: reference-docs FOLDER");
        return ExitCode::from(2);
    };
    match write(&root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", root.display());
            ExitCode::FAILURE
        }
    }
}
