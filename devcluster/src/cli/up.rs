//! `devcluster up`: a cluster until somebody ends it.

use std::path::Path;
use std::time::Duration;

use devcluster::{DevCluster, Error, Options};

use super::signals::{Signals, exit_code};

/// How often the components are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn up(options: Options, kubeconfig: Option<&Path>) -> Result<u8, Error> {
    let mut signals = Signals::listen()?;
    let mut cluster = tokio::select! {
        cluster = DevCluster::start(options) => cluster?,
        signal = signals.next() => return Ok(exit_code(signal)),
    };
    let file = match kubeconfig {
        Some(file) => {
            cluster.write_kubeconfig(file)?;
            std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
        }
        None => cluster.kubeconfig().to_owned(),
    };
    println!("{}", file.display());
    println!(
        "export KUBECONFIG='{}'",
        file.display().to_string().replace('\'', r"'\''")
    );
    eprintln!(
        "devcluster: {} is ready; Ctrl-C ends it",
        cluster.server_url()
    );
    let mut check = tokio::time::interval(CHECK_EVERY);
    loop {
        tokio::select! {
            // That is how it is meant to end.
            _ = signals.next() => break,
            _ = check.tick() => cluster.check()?,
        }
    }
    cluster.stop().await?;
    Ok(0)
}
