//! What the API server takes and refuses: every rule of the CRD has a case of each, and each refusal says what to do.

use defender_tenant_operator::api::DefenderTenant;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::crd_cases::{OK, Verdict, cases};
use crate::support::{Arena, crd, crd_bytes, guid, overlay, run};

/// Requests that change nothing: a namespace of its own keeps names free.
struct Table {
    api: Api<DefenderTenant>,
    ns: String,
}

impl Table {
    async fn new(arena: &Arena) -> Self {
        let ns = format!("crd-{}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}});
        let namespaces: Api<Namespace> = Api::all(arena.admin.clone());
        let namespace = serde_json::from_value(body).expect("a namespace");
        namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .expect("a namespace");
        Self {
            api: Api::namespaced(arena.admin.clone(), &ns),
            ns,
        }
    }

    /// POSTs an object of any shape.
    async fn post(&self, name: &str, spec: &Value, dry: bool) -> Result<Value, String> {
        let body = json!({
            "apiVersion": "defendertenant.io/v1alpha1", "kind": "DefenderTenant",
            "metadata": {"name": name, "namespace": self.ns}, "spec": spec,
        });
        let query = if dry {
            "?dryRun=All&fieldValidation=Strict"
        } else {
            ""
        };
        let path = format!(
            "/apis/defendertenant.io/v1alpha1/namespaces/{}/defendertenants{query}",
            self.ns
        );
        let request = http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .expect("a request");
        self.api
            .clone()
            .into_client()
            .request(request)
            .await
            .map_err(text)
    }

    async fn check(&self, what: &str, name: &str, spec: &Value, verdict: Verdict) {
        agree(what, self.post(name, spec, true).await.map(drop), verdict);
    }
}

fn text(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => panic!("{other}"),
    }
}

fn agree(what: &str, outcome: Result<(), String>, verdict: Verdict) {
    match (outcome, verdict) {
        (Ok(()), Ok(())) => {}
        (Err(message), Err(expected)) => assert!(message.contains(expected), "{what}: {message}"),
        (Err(message), Ok(())) => panic!("{what} is refused: {message}"),
        (Ok(()), Err(expected)) => panic!("{what} is accepted, should be refused: {expected}"),
    }
}

fn spec(changes: Value) -> Value {
    overlay(
        json!({"tenantId": guid(1), "secretRef": {"name": "partner"}}),
        changes,
    )
}

const ONE_REFERENCE: &str = "give exactly one of applicationRef (a DefenderApplication that grants this namespace this tenant) and secretRef";

#[test]
fn every_rule_accepts_and_refuses_with_what_to_write_instead() {
    run(async {
        let table = Table::new(&*Arena::shared().await).await;
        for (change, verdict) in cases() {
            table
                .check(
                    &change.to_string(),
                    "contoso",
                    &spec(change.clone()),
                    verdict,
                )
                .await;
        }
        table
            .check(
                "no reference",
                "contoso",
                &json!({"tenantId": guid(1)}),
                Err(ONE_REFERENCE),
            )
            .await;
        table
            .check(
                "both references",
                "contoso",
                &spec(json!({"applicationRef": {"name": "soc-reader"}})),
                Err(ONE_REFERENCE),
            )
            .await;
        let application =
            |name: &str| json!({"tenantId": guid(1), "applicationRef": {"name": name}});
        table
            .check("an application", "contoso", &application("soc-reader"), OK)
            .await;
        table
            .check(
                "no application's name",
                "contoso",
                &application("soc/reader"),
                Err("applicationRef.name must be the name of a DefenderApplication: lower-case letters, digits, '-' and '.'"),
            )
            .await;
        table
            .check(
                "no tenantId",
                "contoso",
                &json!({"secretRef": {"name": "partner"}}),
                Err("spec.tenantId: Required value"),
            )
            .await;
    });
}

/// Regions that there are, by cloud and API, as Microsoft's pages list them.
fn front_doors(cloud: &str, api: &str) -> &'static [&'static str] {
    match (cloud, api) {
        ("Commercial", "Endpoint" | "XDR") => {
            &["global", "us", "eu", "uk", "au", "swa", "ina", "aea"]
        }
        _ => &["global"],
    }
}

