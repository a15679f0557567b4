//! Many customers that fail slowly in one namespace, and a few that are well in another.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{CLIENT, Lab, Patience, Setup, condition, eventually, guid, run};

const NOISY: u64 = 300;
const QUIET: u64 = 5;
/// `--concurrency`'s default.
const SLOTS: f64 = 32.0;
/// With every slot taken by requests that hang for 20 s, a namespace that has nobody being served has slots of its own.
const ONE_REQUEST: Duration = Duration::from_secs(10);
/// An operator with a few hundred tenants has some tens of MiB; one that keeps a few 64 MiB bodies has hundreds.
const MEMORY_MAX_KIB: u64 = 200 * 1024;

/// The most memory that the process with this namespace in its command line has ever had.
fn peak_kib(ns: &str) -> u64 {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mine = processes.map(|entry| entry.path()).find(|path: &PathBuf| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("defender-tenant-operator\0run") && line.contains(ns)
    });
    let status =
        std::fs::read_to_string(mine.expect("the operator").join("status")).expect("a status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = peak.and_then(|peak| peak.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("VmHWM")
}

#[test]
fn three_hundred_slow_and_failing_tenants_of_one_namespace_delay_nobody_elses() {
    run(async {
        let setup = Setup {
            more_namespaces: vec!["noisy"],
            // A trace of three hundred retries would be what takes the time.
            args: ["--log-level", "info"].map(str::to_owned).into(),
            ..Setup::default()
        };
        let lab = Lab::with("fair", setup).await;
        let noisy = format!("{}-noisy", lab.ns);
        // The credential is known to work: one that isn't asks one question at a time.
        lab.consented("first", &guid(QUIET), json!({})).await;
        lab.ready("first").await;
        let ids: Vec<String> = (1000..1000 + NOISY).map(guid).collect();
        lab.emulator.fleet(&ids, CLIENT, &["Alert.Read.All"]).await;
        // No resets among them: all requests of a login host share a connection, and a reset ends all of it.
        let faults = [
            json!({"latencyMs": 30_000}),
            json!({"body": "huge"}),
            json!({"body": "html"}),
            json!({"body": "slow"}),
        ];
        for (id, fault) in ids.iter().zip(faults.iter().cycle()) {
            lab.emulator.token_fault(id, fault.clone()).await;
        }
        let label = json!({"defendertenant.io/credential": "true"});
        let keys = [
            ("client-id", CLIENT),
            ("client-secret", lab.secret.as_str()),
        ];
        lab.secret_in(&noisy, "partner", label, &keys).await;
        for (n, id) in ids.iter().enumerate() {
            let spec = json!({"tenantId": id});
            lab.tenant_in(&noisy, &format!("n{n}"), spec).await;
        }
        let running = "defender_tenant_queue_depth{queue=\"running\"}";
        lab.eventually("no slot is free", async || {
            (lab.operator.metric(running).await >= SLOTS).then_some(())
        })
        .await;

        let began = Instant::now();
        for n in 0..QUIET {
            lab.consented(&format!("t{n}"), &guid(n), json!({})).await;
        }
        for n in 0..QUIET {
            let name = format!("t{n}");
            let patience = Patience::seconds(25);
            lab.until(&name, "ready in spite of it", patience, |tenant| {
                condition(tenant, "Ready").is_some_and(|c| c.status == "True")
            })
            .await;
        }
        let took = began.elapsed();
        eventually("every kind of answer", Patience::default(), async || {
            let asked = lab.emulator.all_token_requests().await.len() as u64;
            (asked > NOISY / 2).then_some(())
        })
        .await;
        let peak = peak_kib(&lab.ns);
        assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
        assert!(took < ONE_REQUEST, "{took:?}");
        lab.finish().await;
    });
}
