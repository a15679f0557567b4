//! What the holding proxy does to which request.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::wait::Patience;

/// One request, as far as rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path without the query.
    pub path: String,
    /// It is a watch.
    pub watch: bool,
}

impl Call {
    /// Of a request.
    pub fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            watch: query
                .split('&')
                .any(|part| part == "watch=true" || part == "watch=1"),
        }
    }

    /// Whether it creates a Secret.
    pub fn creates_secret(&self) -> bool {
        self.method == Method::POST && self.path.ends_with("/secrets")
    }

    /// Whether it patches a Secret.
    pub fn patches_secret(&self) -> bool {
        self.method == Method::PATCH && self.path.contains("/secrets/")
    }

    /// Whether it writes a status.
    pub fn puts_status(&self) -> bool {
        self.method == Method::PUT && self.path.ends_with("/status")
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// The request waits before the API server sees it.
    HoldBefore,
    /// The API server does it; the caller waits for the answer.
    HoldAfter,
    /// The connection is closed before the API server sees it.
    DropBefore,
    /// The API server does it, and the connection is closed instead of an answer.
    DropAfter,
    /// The API server doesn't see it; this is the answer.
    Answer(u16, Value),
    /// What a watch tells waits.
    DelayEvents,
}

/// How a request goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// On its way.
    Go,
    /// Nowhere.
    Drop,
    /// Back.
    Answer(u16, Value),
}

type Predicate = Box<dyn Fn(&Call) -> bool + Send + Sync>;

/// What is done to which requests, how often.
pub struct Rule {
    matches: Predicate,
    /// What is done.
    pub act: Act,
    left: AtomicUsize,
    taken: watch::Sender<usize>,
    reached: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Rule {
    /// For the first request that matches.
    pub fn once(act: Act, matches: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self::times(1, act, matches)
    }

    /// For every request that matches, until it is lifted.
    pub fn always(act: Act, matches: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        Self::times(usize::MAX, act, matches)
    }

    /// For the first so many requests that match.
    pub fn times(
        times: usize,
        act: Act,
        matches: impl Fn(&Call) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            matches: Box::new(matches),
            act,
            left: AtomicUsize::new(times),
            taken: watch::Sender::new(0),
            reached: watch::Sender::new(0),
            open: watch::Sender::new(false),
        }
    }

    /// Whether this request is its.
    pub fn takes(&self, call: &Call) -> bool {
        if !(self.matches)(call) {
            return false;
        }
        let taken = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok();
        if taken {
            self.taken.send_modify(|taken| *taken += 1);
        }
        taken
    }

    /// Before the API server sees the request.
    pub async fn before(&self) -> Verdict {
        if matches!(self.act, Act::HoldAfter | Act::DropAfter) {
            return Verdict::Go;
        }
        self.reached.send_modify(|reached| *reached += 1);
        match &self.act {
            Act::HoldBefore => {
                self.released().await;
                Verdict::Go
            }
            Act::DropBefore => Verdict::Drop,
            Act::Answer(status, body) => Verdict::Answer(*status, body.clone()),
            Act::HoldAfter | Act::DropAfter | Act::DelayEvents => Verdict::Go,
        }
    }

    /// After the API server has answered.
    pub async fn after(&self) -> Verdict {
        if !matches!(self.act, Act::HoldAfter | Act::DropAfter) {
            return Verdict::Go;
        }
        self.reached.send_modify(|reached| *reached += 1);
        if self.act == Act::DropAfter {
            return Verdict::Drop;
        }
        self.released().await;
        Verdict::Go
    }

    /// Waits until it is lifted.
    pub async fn released(&self) {
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// Lifts it: what it holds goes on, and it takes no further request.
    pub fn lift(&self) {
        self.left.store(0, Ordering::SeqCst);
        self.open.send_replace(true);
    }

    /// How many requests it took.
    pub fn count(&self) -> usize {
        *self.taken.borrow()
    }

    /// Waits until a request is where it is held (or dropped, or answered).
    pub async fn hit(&self) {
        let mut reached = self.reached.subscribe();
        let wait = reached.wait_for(|reached| *reached > 0);
        let found = tokio::time::timeout(Patience::default().0, wait).await;
        assert!(
            found.is_ok(),
            "no request that the rule {:?} waits for",
            self.act
        );
    }
}

/// The body of an error of the API server.
pub fn status(code: u16, reason: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    })
}
