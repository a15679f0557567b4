//! The floor's process: reads its plan, says `ready`, waits for a line, works, says when it began.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderName, HeaderValue, Method, header};
use hyper::body::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::template::{Hole, Template, Templates};
use super::{AGENT, Done, Item, Plan, Work, hashes};
use crate::Result;
use crate::lab::{CLIENT, SECRET};
use crate::wire::{self, Place, Wire};

/// Requests in flight.
const IN_FLIGHT: usize = 16;
const LOGIN: &str = "login.microsoftonline.com";
const AUDIENCE: &str = "https://api.securitycenter.microsoft.com";
const ACCEPT_METADATA: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const MERGE: HeaderValue = HeaderValue::from_static("application/merge-patch+json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

struct Client {
    work: Work,
    server: Wire,
    login: Wire,
    form: Bytes,
    templates: Templates,
    api_url: String,
}

/// A customer, with all that can be known before.
struct Job {
    item: Item,
    bucket: String,
    mint_inputs: String,
    directory64: String,
    token_path: String,
    secret_path: String,
    status_path: String,
    /// From the mint to the refresh.
    refresh_after: SignedDuration,
}

/// The whole life of the process.
pub async fn run(plan: &Path) -> Result<()> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    let pace = plan.pace;
    let (client, jobs) = prepare(plan)?;
    println!("ready");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;

    let started = Timestamp::now();
    work(Arc::new(client), jobs, pace).await?;
    println!("{}", serde_json::to_string(&Done { started })?);
    std::io::stdout().flush()?;
    // Its CPU time is read before it goes.
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(())
}