#[test]
fn a_region_that_an_api_does_not_have_in_a_cloud_is_refused_with_those_that_it_has() {
    run(async {
        let table = Table::new(&*Arena::shared().await).await;
        let mut accepted = 0;
        for cloud in ["Commercial", "GCC", "GCCHigh", "DoD"] {
            for api in ["Endpoint", "XDR", "Graph"] {
                for region in ["global", "us", "eu", "uk", "au", "swa", "ina", "aea"] {
                    let change = json!({"cloud": cloud, "api": api, "region": region});
                    let outcome = table.post("contoso", &spec(change), true).await;
                    if front_doors(cloud, api).contains(&region) {
                        outcome.unwrap_or_else(|e| panic!("{cloud} {api} {region}: {e}"));
                        accepted += 1;
                        continue;
                    }
                    let message = outcome.expect_err("refused");
                    // Older API servers name the value's type in between.
                    let expected = format!(
                        "api {api} in cloud {cloud} has no front door in region {region}: set region to global"
                    );
                    let at_field = message.contains("spec.region: Invalid value: ");
                    assert!(at_field && message.contains(&expected), "{message}");
                }
            }
        }
        assert_eq!(accepted, 26);
    });
}

#[test]
fn names_that_would_make_a_bad_target_are_refused() {
    const LONG: &str = "the target Secret's default name, <name>-defender-token, would be longer than the 253 characters that Kubernetes allows: choose a shorter name or set spec.target.name";
    const OWN: &str = "the target Secret's default name, <name>-defender-token, is the credential Secret's: set spec.target.name to another one";
    run(async {
        let table = Table::new(&*Arena::shared().await).await;
        let named = json!({"target": {"name": "short"}});
        let token_for =
            |name: &str| json!({"secretRef": {"name": format!("{name}-defender-token")}});
        table
            .check("238", &"n".repeat(238), &spec(json!({})), OK)
            .await;
        table
            .check("239", &"n".repeat(239), &spec(json!({})), Err(LONG))
            .await;
        table
            .check("239, named", &"n".repeat(239), &spec(named.clone()), OK)
            .await;
        table
            .check(
                "its credential",
                "contoso",
                &spec(token_for("contoso")),
                Err(OWN),
            )
            .await;
        table
            .check("another's", "contoso", &spec(token_for("fabrikam")), OK)
            .await;
        table
            .check(
                "its credential, named",
                "contoso",
                &spec(overlay(token_for("contoso"), named)),
                OK,
            )
            .await;
    });
}

#[test]
fn tenant_and_cloud_stay_but_for_a_move_between_commercial_and_gcc() {
    const TENANT: &str =
        "tenantId can't be changed: delete this resource and create one for the other customer";
    const CLOUD: &str = "cloud can only be changed between Commercial and GCC: delete this resource and create one with the other cloud";
    run(async {
        let table = Table::new(&*Arena::shared().await).await;
        for (cloud, change, verdict) in [
            ("Commercial", json!({"tenantId": guid(2)}), Err(TENANT)),
            ("Commercial", json!({"cloud": "GCC"}), OK),
            ("GCC", json!({"cloud": "Commercial"}), OK),
            ("Commercial", json!({"cloud": "GCCHigh"}), Err(CLOUD)),
            ("GCC", json!({"cloud": "DoD"}), Err(CLOUD)),
            ("GCCHigh", json!({"cloud": "DoD"}), Err(CLOUD)),
            ("DoD", json!({"cloud": "Commercial"}), Err(CLOUD)),
            (
                "Commercial",
                json!({"region": "eu", "api": "Endpoint", "plan": "Plan1", "suspend": true}),
                OK,
            ),
            ("Commercial", json!({"region": "eu", "api": "XDR"}), OK),
            ("Commercial", json!({"api": "Graph"}), OK),
            (
                "Commercial",
                json!({"secretRef": {"name": "other"}, "target": {"name": "other-token"}}),
                OK,
            ),
        ] {
            let name = cloud.to_lowercase();
            let _ = table
                .post(&name, &spec(json!({"cloud": cloud})), false)
                .await;
            let params = PatchParams {
                dry_run: true,
                ..PatchParams::default()
            };
            let patch = Patch::Merge(json!({"spec": change}));
            let outcome = table
                .api
                .patch(&name, &params, &patch)
                .await
                .map(drop)
                .map_err(text);
            agree(&format!("{cloud}: {change}"), outcome, verdict);
        }
    });
}

