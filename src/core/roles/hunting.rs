//! The end of advanced hunting in the older APIs.

use jiff::Timestamp;

use super::is_hunting;
use crate::api::cloud::DefenderApi;

/// Reason of the Event that warns of it.
pub const RETIREMENT_EVENT: &str = "AdvancedHuntingRetiring";

/// 2027-02-01T00:00:00Z: the last day is 2027-01-31 (Microsoft's message centre, MC1220762; Learn,
/// `run-advanced-query-api` and `api-advanced-hunting`).
const ENDED: Timestamp = Timestamp::constant(1_801_440_000, 0);

const ENDS: &str = "Advanced hunting ends in this API on 2027-01-31 (Microsoft's MC1220762): move to api Graph, role ThreatHunting.Read.All, POST /v1.0/security/runHuntingQuery.";
const HAS_ENDED: &str = "Advanced hunting has ended in this API on 2027-01-31 (Microsoft's MC1220762): move to api Graph, role ThreatHunting.Read.All, POST /v1.0/security/runHuntingQuery.";

/// What to say of required hunting roles of an API that loses hunting.
#[must_use]
pub fn retirement(required: &[String], api: DefenderApi, now: Timestamp) -> Option<&'static str> {
    let asked_for = required.iter().any(|role| is_hunting(role));
    (api != DefenderApi::Graph && asked_for).then_some(if now < ENDED { ENDS } else { HAS_ENDED })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::roles;

    #[test]
    fn it_ends_after_the_last_of_january_2027() {
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        let hunting = roles(&["Alert.Read.All", "AdvancedQuery.Read.All"]);
        let told = |at| retirement(&hunting, DefenderApi::Endpoint, at);
        assert_eq!(told(at("2026-11-24T00:00:00Z")), Some(ENDS));
        assert_eq!(told(at("2027-01-31T23:59:59Z")), Some(ENDS));
        assert_eq!(told(at("2027-02-01T00:00:00Z")), Some(HAS_ENDED));
    }

    #[test]
    fn only_the_older_apis_hunting_roles_are_warned_of() {
        for (role, api, warned) in [
            ("AdvancedQuery.Read.All", DefenderApi::Endpoint, true),
            ("AdvancedHunting.Read.All", DefenderApi::Xdr, true),
            ("Incident.Read.All", DefenderApi::Xdr, false),
            ("Alert.Read.All", DefenderApi::Endpoint, false),
            ("ThreatHunting.Read.All", DefenderApi::Graph, false),
        ] {
            let told = retirement(&roles(&[role]), api, Timestamp::UNIX_EPOCH);
            assert_eq!(told.is_some(), warned, "{role}");
        }
    }
}
