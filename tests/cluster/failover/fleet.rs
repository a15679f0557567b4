//! Two processes, some tenants whose tokens live for a minute and a half, and what is seen of their Secrets.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{Lab, Member, Patience, Setup, eventually, guid, instant, poll};

pub const TENANTS: u64 = 20;
/// What each tenant is promised.
pub const PROMISED: SignedDuration = SignedDuration::from_secs(5);
/// Tokens live so long.
const LIFETIME: u64 = 90;

/// A token as it was seen in a Secret.
#[derive(Debug, Clone)]
pub struct Seen {
    pub tenant: String,
    pub at: Timestamp,
    pub issued_at: Timestamp,
    pub refresh_at: Timestamp,
    pub expires_at: Timestamp,
}

pub struct Fleet {
    pub lab: Lab,
    /// Those that run.
    pub members: Vec<Member>,
    /// Those that have ended.
    pub former: Vec<Member>,
    pub seen: Arc<Mutex<Vec<Seen>>>,
    watch: JoinHandle<()>,
}

/// A lab whose operator isn't one process.
pub async fn lab(name: &str, args: &[&str]) -> Lab {
    let setup = Setup {
        no_operator: true,
        home: Some("home"),
        more_namespaces: vec!["home"],
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        ..Setup::default()
    };
    Lab::with(name, setup).await
}

/// Waits until one of them leads, and returns which.
pub async fn leader(members: &[Member]) -> usize {
    let found = poll(Patience::seconds(40), async || {
        for (index, member) in members.iter().enumerate() {
            if member.leads().await {
                return Some(index);
            }
        }
        None
    })
    .await;
    let tails = || members.iter().map(|member| member.operator.tail());
    found.unwrap_or_else(|| {
        panic!(
            "nobody leads: {}",
            tails().collect::<Vec<_>>().join("\n---\n")
        )
    })
}

impl Fleet {
    pub async fn new(name: &str) -> Self {
        // The margin pays for the time without a leader: 15 s, and a few more.
        let mut lab = lab(name, &["--refresh-margin", "25"]).await;
        lab.emulator.lifetime(LIFETIME).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let secrets: Api<Secret> = lab.secrets();
        let watch = tokio::spawn(note(secrets, seen.clone()));
        let mut members = vec![lab.member().await];
        members[0].operator.ready().await;
        leader(&members).await;
        let mut second = lab.member().await;
        second.operator.ready().await;
        members.push(second);
        for n in 0..TENANTS {
            // Their refreshes are spread over a quarter of a minute.
            let spec = json!({"refresh": {"minRemainingSeconds": PROMISED.as_secs() + i64::try_from(n % 15).expect("small")}});
            lab.consented(&format!("t{n}"), &guid(n), spec).await;
        }
        for n in 0..TENANTS {
            lab.ready(&format!("t{n}")).await;
        }
        Self {
            lab,
            members,
            former: Vec::new(),
            seen,
            watch,
        }
    }

    /// Takes the leader out of the running ones.
    pub async fn take_leader(&mut self) -> Member {
        let index = leader(&self.members).await;
        self.members.remove(index)
    }

    /// As many run as before.
    pub async fn fill(&mut self) {
        let mut member = self.lab.member().await;
        member.operator.ready().await;
        self.members.push(member);
    }

    /// How many tokens were seen in Secrets so far.
    pub fn tokens(&self) -> usize {
        self.seen.lock().expect("what was seen").len()
    }

    /// Waits until so many more tokens came.
    pub async fn renewed(&self, more: usize) {
        let before = self.tokens();
        eventually("tokens are renewed", Patience::seconds(90), async || {
            (self.tokens() >= before + more).then_some(())
        })
        .await;
    }

    /// Ends all processes, and the lab.
    pub async fn finish(mut self) {
        self.watch.abort();
        for member in &mut self.members {
            let status = member.operator.stop().await;
            assert_eq!(status.code(), Some(0), "{}", member.operator.tail());
        }
        self.lab.finish().await;
    }
}

pub async fn note(api: Api<Secret>, seen: Arc<Mutex<Vec<Seen>>>) {
    let watch = watcher(
        api,
        watcher::Config::default().labels("defendertenant.io/bucket"),
    )
    .default_backoff()
    .applied_objects();
    let mut watch = std::pin::pin!(watch);
    while let Some(secret) = watch.next().await {
        // One that is quiet for a minute is begun anew.
        let Ok(secret) = secret else { continue };
        let at = Timestamp::now();
        let (Some(issued_at), Some(refresh_at), Some(expires_at)) = (
            instant(&secret, "issued-at"),
            instant(&secret, "refresh-at"),
            instant(&secret, "expires-at"),
        ) else {
            continue;
        };
        let tenant = secret.name_any();
        let mut seen = seen.lock().expect("what was seen");
        let known = seen
            .iter()
            .any(|known: &Seen| known.tenant == tenant && known.issued_at == issued_at);
        if !known {
            seen.push(Seen {
                tenant,
                at,
                issued_at,
                refresh_at,
                expires_at,
            });
        }
    }
}
