//! A restart finds what it needs in the Secrets, and asks Microsoft for nothing that isn't due.

use jiff::SignedDuration;
use kube::api::ListParams;
use serde_json::json;

use crate::support::{Lab, Patience, Setup, condition, count, eventually, guid, run};

const TENANTS: u8 = 20;

async fn fleet(lab: &Lab) {
    for n in 0..TENANTS {
        lab.consented(&format!("t{n}"), &guid(n.into()), json!({}))
            .await;
    }
    lab.all(usize::from(TENANTS), "ready", |tenant| {
        condition(tenant, "Ready").is_some_and(|c| c.status == "True")
    })
    .await;
}

/// Stops, does something, starts, and tells what the new process wrote.
async fn restart(lab: &mut Lab, meanwhile: impl AsyncFnOnce(&Lab)) -> Vec<crate::support::Request> {
    let _ = lab.settled().await;
    lab.operator.kill().await;
    let _ = lab.settled().await;
    let writes = lab.writes().len();
    meanwhile(lab).await;
    lab.start().await;
    lab.operator.ready().await;
    let _ = lab.settled().await;
    lab.writes().split_off(writes)
}

#[test]
fn a_restart_with_fresh_tokens_costs_no_mint_and_no_write() {
    run(async {
        let mut lab = Lab::new("restart").await;
        fleet(&lab).await;
        let writes = restart(&mut lab, async |_| {}).await;
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(
            lab.emulator.all_token_requests().await.len(),
            usize::from(TENANTS)
        );
        lab.finish().await;
    });
}

#[test]
fn statuses_that_were_wiped_come_back_without_a_mint() {
    run(async {
        let mut lab = Lab::new("wiped").await;
        fleet(&lab).await;
        let writes = restart(&mut lab, async |lab| {
            for n in 0..TENANTS {
                lab.wipe_status(&format!("t{n}")).await;
            }
        })
        .await;
        let told = count(&writes);
        assert_eq!(
            told["update defendertenants/status"],
            usize::from(TENANTS),
            "{told:?}"
        );
        assert!(
            !writes.iter().any(|write| write.resource == "secrets"),
            "{told:?}"
        );
        for n in 0..TENANTS {
            lab.ready(&format!("t{n}")).await;
        }
        // And while it runs.
        lab.wipe_status("t0").await;
        lab.until(
            "t0",
            "it speaks of its token",
            Patience::default(),
            |tenant| {
                tenant
                    .status
                    .as_ref()
                    .is_some_and(|status| status.token.is_some())
            },
        )
        .await;
        let _ = lab.settled().await;
        assert_eq!(
            lab.emulator.all_token_requests().await.len(),
            usize::from(TENANTS)
        );
        lab.finish().await;
    });
}

#[test]
fn a_breaker_that_was_open_is_open_after_a_restart_and_probes_when_its_time_has_come() {
    run(async {
        let setup = Setup {
            no_operator: true,
            ..Setup::default()
        };
        let mut lab = Lab::with("breaker", setup).await;
        let refused = json!({"aadsts": 7_000_215});
        lab.emulator
            .fault(json!({"endpoint": "token"}), None, refused)
            .await;
        for n in 0..TENANTS {
            lab.consented(&format!("t{n}"), &guid(n.into()), json!({}))
                .await;
        }
        // A credential that was there before isn't a fresh one, which would be tried more often.
        lab.start().await;
        let rejected = async |lab: &Lab| {
            lab.all(
                usize::from(TENANTS),
                "told that the credential is refused",
                |tenant| {
                    condition(tenant, "CredentialReady")
                        .is_some_and(|c| c.reason == "CredentialRejected")
                },
            )
            .await
        };
        rejected(&lab).await;
        let _ = lab.settled().await;
        let before = lab.emulator.all_token_requests().await.len();
        assert!(before <= 2, "one request tells it for all: {before}");

        lab.operator.kill().await;
        lab.start().await;
        lab.operator.ready().await;
        rejected(&lab).await;
        let tenants = lab
            .tenants()
            .list(&ListParams::default())
            .await
            .expect("200");
        let next = tenants.items.iter().filter_map(|tenant| {
            let attempt = tenant.status.as_ref()?.attempt.as_ref()?;
            Some(attempt.next_at.as_ref()?.0)
        });
        let next = next
            .max()
            .expect("whoever probed says when the next probe is");
        let probe = eventually("a probe", Patience::seconds(90), async || {
            lab.emulator.all_token_requests().await.get(before).cloned()
        })
        .await;
        let early = SignedDuration::from_secs(2);
        assert!(
            probe.at >= next.checked_sub(early).expect("an instant"),
            "{} before {next}",
            probe.at
        );
        let _ = lab.settled().await;
        assert_eq!(
            lab.emulator.all_token_requests().await.len(),
            before + 1,
            "one a step"
        );

        lab.emulator.clear_faults().await;
        lab.finish().await;
    });
}
