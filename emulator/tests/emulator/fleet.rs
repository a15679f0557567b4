//! Ten thousand customers.

use std::time::Instant;

use serde_json::{Value, json};

use crate::bed::{Bed, CLIENT, LOGIN, SECRET};

const TENANTS: usize = 10_000;
const WORKERS: usize = 16;
const MINTS: usize = 2_000;

fn tenant(index: usize) -> String {
    format!("aaaaaaaa-0000-4000-8000-{index:012}")
}

/// Also tells how many mints a second a debug build does: `cargo test fleet -- --nocapture`.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_tenants_are_put_at_once_and_minted() {
    let bed = Bed::empty().await;
    bed.put_application(json!({"secrets": [SECRET]})).await;
    let fleet: Vec<Value> = (0..TENANTS)
        .map(|index| json!({"tenantId": tenant(index), "consents": {CLIENT: ["Alert.Read.All", "Machine.Read.All"]}}))
        .collect();
    let start = Instant::now();
    bed.put("/v1/tenants", fleet.into()).await;
    eprintln!("PUT of {TENANTS} tenants: {:?}", start.elapsed());

    let bed = std::sync::Arc::new(bed);
    let start = Instant::now();
    let workers = (0..WORKERS).map(|worker| {
        let bed = bed.clone();
        tokio::spawn(async move {
            for index in (worker..MINTS).step_by(WORKERS) {
                let (status, body) = bed
                    .ask_with(LOGIN, &tenant(index * TENANTS / MINTS), &[])
                    .await;
                assert_eq!(status, 200, "{body}");
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let rate = MINTS as u128 * 1000 / start.elapsed().as_millis();
    eprintln!("{rate} mints a second, client included");
    assert_eq!(
        bed.get_control("/v1/counters").await["token"],
        json!({"ok": MINTS})
    );
    assert_eq!(bed.journal().await.len(), MINTS);
}
