//! The question where a tenant lives, when its turn has come.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;
use super::execute::{Executor, Hands};
use super::kubeapi::ApiError;
use crate::core::discovery::{Answer, Discovery, Silence};
use crate::core::ids::LoginHost;
use crate::core::tenant::Key;
use crate::entra::clouds;
use crate::entra::discovery::Unanswered;

/// A question that the pace counts as begun. Dropped (also by a panic or a time-out), it says that it has ended.
struct Asking<'a> {
    ctx: &'a Context,
    namespace: Arc<str>,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.ctx.state().discoveries.ended(&self.namespace);
        self.ctx.notify();
    }
}

/// The second question waits for its turn so long at the most.
const SECOND_WAIT: Duration = Duration::from_secs(5);

impl Executor<'_> {
    /// Asks where the tenant lives: where it would sign in, and if nobody knows it there, where everybody is known.
    pub(super) async fn discover(&self, hands: &mut Hands) -> Result<(), ApiError> {
        let ctx = self.ctx;
        let Key { namespace, .. } = &self.snapshot.tenant.key;
        let admitted =
            ctx.state()
                .discoveries
                .admit(&self.snapshot.tenant.key, namespace, ctx.now());
        if !admitted {
            hands.session.discovery = Some(Discovery::Later);
            return Ok(());
        }
        let _asking = Asking {
            ctx,
            namespace: namespace.clone(),
        };
        // Nobody waits for this answer: no token's turn may.
        let _aside = ctx.step_aside();
        let login = self.snapshot.endpoints.login;
        let mut answer = self.ask_where(login).await;
        if let (Ok(Answer::NotFound), Some(wider)) = (answer, clouds::wider(login)) {
            let now = ctx.now();
            let at = ctx.state().discoveries.again_at(now);
            let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
            // A turn isn't slept through: the next failing mint asks again.
            if wait > SECOND_WAIT {
                hands.session.discovery = Some(Discovery::Failed);
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            answer = self.ask_where(wider).await;
        }
        hands.session.discovery = Some(match answer {
            Ok(answer) => Discovery::Answered(answer),
            Err(Unanswered {
                silence,
                retry_after,
            }) => {
                if silence == Silence::Throttled {
                    ctx.state().discoveries.throttled(retry_after, ctx.now());
                }
                Discovery::Failed
            }
        });
        Ok(())
    }

    async fn ask_where(&self, login: LoginHost) -> Result<Answer, Unanswered> {
        let Ok(tenant) = self.snapshot.tenant.spec.tenant_id.parse() else {
            return Ok(Answer::Unclear);
        };
        let answer = self.ctx.discovery.ask(login, tenant).await;
        let outcome = match answer {
            Ok(Answer::NotFound) => "not_found",
            Ok(Answer::Found(_)) => "found",
            Ok(Answer::Unclear) => "unclear",
            Err(Unanswered {
                silence: Silence::Throttled,
                ..
            }) => "throttled",
            Err(_) => "unavailable",
        };
        self.ctx.metrics.discovery(outcome);
        tracing::debug!(tenant = %self.snapshot.tenant.key, %login, outcome, "asked where the tenant lives");
        answer
    }
}
