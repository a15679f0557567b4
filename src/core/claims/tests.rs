use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
const APPLICATION: &str = "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88";
const RESOURCE: &str = "fc780465-2017-40d4-a0c5-307022471b92";
const NOW: i64 = 1_793_527_200;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn expected() -> Expected {
    Expected {
        tenant: TENANT.parse().unwrap(),
        audience: Audience("https://api.securitycenter.microsoft.com"),
        application: APPLICATION.parse().unwrap(),
        resource_id: RESOURCE,
    }
}

/// The payload of a real MDE token, its values replaced.
fn payload() -> Value {
    json!({
        "aud": "https://api.securitycenter.microsoft.com",
        "iss": format!("https://sts.windows.net/{TENANT}/"),
        "iat": NOW - 300, "nbf": NOW - 300, "exp": NOW + 3600,
        "aio": "k2BgYPh/…", "app_displayname": "SOC", "appid": APPLICATION, "appidacr": "1",
        "idp": format!("https://sts.windows.net/{TENANT}/"),
        "oid": "5f9a5c35-8d5b-4f36-a0a9-1f4b0a3f2a10", "rh": "1.AAAA.", "roles": ["Alert.Read.All"],
        "sub": "5f9a5c35-8d5b-4f36-a0a9-1f4b0a3f2a10", "tenant_region_scope": "NA",
        "tid": TENANT, "uti": "x1Y_z-ABCDEFGHIJKLMNAA", "ver": "1.0"
    })
}

/// The same, some claims replaced; null removes one.
fn with(changes: Value) -> Value {
    let mut payload = payload();
    let Value::Object(changes) = changes else {
        panic!()
    };
    for (name, value) in changes {
        if value.is_null() {
            payload.as_object_mut().unwrap().remove(&name);
        } else {
            payload[name] = value;
        }
    }
    payload
}

fn token_of(payload: &str) -> String {
    format!(
        "eyJhbGciOiJSUzI1NiJ9.{}.c2ln",
        BASE64.encode(payload).trim_end_matches('=')
    )
}

fn decode(payload: &Value) -> Result<Claims, Mismatch> {
    Claims::decode(&token_of(&payload.to_string()))
}

fn verdict(payload: &Value) -> Result<Checked, Mismatch> {
    check(
        &decode(payload)?,
        &expected(),
        Duration::from_secs(3599),
        now(),
    )
}

#[test]
fn the_right_token_is_published_until_the_earlier_of_both_expiries() {
    let checked = Checked {
        expires_at: Timestamp::from_second(NOW + 3599).unwrap(),
        roles: vec!["Alert.Read.All".into()],
        uti: Some("x1Y_z-ABCDEFGHIJKLMNAA".into()),
    };
    assert_eq!(verdict(&payload()), Ok(checked.clone()));
    let sooner = with(json!({"exp": NOW + 3400}));
    assert_eq!(
        verdict(&sooner),
        Ok(Checked {
            expires_at: Timestamp::from_second(NOW + 3400).unwrap(),
            ..checked
        })
    );
}

#[test]
fn all_spellings_of_the_right_token_are_taken() {
    for spelling in [
        json!({"aud": "https://api.securitycenter.microsoft.com/"}),
        json!({"aud": RESOURCE}),
        json!({"appid": null, "azp": APPLICATION}),
        json!({"appid": APPLICATION, "azp": APPLICATION}),
        json!({"iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0")}),
        json!({"iss": format!("https://login.microsoftonline.us/{TENANT}/v2.0")}),
        json!({"tid": TENANT.to_uppercase()}),
        json!({"uti": null, "iat": null, "nbf": null}),
    ] {
        assert!(verdict(&with(spelling.clone())).is_ok(), "{spelling}");
    }
    let slash = Expected {
        audience: Audience("https://api.securitycenter.microsoft.com/"),
        ..expected()
    };
    assert!(
        check(
            &decode(&payload()).unwrap(),
            &slash,
            Duration::from_secs(3599),
            now()
        )
        .is_ok()
    );
}

