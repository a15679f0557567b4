//! `metrics.md`

use std::collections::BTreeMap;

use defender_tenant_operator::controller::scrape::SCRAPED;
use defender_tenant_operator::core::errors::Scope;
use defender_tenant_operator::metrics::{Metrics, PREFIX};

use crate::markdown::{code, head, table};

/// What is known of a family after reading a scrape.
#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: Vec<String>,
}

pub fn page() -> String {
    let mut text = head(
        "Metrics",
        "`GET /metrics` on the port of `--listen`, in the OpenMetrics text format. Every set of label values is closed, \
         but for `namespace` and `name`. A histogram `x` has the series `x_bucket`, `x_sum` and `x_count`; a counter has \
         the suffix `_total`.",
    );
    text += "\n## Counters and histograms\n";
    let rows: Vec<_> = families()
        .into_iter()
        .map(|(name, family)| {
            let name = match family.kind.as_str() {
                "counter" => format!("{name}_total"),
                "info" => format!("{name}_info"),
                _ => name,
            };
            let labels: Vec<_> = family.labels.iter().map(|label| code(label)).collect();
            [
                code(&name),
                family.kind,
                dash_if_empty(labels.join(", ")),
                family.help,
            ]
        })
        .collect();
    text += &table(["name", "type", "labels", "meaning"], &rows);
    text += "\n## Gauges\n\nRead when somebody asks, so that a deleted tenant leaves no series behind. Those with `name` are \
             there once for each tenant, unless `--tenant-metrics false`.\n";
    let rows = SCRAPED.map(|gauge| {
        let labels: Vec<_> = gauge.labels.iter().map(|label| code(label)).collect();
        [
            code(&format!("{PREFIX}_{}", gauge.name)),
            "gauge".to_owned(),
            dash_if_empty(labels.join(", ")),
            gauge.help.to_owned(),
        ]
    });
    text += &table(["name", "type", "labels", "meaning"], &rows);
    text += "\n## Labels\n";
    let mut labels: Vec<_> = families()
        .into_values()
        .flat_map(|family| family.labels)
        .collect();
    labels.extend(
        SCRAPED
            .iter()
            .flat_map(|gauge| gauge.labels)
            .map(ToString::to_string),
    );
    labels.sort();
    labels.dedup();
    let rows: Vec<_> = labels
        .into_iter()
        .map(|label| [code(&label), values(&label)])
        .collect();
    text + &table(["label", "values"], &rows)
}

fn dash_if_empty(text: String) -> String {
    if text.is_empty() {
        "–".to_owned()
    } else {
        text
    }
}

/// Every family that the registry has, with one series each.
fn families() -> BTreeMap<String, Family> {
    let metrics = Metrics::new();
    metrics.mint("ok", "None");
    metrics.probe("ok");
    metrics.discovery("found");
    metrics.api_timer("get_secret").done("ok");
    metrics.reconcile_timer().done("ok");
    read(&metrics.render())
}

fn read(scrape: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    for line in scrape.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                help.trim_end_matches('.')
                    .clone_into(&mut families.entry(name.to_owned()).or_default().help);
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
            }
            (Some(series), ..) => {
                let Some((name, labels)) = series.split_once('{') else {
                    continue;
                };
                let family = families
                    .iter_mut()
                    .rev()
                    .find(|(family, _)| name.starts_with(family.as_str()));
                let Some((_, family)) = family else { continue };
                family.labels = labels
                    .split(',')
                    .filter_map(|pair| pair.split_once('='))
                    .map(|(label, _)| label.to_owned())
                    .filter(|label| label != "le")
                    .collect();
            }
            _ => {}
        }
    }
    families
}

/// What stands in a label. A label that isn't here ends the program: it wants a word.
fn values(label: &str) -> String {
    match label {
        "name" => "name of the DefenderTenant".to_owned(),
        "namespace" => "its namespace".to_owned(),
        "version" => "the operator's version".to_owned(),
        "outcome" => {
            "how it ended. Token requests: `ok`, `mismatch` (a token that isn't the one asked for) or a condition \
             [reason](../runbook.md). Requests to the API server: `ok`, `not_found`, `conflict`, `invalid`, `forbidden`, \
             `namespace_terminating`, `refused`, `unreachable`. Reconciles: `ok`, `panic`, `timeout`. Probes: `ok`, \
             `fails`, `unknown`. Questions where a tenant lives: `found`, `not_found`, `unclear`, `throttled`, \
             `unavailable`"
                .to_owned()
        }
        "scope" => {
            let scopes = [Scope::Credential, Scope::Tenant, Scope::Service].map(|scope| code(scope.as_str()));
            format!("whom a failed token request concerns: {}; `None` without a failure", scopes.join(", "))
        }
        "request" => "`create_secret`, `delete_secret`, `get_application`, `get_metadata`, `get_namespace`, `get_secret`, \
                      `get_tenant`, `patch_secret`, `put_application_status`, `put_status`"
            .to_owned(),
        "ready" => "status of the condition Ready: `True`, `False`, `Unknown`".to_owned(),
        "reason" => "reason of the condition Ready: see the [runbook](../runbook.md)".to_owned(),
        "application" => "name of the DefenderApplication".to_owned(),
        "credential" => "name of one of its credentials".to_owned(),
        "state" => "`closed` (accepted), `proving` (new: its first request is under way), `propagating` (fresh, and not \
                    known everywhere at Microsoft yet), `open` (refused: one request a step); of \
                    an application's credential also `unusable` (no Secret, or no credential in it)"
            .to_owned(),
        "queue" => "`ready`, `parked`, `discovery`, `running`".to_owned(),
        unknown => panic!("say in tools/docs/src/metrics.rs what the label {unknown} holds"),
    }
}
