//! Everything that was made is removed, and nothing else.

use kube::Api;
use tokio::time::{Instant, timeout_at};

use super::{LOOK_EVERY, Made, objects, say};
use crate::controller::kubeapi::ApiError;
use crate::controller::objects::{ApplicationObject, TenantObject, controller_of};

/// What one look came to.
enum Look {
    /// What was made is gone.
    Gone,
    /// It is there, or nobody knows.
    There,
    /// There is no use in another look.
    Never(String),
}

impl Made<'_> {
    /// Removes everything. What a request that was cut short may have made is among it.
    pub async fn remove(&self, deadline: Instant) -> Result<(), String> {
        let (tenant, application) = tokio::join!(
            self.remove_tenant(deadline),
            self.remove_application(deadline)
        );
        let left: Vec<_> = [tenant, application]
            .into_iter()
            .filter_map(Result::err)
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(left.join("; "))
        }
    }

    async fn remove_tenant(&self, deadline: Instant) -> Result<(), String> {
        let tenant = &self.tenant;
        let api: Api<TenantObject> = Api::namespaced(self.client.clone(), &tenant.namespace);
        match self.tenant_trace.delete(&api, deadline).await {
            Ok(None) => Ok(()),
            Ok(Some(uid)) => {
                self.until_gone(&uid, deadline).await?;
                say(&format!(
                    "ok      DefenderTenant {tenant} and Secret {} are gone",
                    self.target
                ));
                Ok(())
            }
            Err(error) => Err(format!(
                "DefenderTenant {tenant} couldn't be removed ({error}): kubectl -n {} delete dt {}",
                tenant.namespace, tenant.name
            )),
        }
    }

    async fn remove_application(&self, deadline: Instant) -> Result<(), String> {
        let name = &*self.tenant.name;
        let api: Api<ApplicationObject> = Api::all(self.client.clone());
        match self.application_trace.delete(&api, deadline).await {
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                say(&format!("ok      DefenderApplication {name} is gone"));
                Ok(())
            }
            Err(error) => Err(format!(
                "DefenderApplication {name} couldn't be removed ({error}): kubectl delete dapp {name}"
            )),
        }
    }

    /// Waits until the tenant with this UID and its Secret are gone.
    async fn until_gone(&self, uid: &str, deadline: Instant) -> Result<(), String> {
        let mut tenant_gone = false;
        loop {
            if !tenant_gone {
                let look = timeout_at(deadline, self.kube.tenant(&self.tenant)).await;
                tenant_gone = match look {
                    Ok(Ok(found)) => found.metadata.uid.as_deref() != Some(uid),
                    Ok(Err(error)) => error == ApiError::NotFound,
                    Err(_) => false,
                };
            }
            if tenant_gone {
                match self.look_for_target(uid, deadline).await {
                    Look::Gone => return Ok(()),
                    Look::There => {}
                    Look::Never(why) => return Err(why),
                }
            }
            if Instant::now() + LOOK_EVERY > deadline {
                return Err(if tenant_gone {
                    format!(
                        "Secret {} is still there: does the controller manager's garbage collector run? kubectl -n {} delete secret {}",
                        self.target, self.target.namespace, self.target.name
                    )
                } else {
                    format!(
                        "DefenderTenant {} is still there: has it a finalizer of somebody's?",
                        self.tenant
                    )
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn look_for_target(&self, owner: &str, deadline: Instant) -> Look {
        match timeout_at(deadline, self.kube.look(&self.target)).await {
            Ok(Ok(found)) => {
                let controller = controller_of(&found).map(|owner| owner.uid.as_str());
                if controller == Some(owner) {
                    Look::There
                } else {
                    Look::Gone
                }
            }
            Ok(Err(ApiError::NotFound)) => Look::Gone,
            Ok(Err(ApiError::Forbidden)) => {
                let namespace = Some(&*self.target.namespace);
                Look::Never(objects::lacks("get", "", "secrets", namespace))
            }
            Ok(Err(_)) | Err(_) => Look::There,
        }
    }
}
