//! The machine slept, or its clock was set.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use defender_tenant_operator::controller::context::{Clock, Context, Parts};
use defender_tenant_operator::controller::preflight::Scope;
use defender_tenant_operator::controller::shards::Shards;
use defender_tenant_operator::controller::{self, Events, KubeApi};
use defender_tenant_operator::core::gathered::{Policy, SecretRefPolicy};
use defender_tenant_operator::defender::probe::Prober;
use defender_tenant_operator::entra::client::TokenClient;
use defender_tenant_operator::entra::discovery::DiscoveryClient;
use defender_tenant_operator::entra::federated::TokenFile;
use defender_tenant_operator::entra::http::{self, ProxyChoice, Settings};
use defender_tenant_operator::lease::{Election, Leadership};
use defender_tenant_operator::metrics::Metrics;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::{Lab, Patience, Setup, client, eventually, guid, instant, rbac, run, token};

const TENANTS: u64 = 10;
const JUMP: i64 = 2 * 3600;

/// The machine's clock, and so many seconds.
#[derive(Clone, Default)]
struct Shifted(Arc<AtomicI64>);

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.0.load(Ordering::SeqCst));
        Timestamp::now().checked_add(ahead).expect("an instant")
    }
}

/// An operator in this process, with a clock of the test's.
struct InProcess {
    lab: Lab,
    clock: Shifted,
    stop: watch::Sender<bool>,
    controller: JoinHandle<()>,
}

impl InProcess {
    async fn new(name: &str) -> Self {
        let setup = Setup {
            no_operator: true,
            ..Setup::default()
        };
        let lab = Lab::with(name, setup).await;
        let token = rbac::token(&lab.arena.admin, &lab.ns).await;
        let cluster = lab.arena.cluster.lock().await;
        let kubeconfig = cluster.kubeconfig_for_token(lab.arena.server(), &token);
        drop(cluster);
        let kube = client(&kubeconfig).await;
        let proxy = ProxyChoice::new(Some(SecretString::from(lab.emulator.proxy_url())), |_| None);
        let settings = Settings {
            proxy,
            ca_bundle: Some(lab.emulator.ca_file().to_owned()),
            ..Settings::default()
        };
        let microsoft = http::build(&settings).expect("a client");
        let (metrics, clock) = (Metrics::new(), Shifted::default());
        let ctx = Context::new(Parts {
            leadership: Leadership::for_good(),
            shards: Shards::new(1, false),
            kube: KubeApi::new(kube.clone(), metrics.clone(), Leadership::for_good()),
            entra: TokenClient::new(microsoft.clone()),
            federated: TokenFile::default(),
            discovery: DiscoveryClient::new(microsoft.clone()),
            prober: Prober::new(microsoft, reqwest::header::HeaderValue::from_static("test")),
            events: Events::new(kube, None, Leadership::for_good()),
            metrics,
            clock: Arc::new(clock.clone()),
            policy: Policy {
                refresh_margin: SignedDuration::from_secs(120),
                target_metadata_allow: Vec::new(),
                secret_ref: SecretRefPolicy::Allow,
                namespace_selectors: false,
            },
            serves_cluster: true,
            operator_namespace: None,
            entra_rate: 500.0,
        });
        let (stop, stopped) = watch::channel(false);
        let scope = Scope {
            namespaces: vec![lab.ns.clone()],
            ..Scope::default()
        };
        let ready = Arc::new(AtomicBool::new(false));
        let mut election = Election::unopposed(&ctx.metrics);
        let controller = tokio::spawn(async move {
            let ctx = Arc::new(ctx);
            let ended = controller::run(ctx, scope, 8, ready, &mut election, stopped).await;
            ended.expect("it goes on until it is stopped");
        });
        lab.emulator.lifetime(3600).await;
        for n in 0..TENANTS {
            lab.consented(&format!("t{n}"), &guid(n), json!({})).await;
        }
        for n in 0..TENANTS {
            lab.ready(&format!("t{n}")).await;
        }
        Self {
            lab,
            clock,
            stop,
            controller,
        }
    }

    /// The clocks of this machine and of Microsoft are so many seconds ahead.
    async fn jump(&self, seconds: i64) {
        self.lab.emulator.clear_faults().await;
        if seconds != 0 {
            let skew = json!({"clockSkewSeconds": seconds});
            self.lab.emulator.fault(json!({}), None, skew).await;
        }
        self.clock.0.store(seconds, Ordering::SeqCst);
    }

    async fn mints(&self) -> u64 {
        self.lab.emulator.all_token_requests().await.len() as u64
    }

    async fn finish(self) {
        self.stop.send_replace(true);
        self.controller.await.expect("it ends");
        self.lab.finish().await;
    }
}

#[test]
fn after_a_sleep_of_two_hours_every_due_token_is_renewed_within_a_minute() {
    run(async {
        let operator = InProcess::new("slept").await;
        assert_eq!(operator.mints().await, TENANTS);
        operator.jump(JUMP).await;
        // Nothing tells the operator: it must look at the clock by itself.
        eventually("all are renewed", Patience::seconds(60), async || {
            for n in 0..TENANTS {
                let secret = operator.lab.target(&format!("t{n}")).await?;
                (instant(&secret, "expires-at")? > operator.clock.now()).then_some(())?;
            }
            Some(())
        })
        .await;
        let _ = operator.lab.settled().await;
        assert_eq!(operator.mints().await, 2 * TENANTS, "one each");
        for n in 0..TENANTS {
            operator.lab.ready(&format!("t{n}")).await;
        }
        operator.finish().await;
    });
}

#[test]
fn a_clock_that_is_set_back_two_hours_makes_no_storm() {
    run(async {
        let operator = InProcess::new("set-back").await;
        operator.jump(JUMP).await;
        eventually("all are renewed", Patience::seconds(60), async || {
            (operator.mints().await == 2 * TENANTS).then_some(())
        })
        .await;
        let _ = operator.lab.settled().await;
        let tokens = async || {
            let mut all = Vec::new();
            for n in 0..TENANTS {
                all.push(token(
                    &operator
                        .lab
                        .target(&format!("t{n}"))
                        .await
                        .expect("a Secret"),
                ));
            }
            all
        };
        let before = tokens().await;
        operator.jump(0).await;
        for round in 0..3 {
            for n in 0..TENANTS {
                operator.lab.poke(&format!("t{n}"), round).await;
            }
            let _ = operator.lab.settled().await;
        }
        let more = operator.mints().await - 2 * TENANTS;
        assert!(more <= TENANTS, "one each at the most: {more}");
        if more == 0 {
            assert_eq!(tokens().await, before);
        }
        // And it goes on: a new customer is served at once.
        operator.lab.consented("late", &guid(99), json!({})).await;
        operator.lab.ready("late").await;
        operator.finish().await;
    });
}
