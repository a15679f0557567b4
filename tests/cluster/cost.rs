//! What it costs: counted in Microsoft's journal and in the API server's audit log.

use serde_json::json;

use crate::support::{CLIENT, Count, Lab, Setup, condition, count, guid, run};

const FLEET: usize = 200;

fn counted(rows: &[(&str, usize)]) -> Count {
    rows.iter()
        .map(|(what, times)| ((*what).to_owned(), *times))
        .collect()
}

#[test]
fn two_hundred_customers_cost_two_hundred_mints_and_a_restart_none_and_no_write() {
    run(async {
        let args = ["--log-level", "debug"].map(str::to_owned).into();
        let mut lab = Lab::with(
            "fleet",
            Setup {
                args,
                ..Setup::default()
            },
        )
        .await;
        let ids: Vec<String> = (1..).map(guid).take(FLEET).collect();
        lab.emulator.fleet(&ids, CLIENT, &["Alert.Read.All"]).await;
        for (n, id) in ids.iter().enumerate() {
            lab.tenant(&format!("t{n:03}"), json!({"tenantId": id}))
                .await;
        }
        lab.all(FLEET, "Ready", |tenant| {
            condition(tenant, "Ready").is_some_and(|c| c.status == "True")
        })
        .await;
        let (journal, _) = lab.settled().await;
        assert_eq!(journal.len(), FLEET);
        let mut asked: Vec<_> = journal
            .into_iter()
            .filter_map(|entry| entry.tenant)
            .collect();
        asked.sort();
        assert_eq!(asked, ids, "each once");
        let writes = count(&lab.writes());
        assert_eq!(
            writes,
            counted(&[
                ("create secrets", FLEET),
                ("update defendertenants/status", FLEET)
            ])
        );

        let status = lab.operator.stop().await;
        assert_eq!(status.code(), Some(0));
        let before = lab.requests().len();
        lab.start().await;
        lab.operator.ready().await;
        let (journal, requests) = lab.settled().await;
        assert_eq!(journal.len(), FLEET, "no mint");
        let after = &requests[before..];
        let writes: Vec<_> = after.iter().filter(|request| request.is_write()).collect();
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(lab.operator.lines("mint").len(), 0);
        assert!(
            lab.operator
                .metrics()
                .await
                .contains("defender_tenant_ready{"),
            "it serves them"
        );
        lab.finish().await;
    });
}

#[test]
fn a_refresh_costs_one_token_request_and_two_requests_to_the_api_server() {
    run(async {
        let lab = Lab::new("refresh-cost").await;
        lab.emulator.lifetime(30).await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant(
            "contoso",
            json!({"tenantId": guid(1), "refresh": {"minRemainingSeconds": 5}}),
        )
        .await;
        lab.ready("contoso").await;
        let (journal, requests) = lab.settled().await;
        let (asked, before) = (journal.len(), requests.len());
        assert_eq!(asked, 1);
        lab.eventually("the token is renewed", async || {
            (lab.emulator.journal().await.len() > asked).then_some(())
        })
        .await;
        let (journal, requests) = lab.settled().await;
        assert_eq!(journal.len(), asked + 1);
        let cost = count(&requests[before..]);
        assert_eq!(
            cost,
            counted(&[("patch secrets", 1), ("update defendertenants/status", 1)])
        );
        lab.finish().await;
    });
}

#[test]
fn a_quiet_operator_asks_nothing_and_says_nothing() {
    run(async {
        let args = ["--log-level", "info"].map(str::to_owned).into();
        let lab = Lab::with(
            "quiet",
            Setup {
                args,
                ..Setup::default()
            },
        )
        .await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        lab.tenant("contoso", json!({"tenantId": guid(1)})).await;
        lab.reason("contoso", "True", "TokenPublished").await;
        let (journal, requests) = lab.settled().await;
        let lines = lab.operator.log().lines().count();
        // Something that concerns nobody.
        let labels = json!({"team": "x"});
        lab.secret_in(&lab.ns, "foreign", labels, &[("a", "b")])
            .await;
        let again = lab.settled().await;
        assert_eq!((again.0.len(), again.1), (journal.len(), requests));
        assert_eq!(
            lab.operator.log().lines().count(),
            lines,
            "{}",
            lab.operator.tail()
        );
        lab.finish().await;
    });
}
