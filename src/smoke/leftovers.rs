//! What runs left behind that were killed.

use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::objects::{LABEL, delete_application, delete_tenant, is_leftover};
use super::{Made, say};
use crate::controller::objects::{ApplicationObject, TenantObject};

/// Removes it. That it can't is told, and is no failure: this run makes its own.
pub async fn remove(made: &Made<'_>) {
    let params = ListParams::default().labels(&format!("{LABEL}=true"));
    let now = Timestamp::now();
    let tenants: Api<TenantObject> = Api::namespaced(made.client.clone(), &made.args.namespace);
    match tenants.list(&params).await {
        Err(error) => unseen("DefenderTenants", &error),
        Ok(list) => {
            for old in list.items.iter().filter(|o| is_leftover(&o.metadata, now)) {
                let removed = delete_tenant(&made.client, &old.key()).await;
                told(&format!("DefenderTenant {}", old.key()), removed);
            }
        }
    }
    if made.args.application_secret.is_none() {
        return;
    }
    let applications: Api<ApplicationObject> = Api::all(made.client.clone());
    match applications.list(&params).await {
        Err(error) => unseen("DefenderApplications", &error),
        Ok(list) => {
            for old in list.items.iter().filter(|o| is_leftover(&o.metadata, now)) {
                let name = old.name_any();
                let removed = delete_application(&made.client, &name).await;
                told(&format!("DefenderApplication {name}"), removed);
            }
        }
    }
}

fn unseen(what: &str, error: &kube::Error) {
    let why = match error {
        kube::Error::Api(status) if status.code == 403 => "this account may not list them",
        kube::Error::Api(status) if status.code == 404 => "there is no such CRD",
        _ => "the API server doesn't answer",
    };
    say(&format!(
        "note    {what} that earlier runs left behind aren't looked for: {why}"
    ));
}

fn told(what: &str, removed: Result<(), String>) {
    match removed {
        Ok(()) => say(&format!(
            "ok      {what}, which an earlier run left behind, is removed"
        )),
        Err(why) => say(&format!(
            "note    {what}, which an earlier run left behind, can't be removed: {why}"
        )),
    }
}
