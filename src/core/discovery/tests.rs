use serde_json::json;

use super::*;
use crate::core::testing::{TENANT, code};

const PUBLIC: &str = "microsoftonline.com";
const GOVERNMENT: &str = "microsoftonline.us";

#[test]
fn scopes_tell_the_cloud_and_what_is_unknown_tells_nothing() {
    const NONE: &str = "";
    let cases = [
        ("NA", NONE, PUBLIC, Some(Home::Cloud(Cloud::Commercial))),
        ("EU", NONE, PUBLIC, Some(Home::Cloud(Cloud::Commercial))),
        ("AS", NONE, PUBLIC, Some(Home::Cloud(Cloud::Commercial))),
        ("OC", NONE, PUBLIC, Some(Home::Cloud(Cloud::Commercial))),
        ("WW", NONE, PUBLIC, Some(Home::Cloud(Cloud::Commercial))),
        ("NA", "GCC", PUBLIC, Some(Home::Cloud(Cloud::Gcc))),
        ("WW", "GCC", PUBLIC, Some(Home::Cloud(Cloud::Gcc))),
        (
            "USGov",
            "DODCON",
            GOVERNMENT,
            Some(Home::Cloud(Cloud::GccHigh)),
        ),
        (
            "USGOV",
            "DODCON",
            GOVERNMENT,
            Some(Home::Cloud(Cloud::GccHigh)),
        ),
        (
            "USG",
            "DODCON",
            GOVERNMENT,
            Some(Home::Cloud(Cloud::GccHigh)),
        ),
        ("USGov", "DOD", GOVERNMENT, Some(Home::Cloud(Cloud::DoD))),
        ("USGov", NONE, GOVERNMENT, Some(Home::UsGovernment)),
        // Unknown.
        ("XX", NONE, PUBLIC, None),
        ("NA", "NEW", PUBLIC, None),
        ("USGov", "NEW", GOVERNMENT, None),
        (NONE, NONE, PUBLIC, None),
        ("NA", NONE, NONE, None),
        ("AS", NONE, "partner.microsoftonline.cn", None),
        // It doesn't go together.
        ("NA", NONE, GOVERNMENT, None),
        ("NA", "DODCON", PUBLIC, None),
        ("USGov", "GCC", GOVERNMENT, None),
        ("USG", NONE, PUBLIC, None),
        ("USGov", "DOD", PUBLIC, None),
    ];
    let some = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    for (region, sub, instance, expected) in cases {
        let scopes = Scopes {
            region: some(region),
            sub: some(sub),
            instance: some(instance),
        };
        assert_eq!(home(scopes), expected, "{scopes:?}");
    }
}

#[test]
fn another_cloud_is_named_and_the_right_one_changes_nothing() {
    let homes = [
        (Home::Cloud(Cloud::Commercial), "Commercial"),
        (Home::Cloud(Cloud::Gcc), "GCC"),
        (Home::Cloud(Cloud::GccHigh), "GCCHigh"),
        (Home::Cloud(Cloud::DoD), "DoD"),
    ];
    for (home, name) in homes {
        for cloud in Cloud::ALL {
            let conclusion = Answer::Found(home).conclusion(*cloud);
            if home == Home::Cloud(*cloud) {
                assert_eq!(conclusion, None, "{home:?}");
                continue;
            }
            let conclusion = conclusion.unwrap();
            assert_eq!(conclusion.reason, Reason::WrongCloud);
            let detail = conclusion.detail.unwrap();
            let changeable =
                cloud.entra_cloud() == EntraCloud::Public && matches!(name, "Commercial" | "GCC");
            assert!(
                detail.contains(&format!("set spec.cloud to {name}")),
                "{detail}"
            );
            assert_eq!(
                !detail.contains("delete this resource"),
                changeable,
                "{detail}"
            );
        }
    }
    let government = |cloud| Answer::Found(Home::UsGovernment).conclusion(cloud);
    assert_eq!(government(Cloud::GccHigh), None);
    assert_eq!(government(Cloud::DoD), None);
    assert!(
        government(Cloud::Gcc)
            .unwrap()
            .detail
            .unwrap()
            .contains("GCCHigh or DoD")
    );
    for cloud in Cloud::ALL {
        assert_eq!(Answer::Unclear.conclusion(*cloud), None);
        let nowhere = Answer::NotFound.conclusion(*cloud).unwrap();
        assert_eq!(nowhere.reason, Reason::TenantNotFound);
    }
}

