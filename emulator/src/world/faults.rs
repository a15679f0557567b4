//! Faults that were asked for, and which of them a request meets.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::journal::Kind;

/// Which requests a fault meets; what is absent matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) tenant: Option<Uuid>,
    pub(crate) client: Option<Uuid>,
    pub(crate) endpoint: Option<Kind>,
}

/// A `Retry-After` header, also one that no server should send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetryAfter(pub(crate) String);

/// A body that is not the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BadBody {
    /// A web page with status 200, as a captive portal sends it.
    Html,
    Empty,
    /// The first half of the right body, in a complete HTTP message.
    Truncated,
    /// Tens of MiB.
    Huge,
    /// The right body, one byte a second.
    Slow,
}

/// An error of Entra's, by its number. What is absent is the number's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aadsts {
    pub(crate) number: u32,
    pub(crate) error: Option<String>,
    pub(crate) status: Option<http::StatusCode>,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FaultKind {
    Aadsts(Aadsts),
    Status {
        status: http::StatusCode,
        retry_after: Option<RetryAfter>,
        text: Option<String>,
    },
    Latency(std::time::Duration),
    Reset,
    Body(BadBody),
    /// Claims to replace in a minted token; `null` removes one.
    Claims(Map<String, Value>),
    ClockSkew(i64),
}

/// A fault as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FaultEntry {
    pub(crate) matching: Match,
    /// How often; `None`: until it is cleared.
    pub(crate) times: Option<u32>,
    pub(crate) kind: FaultKind,
}

/// A fault that is waiting for its requests.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    id: Uuid,
    entry: FaultEntry,
}

/// What one request meets: at most one delay and one other fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Effects {
    pub(crate) latency: std::time::Duration,
    pub(crate) fault: Option<FaultKind>,
}

/// All waiting faults in the order in which they were added.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl FaultEntry {
    /// Whether a request of this kind can meet the fault at all: an API call has no claims to change.
    fn concerns(&self, kind: Kind) -> bool {
        match self.kind {
            FaultKind::Aadsts(_) => kind != Kind::Api,
            FaultKind::Claims(_) => kind == Kind::Token,
            _ => true,
        }
    }

    /// An endpoint that the fault can never meet is a mistake of whoever asks for it.
    pub(crate) fn is_possible(&self) -> bool {
        self.matching
            .endpoint
            .is_none_or(|kind| self.concerns(kind))
    }

    fn meets(&self, kind: Kind, tenant: Option<Uuid>, client: Option<Uuid>) -> bool {
        self.concerns(kind)
            && self.matching.endpoint.is_none_or(|wanted| wanted == kind)
            && self
                .matching
                .tenant
                .is_none_or(|wanted| tenant == Some(wanted))
            && self
                .matching
                .client
                .is_none_or(|wanted| client == Some(wanted))
    }
}

