//! The steps, from the resource to the API's answer.

use http::HeaderValue;
use jiff::Timestamp;
use kube::Api;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::objects::{self, Credential};
use super::trace::REQUEST;
use super::{LOOK_EVERY, Made, leftovers, say};
use crate::api::cloud::DefenderApi;
use crate::api::{GROUP, PLURAL, target_key};
use crate::controller::kubeapi::ApiError;
use crate::controller::objects::{SecretBody, controller_of};
use crate::core::errors::{Failure, Scope};
use crate::core::ids::{AccessToken, ApiUrl};
use crate::core::tenant::Tenant;
use crate::defender::hosts::front_doors;
use crate::defender::probe::{Prober, checks};

/// What fails at Microsoft or on the way there is tried so often.
const TRIES: usize = 3;
/// Microsoft asks partners for this form.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!(
    "MdePartner-Unnamed-DefenderTenantOperator/",
    env!("CARGO_PKG_VERSION")
));

/// All steps. The error says what to do.
pub async fn attempt(made: &Made<'_>, microsoft: &reqwest::Client) -> Result<(), String> {
    if let Some(now) = make(made).await? {
        leftovers::remove(made, now).await;
    }
    let tenant = until_ready(made).await?;
    let (token, url) = read_token(made, &tenant).await?;
    call(microsoft, url, &token).await
}

/// Makes it all. Returns what time it is by the API server's clock.
pub async fn make(made: &Made<'_>) -> Result<Option<Timestamp>, String> {
    let (args, name, run) = (made.args, &*made.tenant.name, &*made.run);
    let broken = |_| "a resource of this version can't be made".to_owned();
    let credential = match (&args.application_secret, args.client_id, &args.secret_ref) {
        (Some(secret), Some(client_id), _) => {
            let application = objects::application(
                name,
                client_id,
                secret,
                &args.namespace,
                args.tenant_id,
                run,
            )
            .map_err(broken)?;
            let api = Api::all(made.client.clone());
            let deadline = Instant::now() + REQUEST;
            made.application_trace
                .create(&api, &application, deadline)
                .await?;
            say(&format!("ok      DefenderApplication {name} is made"));
            Credential::Application(name)
        }
        (_, _, Some(secret)) => Credential::Secret(secret),
        _ => return Err("--application-secret with --client-id, or --secret-ref".to_owned()),
    };
    let tenant = objects::tenant(&made.tenant, args.tenant_id, credential, run).map_err(broken)?;
    let api = Api::namespaced(made.client.clone(), &args.namespace);
    let deadline = Instant::now() + REQUEST;
    let now = made.tenant_trace.create(&api, &tenant, deadline).await?;
    say(&format!("ok      DefenderTenant {} is made", made.tenant));
    Ok(now)
}

