use defender_tenant_operator::core::assertion::{self, Purpose};
use defender_tenant_operator::core::credential::{Material, SecretData, parse_data};
use defender_tenant_operator::core::errors::{Failure, Scope};
use defender_tenant_operator::core::reason::Reason;
use defender_tenant_operator::entra::client::{ClientCredential, TokenRequest};
use defender_tenant_operator::entra::federated::TokenFile;
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::identity::Identity;
use super::lab::{APPLICATION, Lab, TENANT, checked, refused, request};

const OTHER_TENANT: &str = "11111111-2222-4333-8444-555555555555";

async fn lab_with(application: Value) -> Lab {
    let lab = Lab::new().await;
    lab.put(&format!("applications/{APPLICATION}"), &application)
        .await;
    let consents = json!({"consents": {APPLICATION: ["Alert.Read.All"]}});
    lab.put(&format!("tenants/{OTHER_TENANT}"), &consents).await;
    lab
}

/// An assertion as the operator makes one for this tenant.
fn signed(identity: &Identity, algorithm: &str, tenant: &str) -> ClientCredential {
    let data: SecretData = [
        ("client-id", APPLICATION),
        ("tls.crt", &identity.crt),
        ("tls.key", &identity.key()),
        ("assertion-algorithm", algorithm),
    ]
    .map(|(key, value)| (key.to_owned(), Zeroizing::new(value.as_bytes().to_vec())))
    .into();
    let credential = parse_data(&data).unwrap();
    let Material::Certificate(certificate) = credential.material() else {
        panic!("a certificate");
    };
    let purpose = Purpose {
        login: request().login,
        tenant: tenant.parse().unwrap(),
        application: credential.client_id,
    };
    let assertion =
        assertion::sign(certificate, purpose, uuid::Uuid::new_v4(), Timestamp::now()).unwrap();
    ClientCredential::Assertion(assertion)
}

fn request_with(credential: ClientCredential, tenant: &str) -> TokenRequest {
    TokenRequest {
        tenant: tenant.parse().unwrap(),
        credential,
        ..request()
    }
}

fn seen(failure: &Failure) -> (Option<u32>, Reason, Scope) {
    let verdict = failure.verdict;
    (verdict.code, verdict.reason, verdict.scope)
}

#[tokio::test]
async fn a_certificate_gets_a_token_of_each_tenant_by_either_algorithm() {
    let identity = Identity::new(0);
    let lab = lab_with(json!({"certificates": [identity.crt]})).await;
    for algorithm in ["PS256", "RS256"] {
        for tenant in [TENANT, OTHER_TENANT] {
            let request = request_with(signed(&identity, algorithm, tenant), tenant);
            let Ok(minted) = lab.mint(&request).await else {
                panic!("a token");
            };
            assert!(checked(&request, &minted).is_ok(), "{algorithm} {tenant}");
        }
    }
    assert_eq!(lab.counters().await["assertions"]["reusedJti"], 0);
}

#[tokio::test]
async fn an_assertion_is_good_in_no_other_tenant() {
    let identity = Identity::new(0);
    let lab = lab_with(json!({"certificates": [identity.crt]})).await;
    let request = request_with(signed(&identity, "PS256", TENANT), OTHER_TENANT);
    let failure = refused(lab.mint(&request).await);
    assert_eq!(failure.verdict.code, Some(700_023));
}

#[tokio::test]
async fn a_certificate_that_microsoft_does_not_know_is_the_partners_to_upload() {
    let identity = Identity::new(0);
    let lab = lab_with(json!({"certificates": [Identity::new(1).crt]})).await;
    let failure = refused(
        lab.mint(&request_with(signed(&identity, "PS256", TENANT), TENANT))
            .await,
    );
    assert_eq!(
        seen(&failure),
        (Some(700_027), Reason::CredentialRejected, Scope::Credential)
    );
    assert!(failure.verdict.may_be_fresh_credential());
}

#[tokio::test]
async fn the_operators_own_token_gets_one_where_it_is_trusted() {
    let issuer = Identity::new(0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let file = TokenFile::new(Some(path.clone()), None);
    let now = Timestamp::now();
    let mint = async |lab: &Lab| {
        std::fs::write(&path, issuer.token(now.as_second(), json!({}))).unwrap();
        let token = ClientCredential::Assertion(file.token(now).await.unwrap());
        lab.mint(&request_with(token, TENANT)).await
    };
    let trusting = lab_with(json!({"federated": [issuer.federated(json!({}))]})).await;
    assert!(mint(&trusting).await.is_ok());
    for (federated, code) in [
        (json!([]), 70_025),
        (
            json!([issuer.federated(json!({"issuer": "https://other"}))]),
            700_211,
        ),
        (
            json!([issuer.federated(json!({"audience": "other"}))]),
            700_212,
        ),
        (
            json!([issuer.federated(json!({"subject": "other"}))]),
            700_213,
        ),
        (json!([Identity::new(1).federated(json!({}))]), 0),
    ] {
        let lab = lab_with(json!({"federated": federated})).await;
        let failure = refused(mint(&lab).await);
        if code != 0 {
            assert_eq!(
                seen(&failure),
                (Some(code), Reason::FederationMismatch, Scope::Credential)
            );
        }
        assert_eq!(failure.verdict.scope, Scope::Credential, "{failure:?}");
    }
}
