//! Processes of several shards, tenants whose tokens are due all the time, and what must hold of all that happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use defender_tenant_operator::core::shards::Buckets;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::failover::fleet::{Seen, lab, note};
use crate::support::{Attributed, Journaled, Lab, Member, Patience, eventually, guid};

pub const TENANTS: u64 = 36;
/// What each tenant is promised.
const PROMISED: SignedDuration = SignedDuration::from_secs(5);
/// A process acts so long after the start of its last accepted renewal, and what was begun may be on its way.
const TERM: SignedDuration = SignedDuration::from_millis(10_500);

pub struct Fleet {
    pub lab: Lab,
    /// Those that run.
    pub members: Vec<Member>,
    /// When one was killed or cut off: what it had under way may be lost.
    pub faults: Vec<Timestamp>,
    /// Mints were asked for: not all are due.
    pub forced: bool,
    /// How many shards there are, if that never changed.
    shards: Option<u32>,
    seen: Arc<Mutex<Vec<Seen>>>,
    watch: JoinHandle<()>,
}

impl Fleet {
    /// So many processes of so many shards, and tokens that live for so many seconds.
    pub async fn new(name: &str, processes: usize, shards: u32, lifetime: u64) -> Self {
        let args = ["--refresh-margin", "25", "--shards", &shards.to_string()];
        let lab = lab(name, &args).await;
        lab.emulator.lifetime(lifetime).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let watch = tokio::spawn(note(lab.secrets(), seen.clone()));
        let mut fleet = Self {
            lab,
            members: Vec::new(),
            faults: Vec::new(),
            forced: false,
            shards: Some(shards),
            seen,
            watch,
        };
        for _ in 0..processes {
            fleet.start().await;
        }
        fleet.whole(shards, Patience::seconds(60)).await;
        for n in 0..TENANTS {
            let spec = json!({"refresh": {"minRemainingSeconds": PROMISED.as_secs()}});
            fleet.lab.consented(&format!("t{n}"), &guid(n), spec).await;
        }
        for n in 0..TENANTS {
            fleet.lab.ready(&format!("t{n}")).await;
        }
        fleet
    }

    /// One more process; it is ready, whatever it holds.
    pub async fn start(&mut self) {
        let mut member = self.lab.member().await;
        member.operator.ready().await;
        self.members.push(member);
    }

    /// From now on processes are started for so many shards.
    pub fn wants(&mut self, shards: u32) {
        self.lab.flag("--shards", &shards.to_string());
        self.shards = None;
    }

    /// SIGTERM to the oldest.
    pub async fn stop_oldest(&mut self) {
        let mut member = self.members.remove(0);
        let status = member.operator.stop().await;
        assert_eq!(status.code(), Some(0), "{}", member.operator.tail());
    }

    /// How many shards each process says that it serves.
    pub async fn held(&self) -> Vec<usize> {
        let mut held = Vec::new();
        for member in &self.members {
            held.push(member.shards().await);
        }
        held
    }

    /// Waits until each of so many shards is served.
    pub async fn whole(&self, shards: u32, patience: Patience) {
        let wanted = usize::try_from(shards).expect("small");
        let found = crate::support::poll(patience, async || {
            (self.held().await.iter().sum::<usize>() == wanted).then_some(())
        })
        .await;
        if found.is_none() {
            let tails = self.members.iter().map(|member| member.operator.tail());
            panic!(
                "{:?} of {shards}: {}",
                self.held().await,
                tails.collect::<Vec<_>>().join("\n---\n")
            );
        }
    }

    /// The number in force, as its object says; 1 without one.
    pub async fn in_force(&self) -> u32 {
        let api: Api<Lease> = Api::namespaced(self.lab.arena.admin.clone(), &self.lab.home());
        let object = api.get_opt("defender-tenant-operator-shards").await;
        let Some(object) = object.expect("an answer") else {
            return 1;
        };
        let annotations = object.metadata.annotations.unwrap_or_default();
        let count = annotations["defendertenant.io/shards"].parse();
        count.expect("a number")
    }

    /// Which process serves most shards, or one.
    pub async fn a_holder(&self) -> usize {
        let held = self.held().await;
        held.iter().position(|held| *held > 0).expect("somebody")
    }

    /// Waits until so many more tokens came.
    pub async fn renewed(&self, more: usize) {
        let tokens = || self.seen.lock().expect("what was seen").len();
        let before = tokens();
        eventually("tokens are renewed", Patience::seconds(240), async || {
            (tokens() >= before + more).then_some(())
        })
        .await;
    }

