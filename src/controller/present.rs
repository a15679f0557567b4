//! What the partner signs in with, made for one request.

use std::sync::Arc;

use uuid::Uuid;

use super::context::Context;
use crate::core::assertion::{self, Purpose};
use crate::core::credential::{Certificate, Credential, Material};
use crate::entra::client::ClientCredential;

/// `None` if it can't be had now.
pub(super) async fn present(
    ctx: &Context,
    credential: &Credential,
    purpose: Purpose,
) -> Option<ClientCredential> {
    match credential.material() {
        Material::ClientSecret(secret) => Some(ClientCredential::Secret(secret.clone())),
        Material::Certificate(certificate) => sign(ctx, certificate.clone(), purpose).await,
        Material::WorkloadIdentity => None,
    }
}

/// Signing takes milliseconds, which no other request should wait for.
async fn sign(
    ctx: &Context,
    certificate: Arc<Certificate>,
    purpose: Purpose,
) -> Option<ClientCredential> {
    let now = ctx.now();
    let signing = tokio::task::spawn_blocking(move || {
        assertion::sign(&certificate, purpose, Uuid::new_v4(), now)
    });
    Some(ClientCredential::Assertion(signing.await.ok()??))
}
