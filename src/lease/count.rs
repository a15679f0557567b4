//! The requests about the number of shards: a Lease object that nobody holds, so that no other kind has to be permitted.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::{Api, Client};

use super::store::{LeaseError, write};
use crate::core::election::Claimed;
use crate::core::shards::agreement::{Agreed, Agreement, Proposal};

/// The object with the number of shards in force.
#[must_use]
pub fn lease_of_count(name: &str) -> String {
    format!("{name}-shards")
}

/// It, in the operator's namespace.
#[derive(Clone)]
pub struct CountStore {
    api: Api<Lease>,
    name: String,
    /// Who writes.
    identity: String,
    /// As it was read or written last: what others wrote into it stays.
    last: Option<Lease>,
    /// What was read last.
    known: Option<Agreed>,
}

impl CountStore {
    /// By this client.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: lease_of_count(name),
            identity,
            last: None,
            known: None,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads it.
    ///
    /// A Role that doesn't name it is that of a release which knows no shards, back in place before its processes are: one
    /// that has read of a single shard goes on as those do, instead of holding a Lease for which nobody acts. With that
    /// Role nobody can change the number.
    pub async fn look(&mut self, patience: Duration) -> Result<Agreed, LeaseError> {
        let alone = |agreed: &Agreed| agreed.agreement == Agreement::UNWRITTEN;
        match (self.read(patience).await, self.known.clone()) {
            (Err(LeaseError::Forbidden), Some(known)) if alone(&known) => Ok(known),
            (Err(error), _) => Err(error),
            (Ok(found), _) => {
                self.known = Some(found.clone());
                Ok(found)
            }
        }
    }

    async fn read(&mut self, patience: Duration) -> Result<Agreed, LeaseError> {
        let found = match tokio::time::timeout(patience, self.api.get_opt(&self.name)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return Err(LeaseError::of(&error)),
            Err(_) => return Err(LeaseError::Unreachable),
        };
        self.last.clone_from(&found);
        let Some(lease) = found else {
            return Ok(Agreed {
                agreement: Agreement::UNWRITTEN,
                version: None,
            });
        };
        let annotations = lease.metadata.annotations.unwrap_or_default();
        Ok(Agreed {
            agreement: Agreement::read(&annotations).ok_or(LeaseError::Garbled)?,
            version: Some(lease.metadata.resource_version.unwrap_or_default()),
        })
    }

    /// Writes it over exactly what was seen.
    pub async fn propose(
        &mut self,
        proposal: &Proposal,
        patience: Duration,
    ) -> Result<Claimed, LeaseError> {
        let lease = self.draft(proposal);
        let new = proposal.over.is_none();
        let outcome = write(&self.api, &self.name, new, lease, patience).await?;
        Ok(match outcome {
            Ok(lease) => {
                let version = lease.metadata.resource_version.clone().unwrap_or_default();
                self.last = Some(lease);
                Claimed::Accepted(version)
            }
            Err(refused) => refused,
        })
    }

