//! A watch was denied: is a permission gone for good?

use std::time::Duration;

use kube::Client;
use tokio::task::JoinHandle;

use super::preflight::{self, PreflightError, Scope};

/// An API server that has just started denies everything until it has read its roles.
const PATIENCE: u32 = 4;
const BETWEEN: Duration = Duration::from_secs(8);
/// All reviews of one look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Looks beside everything else, and says so once a denial lasts.
pub struct Guard {
    client: Client,
    scope: Scope,
    look: Option<JoinHandle<Option<PreflightError>>>,
}

impl Guard {
    /// Suspects nothing yet.
    #[must_use]
    pub const fn new(client: Client, scope: Scope) -> Self {
        Self {
            client,
            scope,
            look: None,
        }
    }

    /// A watch was denied.
    pub fn suspect(&mut self) {
        if self.look.is_none() {
            self.look = Some(tokio::spawn(look(self.client.clone(), self.scope.clone())));
        }
    }

    /// Ends when a permission is known to be gone.
    pub async fn denied(&mut self) -> PreflightError {
        loop {
            let Some(look) = &mut self.look else {
                return std::future::pending().await;
            };
            let found = look.await;
            self.look = None;
            if let Ok(Some(error)) = found {
                return error;
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(look) = &self.look {
            look.abort();
        }
    }
}

/// A denial that lasts. Any other answer, or none, is no proof: the watches try again by themselves.
async fn look(client: Client, scope: Scope) -> Option<PreflightError> {
    for left in (0..PATIENCE).rev() {
        match tokio::time::timeout(LOOK_TIMEOUT, preflight::permissions(&client, &scope)).await {
            Ok(Err(denied @ PreflightError::Denied { .. })) if left == 0 => return Some(denied),
            Ok(Err(PreflightError::Denied { .. })) => tokio::time::sleep(BETWEEN).await,
            _ => return None,
        }
    }
    None
}
