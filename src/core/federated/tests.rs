use serde_json::json;

use super::*;

/// An unsigned token with these claims.
fn token(claims: &Value) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = json!({"alg": "RS256", "kid": "k"});
    format!(
        "{}.{}.{}",
        part(header.to_string()),
        part(claims.to_string()),
        part("signature".to_owned())
    )
}

fn claims() -> Value {
    json!({
        "iss": "https://oidc.example/cluster",
        "sub": "system:serviceaccount:defender:operator",
        "aud": ["api://AzureADTokenExchange"],
        "exp": 1_790_000_600,
    })
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn a_token_is_taken_whole_and_shown_in_parts() {
    let token = token(&claims());
    let expected = Presented {
        issuer: "https://oidc.example/cluster".into(),
        subject: "system:serviceaccount:defender:operator".into(),
        audience: "api://AzureADTokenExchange".into(),
        expires_at: Some(at(1_790_000_600)),
    };
    for file in [token.clone(), format!(" {token}\r\n")] {
        assert_eq!(read(file.as_bytes()), Ok((&*token, expected.clone())));
    }
    assert_eq!(
        expected.to_string(),
        "issuer https://oidc.example/cluster, subject system:serviceaccount:defender:operator, audience api://AzureADTokenExchange"
    );
}

#[test]
fn what_is_no_token_is_told() {
    let good = token(&claims());
    let parts: Vec<_> = good.split('.').collect();
    let long = "x".repeat(LONGEST + 1);
    let almost = "x".repeat(LONGEST);
    for (file, fault) in [
        ("", TokenFault::Empty),
        (" \n", TokenFault::Empty),
        (&*long, TokenFault::TooLong),
        (&*almost, TokenFault::NotAToken),
        ("canary", TokenFault::NotAToken),
        ("a.b.c", TokenFault::NotAToken),
        (&*format!("{good}.x"), TokenFault::NotAToken),
        (&*parts[..2].join("."), TokenFault::NotAToken),
        (
            &*format!("{}.{}.", parts[0], parts[1]),
            TokenFault::NotAToken,
        ),
        (
            &*format!("{}.{}.!", parts[0], parts[1]),
            TokenFault::NotAToken,
        ),
        (
            &*format!("x.{}.{}", parts[1], parts[2]),
            TokenFault::NotAToken,
        ),
        (&*token(&json!([1])), TokenFault::NotAToken),
    ] {
        assert_eq!(read(file.as_bytes()), Err(fault), "{file:.40}");
    }
    assert_eq!(read(&[0xff, 0xfe]), Err(TokenFault::NotAToken));
}

#[test]
fn nothing_that_is_shown_plays_with_a_terminal_and_nothing_is_long() {
    let evil = json!({
        "iss": "https://a\u{1b}[2J\nfake\u{202e}line b",
        "sub": "x".repeat(5_000),
        "aud": ["one", 7, "two\u{0}"],
        "exp": "soon",
    });
    let file = token(&evil);
    let (_, presented) = read(file.as_bytes()).unwrap();
    assert_eq!(
        presented,
        Presented {
            issuer: "https://a[2Jfakelineb".into(),
            subject: "x".repeat(600),
            audience: "one and two".into(),
            expires_at: None,
        }
    );
    let many =
        json!({"aud": vec!["a".repeat(500); 10], "exp": 1_790_000_600.9, "sub": 7, "iss": "\n"});
    let file = token(&many);
    let (_, presented) = read(file.as_bytes()).unwrap();
    assert_eq!(presented.audience.len(), 600);
    assert_eq!(presented.expires_at, Some(at(1_790_000_600)));
    assert_eq!(
        (&*presented.issuer, &*presented.subject),
        ("(none)", "(none)")
    );
}

#[test]
fn a_token_expires_at_its_second() {
    let file = token(&claims());
    let (_, presented) = read(file.as_bytes()).unwrap();
    let view = |found| TokenView {
        path: Some("/var/run/token".into()),
        found,
    };
    let good = view(Ok(presented.clone()));
    assert_eq!(good.fault(at(1_790_000_599)), None);
    assert_eq!(good.fault(at(1_790_000_600)), Some(TokenFault::Expired));
    let endless = view(Ok(Presented {
        expires_at: None,
        ..presented
    }));
    assert_eq!(endless.fault(Timestamp::MAX), None);
    let missing = view(Err(TokenFault::Missing));
    assert_eq!(missing.fault(at(0)), Some(TokenFault::Missing));
}

#[test]
fn a_complaint_names_the_file_and_what_to_do() {
    let view = TokenView {
        path: Some("/var/run/token".into()),
        found: Err(TokenFault::Missing),
    };
    assert_eq!(
        view.complaint(TokenFault::Missing),
        "workload identity needs the operator's service account token, /var/run/token: there is no such file; mount a projected serviceAccountToken volume with the audience that the application's federated credential has (api://AzureADTokenExchange), or use Azure Workload Identity"
    );
    let unnamed = TokenView {
        path: None,
        found: Err(TokenFault::NoFile),
    };
    assert!(
        unnamed
            .complaint(TokenFault::NoFile)
            .contains("token, no file: neither --federated-token-file nor")
    );
}
