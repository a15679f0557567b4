//! What runs left behind that were killed.

use std::fmt::Debug;

use jiff::Timestamp;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::objects::{self, LABEL, SILENT};
use super::trace::{Deleted, REQUEST, delete};
use super::{Made, say};
use crate::api::{APPLICATION_PLURAL, PLURAL};
use crate::controller::objects::{ApplicationObject, TenantObject};

/// So many are removed by one run at the most.
const MOST: u32 = 100;

/// Removes it. That it can't is told, and is no failure: this run makes its own.
pub async fn remove(made: &Made<'_>, now: Timestamp) {
    let deadline = Instant::now() + REQUEST;
    let namespace = &made.args.namespace;
    let tenants: Api<TenantObject> = Api::namespaced(made.client.clone(), namespace);
    let place = Some(namespace.as_str());
    of(&tenants, ("DefenderTenant", PLURAL, place), now, deadline).await;
    if made.args.application_secret.is_some() {
        let applications: Api<ApplicationObject> = Api::all(made.client.clone());
        let kind = ("DefenderApplication", APPLICATION_PLURAL, None);
        of(&applications, kind, now, deadline).await;
    }
}

async fn of<K>(
    api: &Api<K>,
    (kind, plural, namespace): (&str, &str, Option<&str>),
    now: Timestamp,
    deadline: Instant,
) where
    K: Clone + Debug + DeserializeOwned + Resource,
{
    let params = ListParams::default()
        .labels(&format!("{LABEL}=true"))
        .limit(MOST);
    let why = match timeout_at(deadline, api.list(&params)).await {
        Ok(Ok(list)) => {
            for old in &list.items {
                let Some(seen) = objects::leftover(old.meta(), now) else {
                    continue;
                };
                let name = old.name_any();
                let why = match delete(api, &name, seen, deadline).await {
                    Ok(Deleted::Gone) => None,
                    Ok(Deleted::Another) => Some("somebody changed it just now".to_owned()),
                    Err(Some(error)) => Some(objects::refusal(&error, "delete", plural, namespace)),
                    Err(None) => Some(SILENT.to_owned()),
                };
                told(&format!("{kind} {name}"), why);
            }
            return;
        }
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => "this account may not list them",
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => "there is no such CRD",
        Ok(Err(_)) | Err(_) => SILENT,
    };
    say(&format!(
        "note    {kind}s that earlier runs left behind aren't looked for: {why}"
    ));
}

fn told(what: &str, why: Option<String>) {
    match why {
        None => say(&format!(
            "ok      {what}, which an earlier run left behind, is removed"
        )),
        Some(why) => say(&format!(
            "note    {what}, which an earlier run left behind, can't be removed: {why}"
        )),
    }
}
