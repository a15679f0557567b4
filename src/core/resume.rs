//! What an earlier process knew of breakers and pauses, read back from what the tenants' statuses say.

use jiff::Timestamp;

use super::errors::Scope;
use super::gate::{Gate, MintKey};
use super::reason::Reason;
use crate::api::DefenderTenantStatus;

/// A breaker that was open when the last process ended is open still: the tenants that probed say how far it was.
/// A pause that Microsoft asked for holds as well, whatever spec or annotation say since.
///
/// `key`: what this tenant's last attempt asked. `covered`: its credential may be used for it. `newest`: when somebody
/// got a token with that credential last.
pub fn resume(
    gate: &mut Gate,
    status: &DefenderTenantStatus,
    key: MintKey,
    covered: bool,
    newest: Option<Timestamp>,
    now: Timestamp,
) {
    let (Some(attempt), Some(error)) = (&status.attempt, &status.last_error) else {
        return;
    };
    let Some(reason) = Reason::parse(&error.reason) else {
        return;
    };
    let next = attempt.next_at.as_ref().map_or(now, |at| at.0);
    if error.scope == Scope::Credential.as_str() {
        // Somebody got a token with it since: whatever this tenant met is over, or its own.
        if !covered || newest.is_some_and(|issued| issued > attempt.last_at.0) {
            return;
        }
        gate.learn(key.fingerprint, None, now);
        let count = usize::try_from(attempt.count).unwrap_or(1);
        gate.resume(key.fingerprint, count, next, reason);
    } else if reason == Reason::Throttled {
        gate.resume_pause(key, next, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AttemptStatus, LastErrorStatus};
    use crate::core::attempt::seconds;
    use crate::core::breaker::Health;
    use crate::core::testing::{AUDIENCE, TENANT, at, fingerprint};

    fn status(reason: Reason, scope: Scope) -> DefenderTenantStatus {
        DefenderTenantStatus {
            attempt: Some(AttemptStatus {
                generation: 1,
                fingerprint: fingerprint("s~1").to_string(),
                count: 3,
                last_at: seconds(at(100)),
                next_at: Some(seconds(at(220))),
            }),
            last_error: Some(LastErrorStatus {
                code: None,
                reason: reason.as_str().to_owned(),
                scope: scope.as_str().to_owned(),
                correlation_id: None,
                trace_id: None,
                at: seconds(at(100)),
            }),
            ..DefenderTenantStatus::default()
        }
    }

    fn resumed(
        status: &DefenderTenantStatus,
        covered: bool,
        newest: Option<i64>,
    ) -> (Gate, MintKey) {
        let key = MintKey {
            fingerprint: fingerprint("s~1"),
            tenant: TENANT.parse().unwrap(),
            audience: AUDIENCE,
        };
        let mut gate = Gate::new(500.0);
        resume(&mut gate, status, key, covered, newest.map(at), at(110));
        (gate, key)
    }

    #[test]
    fn a_refusal_holds_unless_somebody_got_a_token_since() {
        let refused = Reason::CredentialRejected;
        let said = status(refused, Scope::Credential);
        let health = |covered, newest| {
            let (gate, key) = resumed(&said, covered, newest);
            gate.health(key.fingerprint)
        };
        assert_eq!(health(true, None), Health::Refused(refused));
        assert_eq!(health(true, Some(99)), Health::Refused(refused));
        assert_eq!(health(true, Some(101)), Health::Fine);
        assert_eq!(
            health(false, None),
            Health::Fine,
            "not its tenant's to tell"
        );
    }

    #[test]
    fn a_pause_of_a_throttled_tenant_holds() {
        let (gate, key) = resumed(&status(Reason::Throttled, Scope::Service), true, None);
        assert_eq!(gate.not_before(&key, at(110)), Some(at(220)));
        let (gate, key) = resumed(&status(Reason::Pending, Scope::Service), true, None);
        assert_eq!(gate.not_before(&key, at(110)), None);
    }
}