    /// Ends all processes; and nothing was minted that wasn't due, nothing was missed, nothing was written by two.
    pub async fn finish(mut self) {
        for member in &mut self.members {
            let status = member.operator.stop().await;
            assert_eq!(status.code(), Some(0), "{}", member.operator.tail());
        }
        let seen = self.seen.lock().expect("what was seen").clone();
        let journal = self.lab.emulator.all_token_requests().await;
        let requests = self.lab.attributed();
        for n in 0..TENANTS {
            self.minted_when_due(n, &seen, &journal);
        }
        written_by_one(&requests);
        begun_in_term(&requests);
        if let Some(shards) = self.shards.filter(|shards| *shards > 1) {
            let tenants = self.lab.tenants().list(&ListParams::default()).await;
            for tenant in tenants.expect("a list") {
                let (uid, name) = (tenant.uid().expect("a UID"), tenant.name_any());
                let shard = (0..shards).find(|shard| Buckets::of(*shard, shards).has(&uid));
                served_by_its_shard(&requests, &name, shard.expect("one"));
            }
        }
        let writers: BTreeSet<_> = requests
            .iter()
            .filter(|r| !r.is_lease)
            .map(|r| &r.credential)
            .collect();
        println!(
            "{} tokens, {} mints, {} writers",
            seen.len(),
            journal.len(),
            writers.len()
        );
        self.watch.abort();
        self.lab.finish().await;
    }

    fn minted_when_due(&self, number: u64, seen: &[Seen], journal: &[Journaled]) {
        let secret = format!("t{number}-defender-token");
        let tokens: Vec<&Seen> = seen.iter().filter(|seen| seen.tenant == secret).collect();
        for pair in tokens.windows(2) {
            let [before, after] = pair else { continue };
            let early = before.refresh_at.duration_since(after.issued_at);
            assert!(
                self.forced || early <= SignedDuration::from_secs(1),
                "{secret}: {early:#} before it was due"
            );
            let left = before.expires_at.duration_since(after.at);
            assert!(left >= PROMISED, "{secret}: {left:#} were left");
        }
        let last = tokens.last().expect("one");
        assert!(
            last.expires_at > Timestamp::now() + PROMISED,
            "{secret}: forgotten"
        );
        let tenant = guid(number);
        let mut written: Vec<&&Seen> = tokens.iter().collect();
        for mint in journal
            .iter()
            .filter(|e| e.tenant.as_deref() == Some(&tenant))
        {
            assert_eq!(mint.outcome, "ok");
            let near = |seen: &&&Seen| {
                mint.at.duration_since(seen.issued_at).abs() < SignedDuration::from_secs(3)
            };
            if let Some(at) = written.iter().position(near) {
                written.remove(at);
                continue;
            }
            let lost = self.faults.iter().any(|at| {
                let from = *at - SignedDuration::from_secs(3);
                (from..=*at + TERM).contains(&mint.at)
            });
            assert!(lost, "{secret}: nobody needed {mint:?}");
        }
        assert!(
            written.is_empty(),
            "{secret}: {written:?} came from nowhere"
        );
    }
}

/// Of each Secret: who has written after somebody else never writes again.
fn written_by_one(requests: &[Attributed]) {
    let mut writers = BTreeMap::<&str, Vec<&str>>::new();
    let written = |r: &&Attributed| r.resource == "secrets" && r.verb == "patch" && r.code < 300;
    for request in requests.iter().filter(written) {
        let writers = writers.entry(&request.name).or_default();
        if writers.last() != Some(&request.credential.as_str()) {
            assert!(
                !writers.contains(&request.credential.as_str()),
                "{} is written by two: {request:?}",
                request.name
            );
            writers.push(&request.credential);
        }
    }
    assert!(!writers.is_empty());
}

/// Whoever writes a tenant's status or Secret has renewed the Lease of its shard a moment ago, not just any.
fn served_by_its_shard(requests: &[Attributed], tenant: &str, shard: u32) {
    let lease = format!("defender-tenant-operator-{shard}");
    let secret = format!("{tenant}-defender-token");
    let written = |r: &&Attributed| {
        let concerned = match r.resource.as_str() {
            "secrets" => r.name == secret,
            "defendertenants" => r.name == tenant,
            _ => false,
        };
        concerned && matches!(r.verb.as_str(), "patch" | "update")
    };
    let mut some = false;
    for request in requests.iter().filter(written) {
        some = true;
        let renewed = requests.iter().any(|r| {
            let ago = request.at.duration_since(r.at);
            // One that is made has no name in the log.
            let made = r.is_lease && r.verb == "create";
            (made || r.name == lease && r.verb == "update")
                && r.code < 300
                && r.credential == request.credential
                && (SignedDuration::ZERO..=TERM).contains(&ago)
        });
        assert!(renewed, "{lease} isn't its writer's: {request:?}");
    }
    assert!(some, "nothing was written for {tenant}");
}

/// Nobody begins anything without a Lease that was renewed a moment ago.
fn begun_in_term(requests: &[Attributed]) {
    for request in requests.iter().filter(|r| !r.is_lease) {
        let renewed = requests.iter().any(|lease| {
            let ago = request.at.duration_since(lease.at);
            let count = lease.name.ends_with("-shards");
            lease.is_lease
                && !count
                && matches!(lease.verb.as_str(), "create" | "update")
                && lease.code < 300
                && lease.credential == request.credential
                && (SignedDuration::ZERO..=TERM).contains(&ago)
        });
        assert!(renewed, "without a Lease: {request:?}");
    }
}