#[test]
fn the_advice_stays_within_an_event() {
    for cloud in Cloud::ALL {
        for home in [
            Home::UsGovernment,
            Home::Cloud(Cloud::GccHigh),
            Home::Cloud(Cloud::Gcc),
        ] {
            assert!(Reason::WrongCloud.message().len() + home.advice(*cloud).len() < 1_000);
        }
    }
    assert!(Reason::TenantNotFound.message().len() + NOWHERE.len() < 1_000);
}

fn read(status: u16, body: &serde_json::Value) -> Result<Answer, Silence> {
    interpret(
        status,
        Some(body.to_string().as_bytes()),
        TENANT.parse().unwrap(),
    )
}

#[test]
fn an_answer_is_read_strictly_and_what_is_none_is_no_answer() {
    let issuer = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let document =
        json!({"issuer": issuer, "tenant_region_scope": "NA", "cloud_instance_name": PUBLIC});
    assert_eq!(
        read(200, &document),
        Ok(Answer::Found(Home::Cloud(Cloud::Commercial)))
    );
    assert_eq!(read(200, &json!({"issuer": issuer})), Ok(Answer::Unclear));
    let cases = [
        (
            200,
            json!({"issuer": "https://login.microsoftonline.com/common/v2.0", "tenant_region_scope": "NA"}),
            Err(Silence::Unavailable),
        ),
        (
            200,
            json!({"tenant_region_scope": "NA"}),
            Err(Silence::Unavailable),
        ),
        (200, json!("welcome"), Err(Silence::Unavailable)),
        (
            400,
            json!({"error": "invalid_tenant", "error_codes": [90_002]}),
            Ok(Answer::NotFound),
        ),
        (
            400,
            json!({"error": "invalid_request", "error_codes": [90_002]}),
            Ok(Answer::NotFound),
        ),
        (
            400,
            json!({"error": "invalid_tenant"}),
            Ok(Answer::NotFound),
        ),
        (
            400,
            json!({"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant 'x' not found."}),
            Ok(Answer::NotFound),
        ),
        (
            400,
            json!({"error": "invalid_request", "error_codes": [5_000_224]}),
            Ok(Answer::Unclear),
        ),
        (403, json!({"message": "no"}), Err(Silence::Unavailable)),
        (
            407,
            json!({"error": "invalid_tenant"}),
            Err(Silence::Unavailable),
        ),
        (
            429,
            json!({"error": "invalid_tenant"}),
            Err(Silence::Throttled),
        ),
        (
            500,
            json!({"error": "invalid_tenant"}),
            Err(Silence::Unavailable),
        ),
        (302, document.clone(), Err(Silence::Unavailable)),
    ];
    for (status, body, expected) in cases {
        assert_eq!(read(status, &body), expected, "{status} {body}");
    }
    for (status, expected) in [
        (200, Silence::Unavailable),
        (400, Silence::Unavailable),
        (429, Silence::Throttled),
    ] {
        let whole = interpret(status, None, TENANT.parse().unwrap());
        assert_eq!(whole, Err(expected), "{status}");
    }
    let cut = &document.to_string().into_bytes()[..40];
    assert_eq!(
        interpret(200, Some(cut), TENANT.parse().unwrap()),
        Err(Silence::Unavailable)
    );
}

#[test]
fn a_failure_is_as_doubtful_in_the_status_as_it_was_when_it_came() {
    for number in [
        90_002, 700_016, 500_011, 900_382, 7_000_229, 5_000_224, 900_023, 7_000_215,
    ] {
        let verdict = code(number);
        let error = LastErrorStatus {
            code: Some(format!("AADSTS{number}")),
            reason: verdict.reason.as_str().to_owned(),
            scope: verdict.scope.as_str().to_owned(),
            correlation_id: None,
            trace_id: None,
            at: crate::core::attempt::seconds(crate::core::testing::at(0)),
        };
        assert_eq!(was_doubtful(&error), is_doubtful(&verdict), "{number}");
    }
}
