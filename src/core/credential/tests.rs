use super::certificate_tests::{ONE, credential};
use super::*;
use crate::api::Algorithm;
use crate::core::federated::Presented;

pub(crate) const CLIENT: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
pub(crate) const PUBLIC: LoginHost = LoginHost("login.microsoftonline.com");

pub(crate) fn data(keys: &[(&str, &str)]) -> SecretData {
    keys.iter()
        .map(|(k, v)| ((*k).to_owned(), Zeroizing::new(v.as_bytes().to_vec())))
        .collect()
}

pub(crate) fn parsed(keys: &[(&str, &str)]) -> Result<Credential, Fault> {
    parse_data(&data(keys))
}

fn secret(credential: &Credential) -> &str {
    let Material::ClientSecret(secret) = credential.material() else {
        panic!("a client secret");
    };
    secret.expose_secret()
}

#[test]
fn each_mistake_has_its_own_text() {
    let guid = "11111111-2222-3333-4444-555555555555";
    let long = "x".repeat(1_025);
    for (keys, fault) in [
        (&[][..], Fault::Empty),
        (&[("client-secret", "s~1")], Fault::NoClientId),
        (
            &[("client-id", " \n"), ("client-secret", "s~1")],
            Fault::NoClientId,
        ),
        (
            &[("client-id", "contoso"), ("client-secret", "s~1")],
            Fault::ClientIdNotGuid,
        ),
        (&[("client-id", CLIENT)], Fault::NoKind),
        (
            &[("client-id", CLIENT), ("client-secret", "")],
            Fault::NoKind,
        ),
        (
            &[("client-id", CLIENT), ("client-secret", guid)],
            Fault::SecretIsId,
        ),
        (
            &[("client-id", CLIENT), ("client-secret", &long)],
            Fault::SecretTooLong,
        ),
        (
            &[("client-id", CLIENT), ("client-secret", "a b")],
            Fault::SecretHasSpace,
        ),
        (
            &[
                ("client-id", CLIENT),
                ("client-secret", "s"),
                ("tls.crt", "x"),
                ("tls.key", "y"),
            ],
            Fault::TwoKinds,
        ),
        (&[("client-id", CLIENT), ("tls.crt", "x")], Fault::NoKey),
        (
            &[("client-id", CLIENT), ("tls.key", "y")],
            Fault::NoCertificate,
        ),
        (
            &[
                ("client-id", CLIENT),
                ("client-secret", "s"),
                ("redirect-uri", "ftp://x"),
            ],
            Fault::BadRedirectUri,
        ),
        (
            &[
                ("client-id", CLIENT),
                ("client-secret", "s"),
                ("tenant-ids", "common"),
            ],
            Fault::BadTenantIds,
        ),
    ] {
        assert_eq!(parsed(keys), Err(fault), "{keys:?}");
    }
    let data: SecretData = [("client-id".to_owned(), Zeroizing::new(vec![0xff, 0xfe]))].into();
    assert_eq!(parse_data(&data), Err(Fault::NotText));
}

#[test]
fn a_trailing_newline_is_trimmed_and_said() {
    let plain = parsed(&[("client-id", CLIENT), ("client-secret", "s~1")]).unwrap();
    let newline = parsed(&[("client-id", CLIENT), ("client-secret", "s~1\n")]).unwrap();
    assert!(!plain.trimmed);
    assert!(newline.trimmed);
    assert_eq!(plain.fingerprint(PUBLIC), newline.fingerprint(PUBLIC));
    assert_eq!(secret(&newline), "s~1");
}

#[test]
fn a_fingerprint_belongs_to_authority_client_and_secret() {
    let one = Credential::for_test(CLIENT, "s~1");
    assert_eq!(
        one.fingerprint(PUBLIC),
        Credential::for_test(CLIENT, "s~1").fingerprint(PUBLIC)
    );
    assert_ne!(
        one.fingerprint(PUBLIC),
        Credential::for_test(CLIENT, "s~2").fingerprint(PUBLIC)
    );
    assert_ne!(
        one.fingerprint(PUBLIC),
        Credential::for_test(TENANT, "s~1").fingerprint(PUBLIC)
    );
    assert_ne!(
        one.fingerprint(PUBLIC),
        one.fingerprint(LoginHost("login.microsoftonline.us"))
    );
    // It stands in clusters: another one would make every credential a new one.
    assert_eq!(one.fingerprint(PUBLIC).to_string(), "v1:b33a3bdf1f7bb552");
}

#[test]
fn tenant_ids_narrow_the_credential() {
    let tenant = TENANT.parse().unwrap();
    let other = CLIENT.parse().unwrap();
    let free = Credential::for_test(CLIENT, "s");
    assert!(free.covers(tenant) && free.covers(other));
    let keys = [
        ("client-id", CLIENT),
        ("client-secret", "s"),
        (
            "tenant-ids",
            "# ours\n6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10\n\n",
        ),
    ];
    let narrow = parsed(&keys).unwrap();
    assert!(narrow.covers(tenant) && !narrow.covers(other));
    assert!(!narrow.trimmed, "a list ends with a newline");
    let none = parsed(&[
        ("client-id", CLIENT),
        ("client-secret", "s"),
        ("tenant-ids", ""),
    ])
    .unwrap();
    assert!(!none.covers(tenant));
}

