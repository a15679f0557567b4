//! What the API server takes and refuses: every rule of the CRD has a case of each, and each refusal says what to do.

use defender_tenant_operator::api::DefenderTenant;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{Arena, crd, crd_bytes, guid, overlay, run};

/// Accepted, or refused with this text.
type Verdict = Result<(), &'static str>;

const OK: Verdict = Ok(());
const TARGET_NAME: &str =
    "target.name must be a name that a Secret can have: lower-case letters, digits, '-' and '.'";
const SECRET_NAME: &str =
    "secretRef.name must be the name of a Secret: lower-case letters, digits, '-' and '.'";
const RESERVED_LABELS: &str = "labels of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved: remove them";
const RESERVED_ANNOTATIONS: &str = "annotations of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved: remove them";
const LABEL_VALUE: &str = "a label's value has at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";
const ROLE: &str = "a role is a name such as Alert.Read.All (the value of the roles claim): letters, digits and dots";
const HUNTING: &str = "advanced hunting (AdvancedQuery.*) exists in plan Plan2 only: remove the role from requiredRoles, or set plan to Plan2 if that is what the customer has";
const FRONT_DOORS: &str = "only cloud Commercial has regional front doors: leave region out (or set it to global) for GCC, GCCHigh and DoD";
const NOT_A_GUID: &str = "tenantId must be the GUID of the customer tenant in lower case, not a domain or name. It is on the page entra.microsoft.com > Overview of the customer, or the GUID in \"issuer\" at https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration";
const NO_CUSTOMER: &str = "is not a customer: give the tenant id of the one customer, a GUID. The tenant id is on the page entra.microsoft.com > Overview of the customer.";
const NIL: &str = "the nil GUID is a placeholder, not a customer: give the customer's tenant id. The tenant id is on the customer's page entra.microsoft.com > Overview";
const PERSONAL: &str = "this is the tenant of personal Microsoft accounts (\"consumers\"), not a customer: give the customer's tenant id.";
const SECONDS: &str = "minRemainingSeconds must be from 5 to 43200 (12 hours)";

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