#[test]
fn what_is_left_out_has_its_default_and_a_new_object_is_not_taken_for_a_finished_one() {
    run(async {
        let table = Table::new(&*Arena::shared().await).await;
        let made = table
            .post("contoso", &spec(json!({})), true)
            .await
            .expect("accepted");
        let expected = json!({
            "tenantId": guid(1), "secretRef": {"name": "partner"},
            "cloud": "Commercial", "region": "global", "api": "Endpoint", "requiredRoles": [],
            "missingRolePolicy": "Publish", "probe": "Never", "suspend": false,
            "refresh": {"minRemainingSeconds": 600},
            "target": {"formats": [], "labels": {}, "annotations": {}, "expiredTokenPolicy": "Delete"},
        });
        assert_eq!(made["spec"], expected);
        assert_eq!(made["status"], json!({"observedGeneration": -1}));
    });
}

#[test]
fn tenants_are_selected_by_customer_and_by_credential() {
    run(async {
        let table = Table::new(&*Arena::shared().await).await;
        for n in 1..=3 {
            let credential = if n == 3 { "other" } else { "partner" };
            let one = json!({"tenantId": guid(n), "secretRef": {"name": credential}});
            table
                .post(&format!("t{n}"), &one, false)
                .await
                .expect("accepted");
        }
        for (field, value, expected) in [
            ("spec.tenantId", guid(2), vec!["t2"]),
            (
                "spec.secretRef.name",
                "partner".to_owned(),
                vec!["t1", "t2"],
            ),
        ] {
            let params = ListParams::default().fields(&format!("{field}={value}"));
            let list = table.api.list(&params).await.expect("selectable");
            let names: Vec<_> = list
                .items
                .iter()
                .filter_map(|tenant| tenant.metadata.name.as_deref())
                .collect();
            assert_eq!(names, expected, "{field}");
        }
    });
}

#[test]
fn kubectl_shows_who_is_ready_and_what_to_do() {
    run(async {
        let arena = Arena::shared().await;
        let table = Table::new(&arena).await;
        table
            .post("contoso", &spec(json!({"region": "eu"})), false)
            .await
            .expect("accepted");
        for (wide, expected) in [
            (false, "NAME READY REASON TENANT REGION EXPIRES AGE"),
            (
                true,
                "NAME READY REASON TENANT REGION EXPIRES AGE SECRET CREDENTIAL APPLICATION MESSAGE",
            ),
        ] {
            let mut kubectl = arena.cluster.lock().await.command("kubectl");
            kubectl.args(["get", "dt", "-n", &table.ns]);
            if wide {
                kubectl.args(["-o", "wide"]);
            }
            let output = kubectl.output().expect("kubectl");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let header: Vec<_> = text
                .lines()
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();
            assert_eq!(header.join(" "), expected);
            let row = text.lines().nth(1).unwrap_or_default();
            assert!(
                row.starts_with("contoso") && row.contains(&guid(1)) && row.contains("eu"),
                "{row}"
            );
            assert_eq!(row.contains("partner"), wide, "{row}");
        }
        let output = arena
            .cluster
            .lock()
            .await
            .command("kubectl")
            .args(["get", "defender", "-n", &table.ns, "-o", "name"])
            .output();
        let text = String::from_utf8_lossy(&output.expect("kubectl").stdout).into_owned();
        assert_eq!(
            text.trim(),
            "defendertenant.defendertenant.io/contoso",
            "the category"
        );
    });
}

#[test]
fn the_crd_is_small_enough_for_an_annotation() {
    // `kubectl apply` keeps a copy in an annotation, and all of those together have 256 KiB.
    for bytes in crd_bytes() {
        assert!(bytes < 100 * 1024, "{bytes} bytes");
    }
    assert_eq!(crd()["kind"], "CustomResourceDefinition");
}
