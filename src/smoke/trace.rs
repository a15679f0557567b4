//! What a run has made, and the requests that make and remove exactly that.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::LOOK_EVERY;
use super::objects::{RUN, SILENT, refusal};

/// One request; healthy ones take milliseconds.
pub const REQUEST: Duration = Duration::from_secs(10);
/// A creation that was cut short may still be under way: so many looks show nothing before it counts as none.
const LOOKS: usize = 3;

/// What is known of an object that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It wasn't asked for, or was refused: whatever has its name is somebody else's.
    NotMade,
    /// It was asked for, and nobody knows the answer.
    Asked,
    /// It was made, with this UID.
    Made(String),
}

/// One object of a run. It is told from outside of the attempt, which may be cut short anywhere.
pub struct Trace {
    plural: &'static str,
    namespace: Option<String>,
    name: String,
    run: String,
    fate: Mutex<Fate>,
}

impl Trace {
    /// Nothing is made yet.
    pub const fn new(
        plural: &'static str,
        namespace: Option<String>,
        name: String,
        run: String,
    ) -> Self {
        Self {
            plural,
            namespace,
            name,
            run,
            fate: Mutex::new(Fate::NotMade),
        }
    }

    fn set(&self, fate: Fate) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = fate;
    }

    fn fate(&self) -> Fate {
        let fate = self.fate.lock().unwrap_or_else(PoisonError::into_inner);
        fate.clone()
    }

    fn refusal(&self, error: &kube::Error, verb: &str) -> String {
        refusal(error, verb, self.plural, self.namespace.as_deref())
    }

    /// Creates it, or says why not. Returns when, by the API server's clock.
    pub async fn create<K>(
        &self,
        api: &Api<K>,
        object: &K,
        deadline: Instant,
    ) -> Result<Option<Timestamp>, String>
    where
        K: Clone + Debug + Serialize + DeserializeOwned + Resource,
    {
        self.set(Fate::Asked);
        match timeout_at(deadline, api.create(&PostParams::default(), object)).await {
            Err(_) => Err(SILENT.to_owned()),
            Ok(Ok(created)) => {
                if let Some(uid) = &created.meta().uid {
                    self.set(Fate::Made(uid.clone()));
                }
                Ok(created.meta().creation_timestamp.as_ref().map(|at| at.0))
            }
            Ok(Err(error)) => {
                if is_certain(&error) {
                    self.set(Fate::NotMade);
                }
                Err(self.refusal(&error, "create"))
            }
        }
    }

    /// Deletes what was made and nothing else. Returns its UID, if there is something to be gone.
    pub async fn delete<K>(&self, api: &Api<K>, deadline: Instant) -> Result<Option<String>, String>
    where
        K: Clone + Debug + DeserializeOwned + Resource,
    {
        let uid = match self.fate() {
            Fate::NotMade => return Ok(None),
            Fate::Made(uid) => uid,
            Fate::Asked => match self.find(api, deadline).await? {
                Some(uid) => uid,
                None => return Ok(None),
            },
        };
        let seen = Preconditions {
            uid: Some(uid.clone()),
            resource_version: None,
        };
        loop {
            let why = match delete(api, &self.name, seen.clone(), soon(deadline)).await {
                // Another one has the name by now: ours is gone.
                Ok(Deleted::Gone | Deleted::Another) => return Ok(Some(uid)),
                Err(Some(error)) if is_certain(&error) => {
                    return Err(self.refusal(&error, "delete"));
                }
                Err(Some(error)) => self.refusal(&error, "delete"),
                Err(None) => SILENT.to_owned(),
            };
            wait(deadline).await.ok_or(why)?;
        }
    }

    /// Looks for what a request made whose answer was lost.
    async fn find<K>(&self, api: &Api<K>, deadline: Instant) -> Result<Option<String>, String>
    where
        K: Clone + Debug + DeserializeOwned + Resource,
    {
        let mut nothing = 0;
        loop {
            let looked = timeout_at(soon(deadline), api.get_metadata_opt(&self.name)).await;
            let why = match looked {
                Ok(Ok(Some(found))) => {
                    let run = found.metadata.annotations.as_ref().and_then(|a| a.get(RUN));
                    let ours = run == Some(&self.run);
                    return Ok(found.metadata.uid.filter(|_| ours));
                }
                Ok(Ok(None)) => {
                    nothing += 1;
                    if nothing == LOOKS {
                        return Ok(None);
                    }
                    "it may be made yet".to_owned()
                }
                Ok(Err(error)) if is_certain(&error) => return Err(self.refusal(&error, "get")),
                Ok(Err(error)) => self.refusal(&error, "get"),
                Err(_) => SILENT.to_owned(),
            };
            wait(deadline).await.ok_or(why)?;
        }
    }
}

/// How a deletion went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone, or on its way.
    Gone,
    /// What is there isn't what was seen, and was left.
    Another,
}

/// Deletes exactly what was seen. The error is `None` if there was no answer in time.
pub async fn delete<K>(
    api: &Api<K>,
    name: &str,
    seen: Preconditions,
    deadline: Instant,
) -> Result<Deleted, Option<kube::Error>>
where
    K: Clone + Debug + DeserializeOwned,
{
    let params = DeleteParams::default().preconditions(seen);
    match timeout_at(deadline, api.delete(name, &params)).await {
        Err(_) => Err(None),
        Ok(Ok(_)) => Ok(Deleted::Gone),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(Deleted::Gone),
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => Ok(Deleted::Another),
        Ok(Err(error)) => Err(Some(error)),
    }
}

/// The API server refused, so that nothing was done; another try comes to the same.
fn is_certain(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400..=499) && !matches!(status.code, 408 | 429))
}

/// A request's own end, within that of everything.
fn soon(deadline: Instant) -> Instant {
    deadline.min(Instant::now() + REQUEST)
}

/// Until the next try; `None` if there is no time for one.
async fn wait(deadline: Instant) -> Option<()> {
    if Instant::now() + LOOK_EVERY > deadline {
        return None;
    }
    tokio::time::sleep(LOOK_EVERY).await;
    Some(())
}
