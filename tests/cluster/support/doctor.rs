//! The operator's other programs, with a lab's settings: `doctor` and `smoke-test`.

use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::arena::MANAGER;
use super::lab::Lab;
use super::operator::AMBIENT;
use super::rbac;

/// Flags of `run` that the doctor has, too, and that have a value.
const SHARED: [&str; 5] = [
    "--kubeconfig",
    "--watch-namespaces",
    "--operator-namespace",
    "--https-proxy",
    "--ca-bundle",
];

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The doctor's report.
#[derive(Debug)]
pub struct Told {
    /// Exit code.
    pub code: Option<i32>,
    /// The JSON.
    pub report: Value,
}

impl Told {
    /// The lines of a check, as result and text: subject, what was found, what to do.
    pub fn lines(&self, check: &str) -> Vec<(String, String)> {
        let lines = self.report["checks"].as_array().expect("checks").iter();
        lines
            .filter(|line| line["name"] == check)
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap_or_default();
                (
                    text("result").to_owned(),
                    format!(
                        "{} | {} | {}",
                        text("subject"),
                        text("found"),
                        text("advice")
                    ),
                )
            })
            .collect()
    }

    /// There is such a line, and it contains all of this.
    pub fn says(&self, check: &str, result: &str, texts: &[&str]) {
        let lines = self.lines(check);
        let found = lines
            .iter()
            .any(|(r, text)| r == result && texts.iter().all(|part| text.contains(part)));
        assert!(found, "{check} {result} {texts:?}: {lines:#?}");
    }

    /// The checks that have a line with this result.
    pub fn with(&self, result: &str) -> Vec<String> {
        let lines = self.report["checks"].as_array().expect("checks").iter();
        let mut names: Vec<_> = lines
            .filter(|line| line["result"] == result)
            .map(|line| line["name"].as_str().expect("a name").to_owned())
            .collect();
        names.dedup();
        names
    }
}

impl Lab {
    /// Runs the doctor as the operator would run, some flags otherwise.
    pub async fn doctor(&self, more: &[&str]) -> Told {
        let ended = self
            .doctor_says(&[&["--output", "json"], more].concat())
            .await;
        let report = serde_json::from_str(&ended.stdout)
            .unwrap_or_else(|error| panic!("{error}: {} {}", ended.stdout, ended.stderr));
        Told {
            code: ended.code,
            report,
        }
    }

    /// The same, in words.
    pub async fn doctor_says(&self, more: &[&str]) -> Ended {
        let mut args = vec!["doctor".to_owned()];
        for pair in self.invocation.args.windows(2) {
            let known = SHARED.contains(&pair[0].as_str());
            if known && !more.contains(&pair[0].as_str()) {
                args.extend(pair.to_vec());
            }
        }
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        self.program(&args).await
    }

    /// Runs the smoke test as an administrator.
    pub async fn smoke_test(&self, more: &[&str]) -> Ended {
        let kubeconfig = self.admin_kubeconfig().await;
        let mut args = vec!["smoke-test".to_owned()];
        args.extend(["--kubeconfig".to_owned(), kubeconfig]);
        for flag in ["--https-proxy", "--ca-bundle"] {
            let mut known = self.invocation.args.windows(2);
            let pair = known.rfind(|pair| pair[0] == flag);
            args.extend(pair.expect("a lab has it").to_vec());
        }
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        self.program(&args).await
    }

    /// A file with the administrator's kubeconfig.
    pub async fn admin_kubeconfig(&self) -> String {
        let path = self.folder.path().join("admin.kubeconfig");
        let server = self.arena.server().to_owned();
        let text = self
            .arena
            .cluster
            .lock()
            .await
            .kubeconfig_for_server(&server);
        std::fs::write(&path, text).expect("a kubeconfig");
        path.to_string_lossy().into_owned()
    }

    /// The file with the operator's own.
    pub fn operator_kubeconfig(&self) -> String {
        let path = self.folder.path().join("operator.kubeconfig");
        path.to_string_lossy().into_owned()
    }

    /// A started program, whose output is read when it has ended.
    pub async fn spawn(&self, args: &[String]) -> tokio::process::Child {
        let binary = env!("CARGO_BIN_EXE_defender-tenant-operator");
        let mut command = self.arena.cluster.lock().await.command(binary);
        for name in AMBIENT {
            command.env_remove(name);
        }
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        tokio::process::Command::from(command)
            .spawn()
            .expect("the program starts")
    }

    /// Its end. Nothing secret stands in what it said.
    pub async fn end(&self, child: tokio::process::Child) -> Ended {
        let output = child.wait_with_output().await.expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let ended = Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        };
        self.search("standard output", &ended.stdout);
        self.search("standard error", &ended.stderr);
        ended
    }

    async fn program(&self, args: &[String]) -> Ended {
        let child = self.spawn(args).await;
        self.end(child).await
    }

    /// The operator's account may look at Leases of any name, and not only at its own.
    pub async fn may_see_leases(&self, home: &str) {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "leases", "namespace": home},
            "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"]}],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "leases", "namespace": home},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "leases"},
            "subjects": [{"kind": "ServiceAccount", "name": rbac::ACCOUNT, "namespace": home}],
        });
        rbac::apply(&self.arena.admin, &format!("{role}\n---\n{binding}")).await;
        rbac::allowed(
            &self.arena.admin,
            home,
            Some(home),
            "update",
            "leases",
            true,
        )
        .await;
    }

    /// A Lease that isn't the operator's own, renewed so many seconds ago.
    pub async fn lease(&self, home: &str, name: &str, holder: &str, age: i64) {
        let renewed = Timestamp::now() - SignedDuration::from_secs(age);
        let body = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": format!("{name}-0"), "namespace": home},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": format!("{renewed:.6}")},
        });
        let api: Api<Lease> = Api::namespaced(self.arena.admin.clone(), home);
        let params = PatchParams::apply(MANAGER).force();
        api.patch(&format!("{name}-0"), &params, &Patch::Apply(&body))
            .await
            .expect("a Lease");
    }

    /// One that somebody renews until the test ends, as an operator whose clock is so many seconds behind does.
    pub async fn renewed_lease(&self, home: &str, name: &str, holder: &str, age: i64) {
        self.lease(home, name, holder, age).await;
        let api: Api<Lease> = Api::namespaced(self.arena.admin.clone(), home);
        let name = format!("{name}-0");
        tokio::spawn(async move {
            let params = PatchParams::default();
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                let renewed = Timestamp::now() - SignedDuration::from_secs(age);
                let body = json!({"spec": {"renewTime": format!("{renewed:.6}")}});
                // A miss is mended by the next one; when the test is over, there is none.
                let _ = api.patch(&name, &params, &Patch::Merge(&body)).await;
            }
        });
    }
}