    fn draft(&self, proposal: &Proposal) -> Lease {
        let same = |lease: &&Lease| {
            proposal.over.is_some() && lease.metadata.resource_version == proposal.over
        };
        let mut lease = self.last.as_ref().filter(same).cloned().unwrap_or_default();
        lease.metadata.name = Some(self.name.clone());
        lease.metadata.resource_version.clone_from(&proposal.over);
        lease.metadata.managed_fields = None;
        let annotations = lease.metadata.annotations.get_or_insert_default();
        proposal.agreement.write(annotations);
        // For people: who changed it last, and when.
        lease.spec = Some(LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        });
        lease
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::{Method, Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::{Value, json};
    use tower_test::mock;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Option<Agreement> {
        let annotations: BTreeMap<String, String> = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Agreement::read(&annotations)
    }

    #[tokio::test]
    async fn it_is_written_over_exactly_what_was_seen() {
        let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
        let client = Client::new(service, "home");
        let mut store = CountStore::new(client, "home", "l", "me".to_owned());
        let patience = Duration::from_secs(5);
        let proposal = Proposal {
            over: Some("5".to_owned()),
            agreement: Agreement {
                count: 1,
                intent: Some(3),
            },
        };
        let object = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "l-shards", "resourceVersion": "5", "labels": {"team": "soc"},
                "annotations": {"defendertenant.io/shards": "1"}},
        });
        let answers = async {
            let (_, answer) = server.next_request().await.expect("a look");
            answer.send_response(Response::new(Body::from(object.to_string().into_bytes())));
            let (request, answer) = server.next_request().await.expect("a proposal");
            assert_eq!(*request.method(), Method::PUT);
            let body = request.into_body().collect_bytes().await.expect("a body");
            let refusal = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "Conflict", "message": "m", "code": 409});
            let mut refused = Response::new(Body::from(refusal.to_string().into_bytes()));
            *refused.status_mut() = StatusCode::CONFLICT;
            answer.send_response(refused);
            serde_json::from_slice::<Value>(&body).expect("JSON")
        };
        let asked = async {
            let seen = store.look(patience).await.expect("it is there");
            assert_eq!(seen.version.as_deref(), Some("5"));
            store.propose(&proposal, patience).await
        };
        let (written, outcome) = tokio::join!(answers, asked);
        assert_eq!(outcome, Ok(Claimed::Conflict));
        let metadata = &written["metadata"];
        assert_eq!(metadata["resourceVersion"], "5");
        assert_eq!(metadata["labels"], json!({"team": "soc"}));
        assert_eq!(metadata["annotations"]["defendertenant.io/shards"], "1");
        assert_eq!(
            metadata["annotations"]["defendertenant.io/shards-intended"],
            "3"
        );
    }

    #[tokio::test]
    async fn a_single_shard_stays_one_under_a_role_that_knows_no_number() {
        let patience = Duration::from_secs(5);
        for (count, goes_on) in [("1", true), ("3", false)] {
            let (service, mut server) = mock::pair::<Request<Body>, Response<Body>>();
            let client = Client::new(service, "home");
            let mut store = CountStore::new(client, "home", "l", "me".to_owned());
            let object = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "l-shards", "resourceVersion": "5",
                    "annotations": {"defendertenant.io/shards": count}},
            });
            let denial = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "reason": "Forbidden", "message": "m", "code": 403});
            let answers = async {
                for (status, body) in [(403, &denial), (200, &object), (403, &denial)] {
                    let (_, answer) = server.next_request().await.expect("a look");
                    let mut response = Response::new(Body::from(body.to_string().into_bytes()));
                    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
                    answer.send_response(response);
                }
            };
            let looks = async {
                assert_eq!(store.look(patience).await, Err(LeaseError::Forbidden));
                let seen = store.look(patience).await.expect("it is there");
                let denied = store.look(patience).await;
                let stands = if goes_on {
                    Ok(seen)
                } else {
                    Err(LeaseError::Forbidden)
                };
                assert_eq!(denied, stands, "{count}");
            };
            tokio::join!(answers, looks);
        }
    }

    #[test]
    fn what_is_written_is_read_and_nonsense_is_no_number() {
        let (count, intent) = (
            "defendertenant.io/shards",
            "defendertenant.io/shards-intended",
        );
        for agreement in [
            Agreement {
                count: 3,
                intent: None,
            },
            Agreement {
                count: 1,
                intent: Some(64),
            },
        ] {
            let mut annotations = BTreeMap::from([
                (intent.to_owned(), "9".to_owned()),
                ("x".into(), "y".into()),
            ]);
            agreement.write(&mut annotations);
            assert_eq!(Agreement::read(&annotations), Some(agreement));
            assert_eq!(annotations["x"], "y");
        }
        for nonsense in [
            &[][..],
            &[(intent, "2")],
            &[(count, "0")],
            &[(count, "65")],
            &[(count, "three")],
            &[(count, "3"), (intent, "-1")],
        ] {
            assert_eq!(read(nonsense), None, "{nonsense:?}");
        }
    }
}
