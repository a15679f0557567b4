//! `defender-tenant-operator smoke-test`: what `helm test` runs.

use kube::api::ListParams;
use serde_json::json;

use crate::support::{CLIENT, Ended, Lab, Setup, guid, run};

/// What a run made.
const MADE: &str = "defendertenant.io/smoke-test=true";

impl Lab {
    /// Nothing of a run is left, its target Secret neither.
    async fn is_clean(&self) {
        let params = ListParams::default().labels(MADE);
        let tenants = self.tenants().list(&params).await.expect("tenants");
        assert_eq!(tenants.items.len(), 0);
        let applications = self
            .applications()
            .list(&params)
            .await
            .expect("applications");
        assert_eq!(applications.items.len(), 0);
        let secrets = self
            .secrets()
            .list(&ListParams::default())
            .await
            .expect("Secrets");
        let targets = secrets
            .items
            .iter()
            .filter_map(|secret| secret.metadata.name.as_deref());
        let targets: Vec<_> = targets
            .filter(|name| name.starts_with("smoke-test-"))
            .collect();
        assert_eq!(targets, Vec::<&str>::new());
    }

    fn by_secret(&self, id: &str) -> Vec<String> {
        [
            "--namespace",
            &self.ns,
            "--tenant-id",
            id,
            "--secret-ref",
            "partner",
        ]
        .map(str::to_owned)
        .into()
    }
}

fn steps(ended: &Ended) -> Vec<&str> {
    let lines = ended.stdout.lines().filter(|line| line.starts_with("ok "));
    lines.map(|line| line["ok".len()..].trim_start()).collect()
}

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn a_secret_of_the_namespace_gives_a_token_that_the_api_takes_and_nothing_is_left() {
    run(async {
        let lab = Lab::new("smoke").await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let ended = lab.smoke_test(&strs(&lab.by_secret(&guid(1)))).await;
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{ended:?}"
        );
        let steps = steps(&ended);
        for (step, part) in steps.iter().zip([
            "is made",
            "it is Ready",
            "holds a token",
            "/api/alerts?$top=1 takes the token",
            "are gone",
            "all of it works",
        ]) {
            assert!(step.contains(part), "{part}: {}", ended.stdout);
        }
        assert_eq!(steps.len(), 6, "{}", ended.stdout);
        let journal = lab.emulator.journal().await;
        let calls: Vec<_> = journal
            .iter()
            .filter(|e| e.kind == "api")
            .map(|e| (e.host.as_str(), e.outcome.as_str()))
            .collect();
        assert_eq!(calls, [("api.security.microsoft.com", "ok")]);
        lab.is_clean().await;
        lab.finish().await;
    });
}

#[test]
fn an_application_is_made_for_the_customer_and_removed_with_it() {
    run(async {
        let lab = Lab::of_applications("smoke-app", Setup::default()).await;
        lab.home_credential("partner", &lab.secret).await;
        lab.emulator
            .consented(&guid(1), CLIENT, &["Alert.Read.All"])
            .await;
        let ns = lab.ns.clone();
        let args = [
            "--namespace",
            &ns,
            "--tenant-id",
            &guid(1),
            "--application-secret",
            "partner",
            "--client-id",
            CLIENT,
        ];
        let ended = lab.smoke_test(&args).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            steps(&ended)[0].starts_with("DefenderApplication smoke-test-"),
            "{}",
            ended.stdout
        );
        lab.is_clean().await;
        lab.finish().await;
    });
}

#[test]
fn a_customer_who_has_not_consented_is_told_and_nothing_is_left() {
    run(async {
        let lab = Lab::of_applications("smoke-no", Setup::default()).await;
        lab.home_credential("partner", &lab.secret).await;
        lab.emulator.tenant(&guid(1), &json!({})).await;
        let ns = lab.ns.clone();
        let common = [
            "--namespace",
            &ns,
            "--tenant-id",
            &guid(1),
            "--timeout",
            "8",
        ];
        for credential in [
            &["--application-secret", "partner", "--client-id", CLIENT][..],
            &["--secret-ref", "partner"],
        ] {
            let ended = lab.smoke_test(&[&common[..], credential].concat()).await;
            assert_eq!(ended.code, Some(1), "{ended:?}");
            let expected = "isn't Ready within 8 s: Ready=False ConsentRequired:";
            assert!(ended.stderr.contains(expected), "{ended:?}");
            assert!(
                ended
                    .stdout
                    .contains(&format!("FAILED  DefenderTenant {ns}/smoke-test-")),
                "{ended:?}"
            );
            lab.is_clean().await;
        }
        lab.finish().await;
    });
}

#[test]
fn a_token_that_the_api_refuses_is_explained() {
    run(async {
        let lab = Lab::new("smoke-403").await;
        // A role, but not the one that the call needs.
        lab.emulator
            .consented(&guid(1), CLIENT, &["Machine.Read.All"])
            .await;
        let ended = lab.smoke_test(&strs(&lab.by_secret(&guid(1)))).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended.stderr.contains("doesn't take the token")
                && ended.stderr.contains("RolesMissing"),
            "{ended:?}"
        );
        lab.is_clean().await;
        lab.finish().await;
    });
}

#[test]
fn sigterm_removes_what_was_made() {
    run(async {
        let lab = Lab::with(
            "smoke-term",
            Setup {
                no_operator: true,
                ..Setup::default()
            },
        )
        .await;
        let mut args = vec!["smoke-test".to_owned()];
        args.extend(["--kubeconfig".to_owned(), lab.admin_kubeconfig().await]);
        args.extend(lab.by_secret(&guid(1)));
        args.extend([
            "--ca-bundle".to_owned(),
            lab.emulator.ca_file().to_string_lossy().into_owned(),
        ]);
        let child = lab.spawn(&args).await;
        let id = child.id().expect("it runs").to_string();
        let params = ListParams::default().labels(MADE);
        lab.eventually("the tenant is made", async || {
            let tenants = lab.tenants().list(&params).await.ok()?;
            (tenants.items.len() == 1).then_some(())
        })
        .await;
        let status = std::process::Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &id])
            .status();
        assert!(status.expect("sh").success());
        let ended = lab.end(child).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended.stdout.contains("FAILED  stopped by SIGTERM"),
            "{ended:?}"
        );
        assert!(ended.stdout.contains("are gone"), "{ended:?}");
        lab.is_clean().await;
        lab.finish().await;
    });
}

#[test]
fn a_missing_namespace_and_a_missing_permission_are_told() {
    run(async {
        let lab = Lab::with(
            "smoke-deny",
            Setup {
                no_operator: true,
                ..Setup::default()
            },
        )
        .await;
        let args = [
            "--namespace",
            "no-such-namespace",
            "--tenant-id",
            &guid(1),
            "--secret-ref",
            "partner",
        ];
        let ended = lab.smoke_test(&args).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            ended
                .stderr
                .contains("there is no namespace no-such-namespace"),
            "{ended:?}"
        );
        // The operator's own account creates no tenant.
        let mut args = vec!["smoke-test".to_owned(), "--kubeconfig".to_owned()];
        args.push(lab.operator_kubeconfig());
        args.extend(lab.by_secret(&guid(1)));
        args.extend([
            "--ca-bundle".to_owned(),
            lab.emulator.ca_file().to_string_lossy().into_owned(),
        ]);
        let child = lab.spawn(&args).await;
        let ended = lab.end(child).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let expected = format!(
            "may not create defendertenants in namespace {}: grant it apiGroups: [defendertenant.io]",
            lab.ns
        );
        assert!(ended.stderr.contains(&expected), "{ended:?}");
        lab.finish().await;
    });
}
