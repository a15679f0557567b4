//! Every rule of the CRD: what is accepted, and with which words the rest is refused.

use serde_json::{Value, json};

/// Accepted, or refused with this text.
pub type Verdict = Result<(), &'static str>;

/// Accepted.
pub const OK: Verdict = Ok(());
const TARGET_NAME: &str =
    "target.name must be a name that a Secret can have: lower-case letters, digits, '-' and '.'";
const SECRET_NAME: &str =
    "secretRef.name must be the name of a Secret: lower-case letters, digits, '-' and '.'";
const RESERVED_LABELS: &str = "labels of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved: remove them";
const RESERVED_ANNOTATIONS: &str = "annotations of kubernetes.io, k8s.io, defendertenant.io and reloader.stakater.com are reserved: remove them";
const LABEL_VALUE: &str = "a label's value has at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";
const ROLE: &str = "a role is a name such as Alert.Read.All (the value of the roles claim): letters, digits and dots";
const HUNTING: &str = "advanced hunting (AdvancedHunting.*, AdvancedQuery.*, ThreatHunting.*) exists in plan Plan2 only: remove the role from requiredRoles, or set plan to Plan2 if that is what the customer has";
const ENDPOINT_ONLY: &str = "AdvancedQuery.* are roles of api Endpoint only: set api to Endpoint, or remove the role from requiredRoles";
const XDR_ONLY: &str = "AdvancedHunting.*, Incident.* are roles of api XDR only: set api to XDR, or remove the role from requiredRoles";
const GRAPH_ONLY: &str = "SecurityAlert.*, SecurityIncident.*, ThreatHunting.* are roles of api Graph only: set api to Graph, or remove the role from requiredRoles";
const NOT_A_GUID: &str = "tenantId must be the GUID of the customer tenant in lower case, not a domain or name. It is on the page entra.microsoft.com > Overview of the customer, or the GUID in \"issuer\" at https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration";
const NO_CUSTOMER: &str = "is not a customer: give the tenant id of the one customer, a GUID. The tenant id is on the page entra.microsoft.com > Overview of the customer.";
const NIL: &str = "the nil GUID is a placeholder, not a customer: give the customer's tenant id. The tenant id is on the customer's page entra.microsoft.com > Overview";
const PERSONAL: &str = "this is the tenant of personal Microsoft accounts (\"consumers\"), not a customer: give the customer's tenant id.";
const SECONDS: &str = "minRemainingSeconds must be from 5 to 43200 (12 hours)";

fn labels(count: usize) -> Value {
    (0..count)
        .map(|n| (format!("team{n}"), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Field by field: a change to a good spec, and what becomes of it.
#[rustfmt::skip]
pub fn cases() -> Vec<(Value, Verdict)> {
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
        (json!({"api": "Endpoint"}), OK),
        (json!({"api": "XDR"}), OK),
        (json!({"api": "Graph"}), OK),
        (json!({"api": "Azure"}), Err("supported values: \"Endpoint\", \"XDR\", \"Graph\"")),
        (json!({"plan": "Plan3"}), Err("supported values: \"Plan1\", \"Plan2\", \"Business\"")),
        (json!({"plan": "Plan2", "requiredRoles": ["AdvancedQuery.Read.All"]}), OK),
        (json!({"plan": "Plan1", "requiredRoles": ["Alert.Read.All"]}), OK),
        (json!({"plan": "Plan1", "requiredRoles": ["AdvancedQuery.Read.All"]}), Err(HUNTING)),
        (json!({"plan": "Business", "requiredRoles": ["Alert.Read.All", "AdvancedQuery.Read.All"]}), Err(HUNTING)),
        (json!({"plan": "Plan1", "api": "XDR", "requiredRoles": ["Incident.Read.All"]}), OK),
        (json!({"plan": "Plan1", "api": "XDR", "requiredRoles": ["AdvancedHunting.Read.All"]}), Err(HUNTING)),
        (json!({"plan": "Plan2", "api": "XDR", "requiredRoles": ["AdvancedHunting.Read.All"]}), OK),
        (json!({"plan": "Business", "api": "Graph", "requiredRoles": ["SecurityAlert.Read.All"]}), OK),
        (json!({"plan": "Business", "api": "Graph", "requiredRoles": ["ThreatHunting.Read.All"]}), Err(HUNTING)),
        (json!({"plan": "Business", "requiredRoles": ["Vulnerability.Read.All"]}), OK),
        (json!({"api": "XDR", "requiredRoles": ["AdvancedQuery.Read.All"]}), Err(ENDPOINT_ONLY)),
        (json!({"api": "Graph", "requiredRoles": ["Some.Role", "AdvancedQuery.Read.All"]}), Err(ENDPOINT_ONLY)),
        (json!({"api": "XDR", "requiredRoles": ["Incident.ReadWrite.All", "AdvancedHunting.Read.All"]}), OK),
        (roles(json!(["Incident.Read.All"])), Err(XDR_ONLY)),
        (roles(json!(["AdvancedHunting.Read.All"])), Err(XDR_ONLY)),
        (json!({"api": "Graph", "requiredRoles": ["Incident.Read.All"]}), Err(XDR_ONLY)),
        (json!({"api": "Graph", "requiredRoles": ["SecurityIncident.Read.All", "SecurityAlert.Read.All", "ThreatHunting.Read.All"]}), OK),
        (roles(json!(["SecurityIncident.Read.All"])), Err(GRAPH_ONLY)),
        (roles(json!(["SecurityAlert.Read.All"])), Err(GRAPH_ONLY)),
        (json!({"api": "XDR", "requiredRoles": ["ThreatHunting.Read.All"]}), Err(GRAPH_ONLY)),
        (json!({"api": "Graph", "requiredRoles": ["CustomDetections.ReadWrite.All"]}), OK),
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
    ]
}