async fn work(client: Arc<Client>, jobs: Vec<Job>, pace: Option<f64>) -> Result<()> {
    let begin = tokio::time::Instant::now();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let step = pace.map(|seconds| seconds / jobs.len() as f64);
    stream::iter(jobs.into_iter().enumerate())
        .map(|(n, job)| {
            let client = client.clone();
            async move {
                #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
                if let Some(step) = step {
                    // At whole seconds, as what the operator has to do: many at once cost the servers less.
                    let due = begin + Duration::from_secs_f64((step * n as f64).floor());
                    tokio::time::sleep_until(due).await;
                }
                client.serve(&job).await
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await
}

fn prepare(plan: Plan) -> Result<(Client, Vec<Job>)> {
    let bearer = format!("Bearer {}", plan.token);
    let place = Place {
        address: Some(plan.server),
        proxy: None,
        authority: plan.server.to_string(),
        tls: Some(wire::tls(plan.server_ca.as_bytes(), None, false)?),
    };
    // HTTP/1.1 with a connection for each request in flight, as the operator's client does.
    let headers = [
        (header::USER_AGENT, AGENT),
        (header::AUTHORIZATION, &bearer),
    ];
    let server = Wire::new(place, false, &headers)?;
    let place = Place {
        address: None,
        proxy: Some(plan.proxy),
        authority: LOGIN.to_owned(),
        tls: Some(wire::tls(&std::fs::read(&plan.emulator_ca)?, None, true)?),
    };
    let headers = [
        (header::USER_AGENT, AGENT),
        (header::ACCEPT, "application/json"),
        (HeaderName::from_static("return-client-request-id"), "true"),
        (
            HeaderName::from_static("client-request-id"),
            "6f9619ff-8b86-4011-b42d-00c04fc964ff",
        ),
    ];
    let login = Wire::new(place, true, &headers)?;
    let at = |name: &str| -> Result<Timestamp> {
        let text = plan.secret["metadata"]["annotations"][format!("defendertenant.io/{name}")]
            .as_str()
            .ok_or("no such annotation")?;
        Ok(text.parse()?)
    };
    let api_url = STANDARD.decode(
        plan.secret["data"]["api-url"]
            .as_str()
            .ok_or("no api-url")?,
    )?;
    let scope = AUDIENCE.replace(':', "%3A").replace('/', "%2F");
    let client = Client {
        work: plan.work,
        server,
        login,
        form: Bytes::from(format!(
            "grant_type=client_credentials&client_id={CLIENT}&scope={scope}%2F.default&client_secret={SECRET}"
        )),
        templates: Templates::of(&plan.secret, &plan.tenant)?,
        api_url: String::from_utf8(api_url)?,
    };
    // Without another wish, what the operator let pass.
    let after = match plan.refresh_after {
        Some(seconds) => SignedDuration::from_secs(seconds),
        None => at("refresh-at")?.duration_since(at("issued-at")?),
    };
    let spread = plan.refresh_spread.unwrap_or(1).max(1);
    let later = (0..spread).cycle().map(SignedDuration::from_secs);
    let jobs = plan.items.into_iter().zip(later);
    let jobs = jobs.map(|(item, later)| Job::new(item, after + later));
    Ok((client, jobs.collect()))
}

impl Job {
    fn new(item: Item, refresh_after: SignedDuration) -> Self {
        let (namespace, name) = (&item.namespace, &item.name);
        Self {
            bucket: hashes::bucket(&item.uid),
            mint_inputs: hashes::mint_inputs(AUDIENCE, CLIENT, &item.directory),
            directory64: STANDARD.encode(&item.directory),
            token_path: format!("/{}/oauth2/v2.0/token", item.directory),
            secret_path: match item.target {
                None => format!("/api/v1/namespaces/{namespace}/secrets"),
                Some(_) => format!("/api/v1/namespaces/{namespace}/secrets/{name}-defender-token"),
            },
            status_path: format!(
                "/apis/defendertenant.io/v1alpha1/namespaces/{namespace}/defendertenants/{name}/status"
            ),
            refresh_after,
            item,
        }
    }
}

impl Client {
    /// One token, one Secret, one status.
    async fn serve(&self, job: &Job) -> Result<()> {
        let headers = [(header::CONTENT_TYPE, FORM)];
        let answer = self
            .login
            .send(Method::POST, &job.token_path, &headers, self.form.clone())
            .await?
            .ok()?;
        let issued = Timestamp::from_second(Timestamp::now().as_second())?;
        let text = std::str::from_utf8(&answer.body)?;
        let token = between(text, "\"access_token\":\"", '"').ok_or("no token")?;
        let lifetime: i64 = between(text, "\"expires_in\":", ',')
            .ok_or("no lifetime")?
            .parse()?;
        let expires = issued + SignedDuration::from_secs(lifetime);
        let authorization = format!("Bearer {token}");
        let dates = [issued, expires, issued + job.refresh_after].map(|at| at.to_string());
        let [issued, expires, refresh] = &dates;
        let digest = hashes::digest(&[
            ("api-url", &self.api_url),
            ("authorization", &authorization),
            ("expires-on", expires),
            ("tenant-id", &job.item.directory),
            ("token", token),
        ]);
        let [token64, authorization64, expires64] =
            [token, &authorization, expires].map(|text| STANDARD.encode(text));
        let (secret_uid, secret_version) = job
            .item
            .target
            .as_ref()
            .map_or(("", ""), |(uid, version)| (uid, version));
        let value = |hole| match hole {
            Hole::Namespace => job.item.namespace.as_str(),
            Hole::Name => &job.item.name,
            Hole::Uid => &job.item.uid,
            Hole::Version => &job.item.version,
            Hole::Bucket => &job.bucket,
            Hole::MintInputs => &job.mint_inputs,
            Hole::Tenant64 => &job.directory64,
            Hole::SecretUid => secret_uid,
            Hole::SecretVersion => secret_version,
            Hole::WrittenVersion => "",
            Hole::Digest => &digest,
            Hole::Issued => issued,
            Hole::Expires => expires,
            Hole::Refresh => refresh,
            Hole::Expires64 => &expires64,
            Hole::Token64 => &token64,
            Hole::Authorization64 => &authorization64,
        };
        let (method, kind, template) = match self.work {
            Work::Create => (Method::POST, JSON, &self.templates.create),
            Work::Patch => (Method::PATCH, MERGE, &self.templates.patch),
        };
        let body = fill(template, value);
        let answer = self.write(method, &job.secret_path, kind, body).await?;
        let text = std::str::from_utf8(&answer)?;
        let written = between(text, "\"resourceVersion\":\"", '"').ok_or("no version")?;
        let body = fill(&self.templates.status, |hole| match hole {
            Hole::WrittenVersion => written,
            other => value(other),
        });
        self.write(Method::PUT, &job.status_path, JSON, body)
            .await
            .map(drop)
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        kind: HeaderValue,
        body: Bytes,
    ) -> Result<Bytes> {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::ACCEPT, ACCEPT_METADATA),
        ];
        let answer = self.server.send(method, path, &headers, body).await?.ok();
        Ok(answer.map_err(|error| format!("{path}: {error}"))?.body)
    }
}

fn fill<'a>(template: &'a Template, value: impl Fn(Hole) -> &'a str) -> Bytes {
    Bytes::from(template.fill(value))
}

/// What stands between a text and a character.
fn between<'a>(text: &'a str, before: &str, after: char) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let end = text[start..].find([after, '}'])?;
    Some(&text[start..start + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_without_a_parser() {
        let text = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"a.b.c"}"#;
        assert_eq!(between(text, "\"access_token\":\"", '"'), Some("a.b.c"));
        assert_eq!(between(text, "\"expires_in\":", ','), Some("3599"));
        let last = r#"{"expires_in":3599}"#;
        assert_eq!(between(last, "\"expires_in\":", ','), Some("3599"));
        assert_eq!(between(text, "nothing", '"'), None);
    }
}