impl Faults {
    pub(crate) fn add(&mut self, entry: FaultEntry) -> Uuid {
        let id = Uuid::new_v4();
        self.0.push(Fault { id, entry });
        id
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether there was one of this id.
    pub(crate) fn remove(&mut self, id: Uuid) -> bool {
        let before = self.0.len();
        self.0.retain(|fault| fault.id != id);
        self.0.len() < before
    }

    /// Takes what this request meets. The first one added wins; a delay lets one later fault through.
    pub(crate) fn take(
        &mut self,
        kind: Kind,
        tenant: Option<Uuid>,
        client: Option<Uuid>,
    ) -> Effects {
        let mut effects = Effects::default();
        for fault in &mut self.0 {
            if !fault.entry.meets(kind, tenant, client) {
                continue;
            }
            if let FaultKind::Latency(latency) = fault.entry.kind {
                if !effects.latency.is_zero() {
                    continue;
                }
                effects.latency = latency;
            } else {
                effects.fault = Some(fault.entry.kind.clone());
            }
            if let Some(times) = &mut fault.entry.times {
                *times = times.saturating_sub(1);
            }
            if effects.fault.is_some() {
                break;
            }
        }
        self.0.retain(|fault| fault.entry.times != Some(0));
        effects
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TENANT: Uuid = Uuid::from_u128(1);
    const CLIENT: Uuid = Uuid::from_u128(2);
    const SECOND: Duration = Duration::from_secs(1);

    fn entry(kind: FaultKind, times: Option<u32>) -> FaultEntry {
        FaultEntry {
            matching: Match::default(),
            times,
            kind,
        }
    }

    fn aadsts(number: u32) -> FaultKind {
        FaultKind::Aadsts(Aadsts {
            number,
            error: None,
            status: None,
        })
    }

    fn faults(entries: impl IntoIterator<Item = FaultEntry>) -> Faults {
        let mut faults = Faults::default();
        for entry in entries {
            faults.add(entry);
        }
        faults
    }

    fn taken(faults: &mut Faults) -> Effects {
        faults.take(Kind::Token, Some(TENANT), Some(CLIENT))
    }

    fn only(fault: FaultKind) -> Effects {
        Effects {
            latency: Duration::ZERO,
            fault: Some(fault),
        }
    }

    #[test]
    fn the_first_one_added_wins_and_the_next_one_follows_when_it_is_used_up() {
        let mut faults = faults([entry(aadsts(1), Some(2)), entry(aadsts(2), None)]);
        assert_eq!(taken(&mut faults), only(aadsts(1)));
        assert_eq!(taken(&mut faults), only(aadsts(1)));
        assert_eq!(taken(&mut faults), only(aadsts(2)));
        assert_eq!(taken(&mut faults), only(aadsts(2)));
    }

    #[test]
    fn a_delay_lets_a_later_fault_through_but_no_second_delay() {
        let mut faults = faults([
            entry(FaultKind::Latency(SECOND), None),
            entry(FaultKind::Latency(2 * SECOND), None),
            entry(FaultKind::Reset, Some(1)),
        ]);
        let both = Effects {
            latency: SECOND,
            fault: Some(FaultKind::Reset),
        };
        assert_eq!(taken(&mut faults), both);
        assert_eq!(
            taken(&mut faults),
            Effects {
                fault: None,
                ..both
            }
        );
    }

    #[test]
    fn a_fault_before_a_delay_stands_alone() {
        let mut faults = faults([
            entry(FaultKind::Reset, None),
            entry(FaultKind::Latency(SECOND), None),
        ]);
        assert_eq!(taken(&mut faults), only(FaultKind::Reset));
    }

    #[test]
    fn every_part_of_a_match_narrows_it() {
        let reset = |matching| FaultEntry {
            matching,
            times: None,
            kind: FaultKind::Reset,
        };
        let narrow = Match {
            tenant: Some(TENANT),
            client: Some(CLIENT),
            endpoint: Some(Kind::Token),
        };
        let mut faults = faults([reset(narrow)]);
        let other = Some(Uuid::from_u128(9));
        assert_eq!(taken(&mut faults), only(FaultKind::Reset));
        for (kind, tenant, client) in [
            (Kind::Api, Some(TENANT), Some(CLIENT)),
            (Kind::Token, other, Some(CLIENT)),
            (Kind::Token, None, Some(CLIENT)),
            (Kind::Token, Some(TENANT), other),
        ] {
            assert_eq!(faults.take(kind, tenant, client), Effects::default());
        }
    }

    #[test]
    fn an_api_call_meets_no_token_fault() {
        let mut faults = faults([
            entry(aadsts(1), None),
            entry(FaultKind::Claims(Map::new()), None),
        ]);
        assert_eq!(faults.take(Kind::Api, None, None), Effects::default());
        assert_eq!(faults.take(Kind::Discovery, None, None), only(aadsts(1)));
    }

    #[test]
    fn a_fault_can_be_removed_by_its_id() {
        let mut faults = Faults::default();
        let id = faults.add(entry(FaultKind::Reset, None));
        assert!(faults.remove(id));
        assert!(!faults.remove(id));
        assert_eq!(taken(&mut faults), Effects::default());
    }
}