#[test]
fn debug_shows_no_secret() {
    let credential = Credential::for_test(CLIENT, "canary~secret");
    assert_eq!(format!("{credential:?}"), format!("Credential({CLIENT})"));
}

fn for_application(keys: &[(&str, &str)], declared: Declared) -> Result<Credential, Fault> {
    parse_for_application(&data(keys), CLIENT.parse().unwrap(), declared)
}

#[test]
fn an_application_s_secret_needs_the_declared_kind_alone() {
    let secret = |keys: &[(&str, &str)]| for_application(keys, Declared::ClientSecret);
    let expected = Credential::for_test(CLIENT, "s~1");
    assert_eq!(secret(&[("client-secret", "s~1")]), Ok(expected.clone()));
    let more = [
        ("client-id", CLIENT),
        ("client-secret", "s~1"),
        ("tls.crt", "x"),
        ("redirect-uri", "ftp://x"),
        ("assertion-algorithm", "none"),
    ];
    let found = secret(&more).unwrap();
    assert_eq!(found, expected);
    assert!(found.covers(TENANT.parse().unwrap()));
    for (keys, fault) in [
        (&[][..], Fault::NoSecret),
        (&[("client-secret", " ")], Fault::NoSecret),
        (&[("tls.crt", "x"), ("tls.key", "y")], Fault::NoSecret),
        (&[("client-secret", "a b")], Fault::SecretHasSpace),
        (
            &[("client-id", TENANT), ("client-secret", "s~1")],
            Fault::OtherClientId,
        ),
        (
            &[("client-id", "contoso"), ("client-secret", "s~1")],
            Fault::ClientIdNotGuid,
        ),
    ] {
        assert_eq!(secret(keys), Err(fault), "{keys:?}");
    }
}

#[test]
fn an_application_says_how_its_certificate_signs() {
    let keys = [("tls.crt", &*ONE.crt), ("tls.key", &*ONE.key)];
    let with = |more: &[(&str, &str)], algorithm| {
        for_application(
            &[&keys[..], more].concat(),
            Declared::Certificate(algorithm),
        )
    };
    assert_eq!(with(&[], Algorithm::PS256), Ok(credential(&[])));
    assert_eq!(
        with(&[("client-secret", "s~1")], Algorithm::RS256),
        Ok(credential(&[("assertion-algorithm", "RS256")]))
    );
    for (more, fault) in [
        (("assertion-algorithm", "RS256"), Fault::OtherAlgorithm),
        (("assertion-algorithm", "none"), Fault::UnknownAlgorithm),
        (("client-id", TENANT), Fault::OtherClientId),
        (("tls.key", ""), Fault::NoKey),
    ] {
        assert_eq!(with(&[more], Algorithm::PS256), Err(fault));
    }
    let certificate = Declared::Certificate(Algorithm::PS256);
    assert_eq!(
        for_application(&[("client-secret", "s~1")], certificate),
        Err(Fault::NoCertificate)
    );
    assert_eq!(
        for_application(&[("partner.pfx", "any")], certificate),
        Err(Fault::Pfx)
    );
}

#[test]
fn a_workload_identity_is_a_credential_of_its_own() {
    let one = Credential::workload_identity(CLIENT.parse().unwrap(), None);
    let other = Credential::workload_identity(TENANT.parse().unwrap(), None);
    assert_eq!(one.kind(), Kind::WorkloadIdentity);
    assert_eq!(one.not_after(), None);
    assert_eq!(one.validity(Timestamp::MAX), Validity::Valid);
    assert_ne!(one.fingerprint(PUBLIC), other.fingerprint(PUBLIC));
    assert_eq!(
        one,
        Credential::workload_identity(CLIENT.parse().unwrap(), None)
    );
    let presented = |audience: &str, expires_at| Presented {
        issuer: "https://issuer.example".into(),
        subject: "system:serviceaccount:home:operator".into(),
        audience: audience.into(),
        expires_at,
    };
    let of = |presented: &Presented| {
        Credential::workload_identity(CLIENT.parse().unwrap(), Some(presented)).fingerprint(PUBLIC)
    };
    let exchange = of(&presented("api://AzureADTokenExchange", None));
    assert_eq!(
        exchange,
        of(&presented(
            "api://AzureADTokenExchange",
            Some(Timestamp::MAX)
        )),
        "a renewed token"
    );
    assert_ne!(
        exchange,
        of(&presented("api://AzureADTokenExchangeUSGov", None)),
        "a corrected audience is tried at once"
    );
    let kinds = [
        Kind::ClientSecret,
        Kind::Certificate,
        Kind::WorkloadIdentity,
    ];
    assert_eq!(
        kinds.map(Kind::as_str),
        ["ClientSecret", "Certificate", "WorkloadIdentity"]
    );
}

#[test]
fn tenant_ids_narrow_an_applications_secret_as_well() {
    let client = CLIENT.parse().unwrap();
    let keys = data(&[("client-secret", "s~1"), ("tenant-ids", TENANT)]);
    let narrow = parse_for_application(&keys, client, Declared::ClientSecret).unwrap();
    assert!(narrow.covers(TENANT.parse().unwrap()));
    assert!(!narrow.covers(CLIENT.parse().unwrap()));
    let keys = data(&[("client-secret", "s~1"), ("tenant-ids", "common")]);
    assert_eq!(
        parse_for_application(&keys, client, Declared::ClientSecret),
        Err(Fault::BadTenantIds)
    );
}
