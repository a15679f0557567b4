//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

/// Between two looks.
pub const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long something is waited for. On a quiet machine nearly all of it takes a second or two.
#[derive(Debug, Clone, Copy)]
pub struct Patience(pub Duration);

impl Default for Patience {
    fn default() -> Self {
        Self(Duration::from_mins(1))
    }
}

impl Patience {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// Looks until there is something; `None` when patience is at its end.
pub async fn poll<T>(patience: Patience, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + patience.0;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() > until {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks until there is something, or fails.
pub async fn eventually<T>(
    what: &str,
    patience: Patience,
    look: impl AsyncFnMut() -> Option<T>,
) -> T {
    match poll(patience, look).await {
        Some(found) => found,
        None => panic!("not within {:?}: {what}", patience.0),
    }
}