#[test]
fn every_wrong_token_is_refused_by_name() {
    let other = "11111111-2222-4333-8444-555555555555";
    for (changes, mismatch) in [
        (json!({"tid": other}), Mismatch::Tenant),
        (json!({"tid": ""}), Mismatch::Tenant),
        (
            json!({"aud": "https://api.security.microsoft.com"}),
            Mismatch::Audience,
        ),
        (
            json!({"aud": "https://api.securitycenter.microsoft.com//"}),
            Mismatch::Audience,
        ),
        (
            json!({"aud": "https://api.securitycenter.microsoft.com.example"}),
            Mismatch::Audience,
        ),
        (
            json!({"aud": "https://graph.microsoft.com"}),
            Mismatch::Audience,
        ),
        (json!({"appid": other}), Mismatch::Application),
        (json!({"appid": null}), Mismatch::Application),
        (
            json!({"iss": format!("https://sts.windows.net/{other}/")}),
            Mismatch::Issuer,
        ),
        (
            json!({"iss": format!("https://{TENANT}/")}),
            Mismatch::Issuer,
        ),
        (
            json!({"iss": format!("http://sts.windows.net/{TENANT}/")}),
            Mismatch::Issuer,
        ),
        (json!({"scp": "user_impersonation"}), Mismatch::Delegated),
        (json!({"exp": NOW}), Mismatch::Expired),
        (json!({"exp": 0}), Mismatch::Expired),
        (json!({"exp": NOW + 48 * 3600 + 1}), Mismatch::TooLong),
        (json!({"exp": i64::MAX}), Mismatch::TooLong),
        (json!({"exp": NOW + 3599 + 301}), Mismatch::ExpiryDisagrees),
        (json!({"exp": NOW + 3599 - 301}), Mismatch::ExpiryDisagrees),
        (
            json!({"exp": (NOW + 3600).to_string()}),
            Mismatch::Undecodable,
        ),
        (json!({"exp": 1e300}), Mismatch::Undecodable),
        (json!({"exp": null}), Mismatch::Undecodable),
        (json!({"tid": null}), Mismatch::Undecodable),
        (
            json!({"aud": ["https://api.securitycenter.microsoft.com"]}),
            Mismatch::Undecodable,
        ),
        (json!({"roles": "Alert.Read.All"}), Mismatch::Undecodable),
        (json!({"azp": other}), Mismatch::Undecodable),
    ] {
        assert_eq!(verdict(&with(changes.clone())), Err(mismatch), "{changes}");
    }
}

#[test]
fn a_claim_that_is_there_twice_makes_the_token_undecodable() {
    let twice = payload()
        .to_string()
        .replacen('{', &format!(r#"{{"tid":"{TENANT}","#), 1);
    assert_eq!(
        Claims::decode(&token_of(&twice)),
        Err(Mismatch::Undecodable)
    );
}

#[test]
fn what_is_no_token_is_undecodable() {
    let good = token_of(&payload().to_string());
    for token in [
        "",
        ".",
        "..",
        "a.b.c",
        "opaque",
        &good[1..good.len() - 6],
        &format!("{good}.x"),
        "é.é.é",
    ] {
        assert_eq!(Claims::decode(token), Err(Mismatch::Undecodable), "{token}");
    }
}

#[test]
fn padding_is_forgiven() {
    for filler in ["", "x", "xx"] {
        let text = with(json!({"filler": filler})).to_string();
        let padded = format!("e30.{}.c2ln", BASE64.encode(&text));
        assert_eq!(Claims::decode(&padded), Claims::decode(&token_of(&text)));
        assert!(Claims::decode(&padded).is_ok());
    }
}

#[test]
fn roles_come_sorted_and_what_cannot_be_a_role_stays_out() {
    let roles = json!({"roles": ["Machine.Read.All", "Alert.Read.All", "Alert.Read.All", "", "a b", "x\n", "é"]});
    assert_eq!(
        verdict(&with(roles)).unwrap().roles,
        ["Alert.Read.All", "Machine.Read.All"]
    );
    for none in [json!({"roles": []}), json!({"roles": null})] {
        assert!(verdict(&with(none)).unwrap().roles.is_empty());
    }
}

#[test]
fn a_uti_that_could_forge_a_log_line_stays_out() {
    let forged = with(json!({"uti": "x\nlevel=error"}));
    assert_eq!(decode(&forged).unwrap().uti, None);
}

#[test]
fn a_wrong_clock_is_named_where_it_explains_the_mismatch() {
    let skew = Some(SignedDuration::from_mins(10));
    assert_eq!(Mismatch::Expired.reason(skew), Reason::ClockSkew);
    assert_eq!(Mismatch::ExpiryDisagrees.reason(skew), Reason::ClockSkew);
    assert_eq!(Mismatch::Expired.reason(None), Reason::TokenMismatch);
    assert_eq!(Mismatch::Tenant.reason(skew), Reason::TokenMismatch);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(token in ".*") {
        let _ = Claims::decode(&token);
    }

    #[test]
    fn arbitrary_payloads_never_panic(payload: Vec<u8>) {
        let _ = Claims::decode(&format!("a.{}.b", BASE64.encode(payload)));
    }

    #[test]
    fn whatever_the_times_the_token_never_outlives_either(exp: i64, expires_in: u64, second in -99_999_999_999_i64..99_999_999_999) {
        let now = Timestamp::from_second(second).unwrap();
        let claims = Claims { exp, ..decode(&payload()).unwrap() };
        let expires_in = Duration::from_secs(expires_in);
        if let Ok(checked) = check(&claims, &expected(), expires_in, now) {
            prop_assert!(checked.expires_at.as_second() <= exp);
            prop_assert!(checked.expires_at > now);
        }
    }
}