async fn until_ready(made: &Made<'_>) -> Result<Tenant, String> {
    let begun = Instant::now();
    let patience = made.args.patience();
    let deadline = begun + patience;
    let mut last = String::new();
    loop {
        match timeout_at(deadline, made.kube.tenant(&made.tenant)).await {
            Err(_) if last.is_empty() => objects::SILENT.clone_into(&mut last),
            Err(_) => {}
            Ok(Ok(object)) => {
                let Some(tenant) = object.into_tenant() else {
                    return Err(
                        "the API server gives back another shape: install the CRDs of this version"
                            .to_owned(),
                    );
                };
                if objects::is_ready(&tenant.status, tenant.generation) {
                    let took = begun.elapsed().as_secs();
                    say(&format!("ok      it is Ready, after {took} s"));
                    return Ok(tenant);
                }
                let now = objects::not_ready(&tenant.status);
                if now != last {
                    say(&format!("...     {now}"));
                    last = now;
                }
            }
            Ok(Err(ApiError::NotFound)) => {
                return Err("somebody deleted the DefenderTenant".to_owned());
            }
            Ok(Err(ApiError::Forbidden)) => {
                return Err(objects::lacks(
                    "get",
                    GROUP,
                    PLURAL,
                    Some(&made.tenant.namespace),
                ));
            }
            Ok(Err(error)) => last = error.to_string(),
        }
        if Instant::now() + LOOK_EVERY > deadline {
            let seconds = patience.as_secs();
            return Err(format!(
                "DefenderTenant {} isn't Ready within {seconds} s: {last}",
                made.tenant
            ));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The token, and where it is good. What a Secret says is an address only if it is one of Microsoft's.
async fn read_token(made: &Made<'_>, tenant: &Tenant) -> Result<(AccessToken, ApiUrl), String> {
    let secret = match made.kube.read(&made.target).await {
        Ok(secret) => secret,
        Err(ApiError::Forbidden) => {
            return Err(objects::lacks(
                "get",
                "",
                "secrets",
                Some(&made.target.namespace),
            ));
        }
        Err(error) => return Err(format!("Secret {} can't be read: {error}", made.target)),
    };
    let owner = controller_of(&secret.metadata).map(|owner| owner.uid.as_str());
    if owner != Some(&tenant.uid) {
        return Err(format!("Secret {} isn't the tenant's", made.target));
    }
    let text = |name: &str| text_of(&secret, name);
    let token = text(target_key::TOKEN).filter(|token| !token.is_empty());
    let mut token = token.ok_or_else(|| format!("Secret {} holds no token", made.target))?;
    let url = text(target_key::API_URL);
    let door =
        front_doors().find(|door| url.as_ref().is_some_and(|url| url.as_str() == door.url.0));
    let url = door.map(|door| door.url).ok_or_else(|| {
        format!(
            "the key api-url of Secret {} is no API of Microsoft's",
            made.target
        )
    })?;
    say(&format!("ok      Secret {} holds a token", made.target));
    Ok((AccessToken::new(std::mem::take(&mut *token)), url))
}

fn text_of(secret: &SecretBody, name: &str) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(secret.data.get(name)?).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}

async fn call(microsoft: &reqwest::Client, url: ApiUrl, token: &AccessToken) -> Result<(), String> {
    let check = checks(DefenderApi::Endpoint)
        .iter()
        .find(|check| check.role == objects::ROLE)
        .copied()
        .ok_or("there is no call for this role")?;
    let prober = Prober::new(microsoft.clone(), USER_AGENT);
    let mut tries = 1;
    loop {
        match prober.probe(url, check, token).await {
            Ok(()) => {
                say(&format!("ok      {url}{} takes the token", check.path));
                return Ok(());
            }
            Err(failure) if failure.verdict.scope == Scope::Service && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(failure) => return Err(explained(url, check.path, &failure)),
        }
    }
}

fn explained(url: ApiUrl, path: &str, failure: &Failure) -> String {
    let support = failure
        .correlation_id
        .map(|id| format!(" (Microsoft's support knows it as {id})"))
        .unwrap_or_default();
    let reason = failure.verdict.reason;
    format!(
        "{url}{path} doesn't take the token: {} What to do: docs/runbook.md, {reason}{support}",
        failure.verdict.detail
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::http;

    #[test]
    fn a_refusal_is_explained_and_names_its_entry_in_the_runbook() {
        let failure = Failure {
            correlation_id: uuid::Uuid::try_parse("7f5b0a58-1c0b-4b63-9d37-0f1d2a3b4c5d").ok(),
            ..Failure::from(http(503))
        };
        let text = explained(ApiUrl("https://api"), "/x", &failure);
        let expected = format!(
            "https://api/x doesn't take the token: {} What to do: docs/runbook.md, ServiceUnavailable (Microsoft's support knows it as 7f5b0a58-1c0b-4b63-9d37-0f1d2a3b4c5d)",
            failure.verdict.detail
        );
        assert_eq!(text, expected);
    }
}