fn labels(count: usize) -> Value {
    (0..count)
        .map(|n| (format!("team{n}"), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Field by field: a change to a good spec, and what becomes of it.
#[rustfmt::skip]
fn cases() -> Vec<(Value, Verdict)> {
    let id = |id: &str| json!({"tenantId": id});
    let target = |target: Value| json!({"target": target});
    let roles = |roles: Value| json!({"requiredRoles": roles});
    let many: Vec<String> = (0..65).map(|n| format!("Role{n}.Read")).collect();
    vec![
        (json!({}), OK),
        (id("common"), Err(NO_CUSTOMER)),
        (id("organizations"), Err(NO_CUSTOMER)),
        (id("consumers"), Err(NO_CUSTOMER)),
        (id("contoso.onmicrosoft.com"), Err(NOT_A_GUID)),
        (id("Contoso Ltd"), Err("https://login.microsoftonline.com/<domain>/v2.0/")),
        (id(""), Err("tenantId must be the GUID of the customer tenant in lower case")),
        (id("6B1F0F3E-5C0A-4D9B-9A43-0D5F5A1C7E10"), Err("tenantId must be in lower case: 6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10")),
        (id("{6B1F0F3E-5C0A-4D9B-9A43-0D5F5A1C7E10}"), Err("tenantId must be written without braces: 6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10")),
        (id("6b1f0f3e5c0a4d9b9a430d5f5a1c7e10"), Err("tenantId must be the GUID")),
        (id("00000000-0000-0000-0000-000000000000"), Err(NIL)),
        (id("9188040d-6c67-4c5b-b112-36a304b66dad"), Err(PERSONAL)),
        (id(&"a".repeat(254)), Err("may not be more than 253 bytes")),
        (json!({"tenantId": 7}), Err("must be of type string")),
        (json!({"cloud": "GCC"}), OK),
        (json!({"cloud": "GCCHigh"}), OK),
        (json!({"cloud": "DoD", "region": "global"}), OK),
        (json!({"cloud": "China"}), Err("supported values: \"Commercial\", \"GCC\", \"GCCHigh\", \"DoD\"")),
        (json!({"region": "aea"}), OK),
        (json!({"region": "mars"}), Err("supported values: \"global\", \"us\", \"eu\", \"uk\", \"au\", \"swa\", \"ina\", \"aea\"")),
        (json!({"cloud": "GCC", "region": "us"}), Err(FRONT_DOORS)),
        (json!({"cloud": "GCCHigh", "region": "eu"}), Err(FRONT_DOORS)),
        (json!({"cloud": "DoD", "region": "us"}), Err(FRONT_DOORS)),
        (json!({"api": "Endpoint"}), OK),
        (json!({"api": "Graph"}), Err("supported values: \"Endpoint\"")),
        (json!({"plan": "Plan3"}), Err("supported values: \"Plan1\", \"Plan2\", \"Business\"")),
        (json!({"plan": "Plan2", "requiredRoles": ["AdvancedQuery.Read.All"]}), OK),
        (json!({"plan": "Plan1", "requiredRoles": ["Alert.Read.All"]}), OK),
        (json!({"plan": "Plan1", "requiredRoles": ["AdvancedQuery.Read.All"]}), Err(HUNTING)),
        (json!({"plan": "Business", "requiredRoles": ["Alert.Read.All", "AdvancedQuery.Read.All"]}), Err(HUNTING)),
        (roles(json!(["AdvancedQuery.Read.All"])), OK),
        (roles(json!(["Some.Unknown.Role"])), OK),
        (roles(json!(["Alert.Read.All", "Alert.Read.All"])), Err("Duplicate value")),
        (roles(json!(["Alert Read"])), Err(ROLE)),
        (roles(json!(["https://x/.default"])), Err(ROLE)),
        (roles(json!(["Alert..Read"])), Err(ROLE)),
        (roles(json!([""])), Err("should be at least 1 chars long")),
        (roles(json!(["R".repeat(129)])), Err("may not be more than 128 bytes")),
        (roles(json!(many[..64])), OK),
        (roles(json!(many)), Err("must have at most 64 items")),
        (json!({"missingRolePolicy": "Withhold"}), OK),
        (json!({"missingRolePolicy": "Ignore"}), Err("supported values: \"Publish\", \"Withhold\"")),
        (json!({"secretRef": {"name": "partner.v2"}}), OK),
        (json!({"secretRef": {"name": "Partner"}}), Err(SECRET_NAME)),
        (json!({"secretRef": {"name": "soc/partner"}}), Err(SECRET_NAME)),
        (json!({"secretRef": {"name": ""}}), Err("should be at least 1 chars long")),
        (json!({"secretRef": {"name": "s".repeat(254)}}), Err("may not be more than 253 bytes")),
        (target(json!({"name": "contoso-token"})), OK),
        (target(json!({"name": "Contoso"})), Err(TARGET_NAME)),
        (target(json!({"name": ""})), Err("should be at least 1 chars long")),
        (target(json!({"name": "t".repeat(254)})), Err("may not be more than 253 bytes")),
        (target(json!({"name": "partner"})), Err("the target Secret can't be the credential Secret: choose another target.name")),
        (target(json!({"formats": ["Header", "Json", "Env"]})), OK),
        (target(json!({"formats": ["Yaml"]})), Err("supported values: \"Header\", \"Json\", \"Env\"")),
        (target(json!({"formats": ["Json", "Json"]})), Err("Duplicate value")),
        (target(json!({"labels": {"team": "soc", "example.com/cost": "4711"}})), OK),
        (target(json!({"labels": {"app.kubernetes.io/name": "x"}})), Err(RESERVED_LABELS)),
        (target(json!({"labels": {"defendertenant.io/credential": "true"}})), Err(RESERVED_LABELS)),
        (target(json!({"labels": {"team": "-x"}})), Err(LABEL_VALUE)),
        (target(json!({"labels": {"team": "x".repeat(64)}})), Err("may not be more than 63 bytes")),
        (target(json!({"labels": labels(16)})), OK),
        (target(json!({"labels": labels(17)})), Err("must have at most 16 items")),
        (target(json!({"annotations": {"example.com/note": "any text: ü"}})), OK),
        (target(json!({"annotations": {"reloader.stakater.com/match": "true"}})), Err(RESERVED_ANNOTATIONS)),
        (target(json!({"annotations": {"kubectl.kubernetes.io/x": "true"}})), Err(RESERVED_ANNOTATIONS)),
        (target(json!({"annotations": {"note": "x".repeat(4097)}})), Err("may not be more than 4096 bytes")),
        (target(json!({"annotations": labels(17)})), Err("must have at most 16 items")),
        (target(json!({"expiredTokenPolicy": "Empty"})), OK),
        (target(json!({"expiredTokenPolicy": "Keep"})), Err("supported values: \"Delete\", \"Empty\"")),
        (json!({"refresh": {"minRemainingSeconds": 5}}), OK),
        (json!({"refresh": {"minRemainingSeconds": 43200}}), OK),
        (json!({"refresh": {"minRemainingSeconds": 4}}), Err(SECONDS)),
        (json!({"refresh": {"minRemainingSeconds": 43201}}), Err(SECONDS)),
        (json!({"refresh": {"minRemainingSeconds": "600"}}), Err("must be of type integer")),
        (json!({"probe": "Daily"}), OK),
        (json!({"probe": "Hourly"}), Err("supported values: \"Never\", \"OnChange\", \"Daily\"")),
        (json!({"suspend": true}), OK),
        (json!({"applicationRef": {"name": "x"}}), Err("unknown field \"spec.applicationRef\"")),
    ]
}

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
                "no secretRef",
                "contoso",
                &json!({"tenantId": guid(1)}),
                Err("spec.secretRef: Required value"),
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
                "NAME READY REASON TENANT REGION EXPIRES AGE SECRET CREDENTIAL MESSAGE",
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
    assert!(crd_bytes() < 100 * 1024, "{} bytes", crd_bytes());
    assert_eq!(crd()["kind"], "CustomResourceDefinition");
}
