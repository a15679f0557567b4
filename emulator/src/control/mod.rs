//! The control API: what tests and demos tell the emulator, and what they ask it.

mod bodies;
mod browser;
mod certificate_body;
mod config;
mod either;
mod fault_body;
mod federated_body;
mod handlers;
mod redirect_uris;
mod roles;
mod routes;
mod tenant_body;

pub use config::Config;
pub(crate) use config::apply;
pub(crate) use routes::answer;

use serde_json::error::Category;

/// A body that the contract doesn't allow; the text says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadRequest(pub(crate) String);

impl BadRequest {
    /// The same complaint with its place in front.
    fn within(self, place: &str) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl From<serde_json::Error> for BadRequest {
    /// Where the mistake is and what was expected there, never what was found: it may be a credential.
    fn from(error: serde_json::Error) -> Self {
        let text = error.to_string();
        // A value that was read before has no place any more.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let text = text.strip_suffix(&place).unwrap_or(&text);
        let reason = match error.classify() {
            Category::Data => reason(text),
            // These are serde_json's own words.
            Category::Syntax | Category::Eof | Category::Io => text.to_owned(),
        };
        match error.line() {
            0 => Self(reason),
            line => Self(format!("line {line} column {}: {reason}", error.column())),
        }
    }
}

/// What serde says of a value of the wrong kind, without the value. What was expected comes last, so that nothing in
/// the value can stand for it.
fn reason(text: &str) -> String {
    if text.starts_with("missing field ") || text.starts_with("duplicate field ") {
        return text.to_owned();
    }
    let name = text.strip_prefix("unknown field `").and_then(|rest| {
        let (name, _) = rest.rsplit_once("`, ")?;
        // Expected names are in backquotes too.
        name.split('`').next()
    });
    let expected = text
        .rsplit_once(", expected ")
        .filter(|_| !text.ends_with(", there are no fields"))
        .map(|(_, expected)| format!("expected {}", plain(expected)));
    match (name, expected) {
        (Some(name), expected) => {
            let expected = expected.map_or_else(String::new, |expected| format!(", {expected}"));
            format!("unknown field {}{expected}", field(name))
        }
        (None, Some(expected)) => expected,
        (None, None) => "not what GET /openapi.json describes".to_owned(),
    }
}

/// In words of JSON: serde names numbers as Rust does.
fn plain(expected: &str) -> String {
    match expected {
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0".to_owned(),
        "i64" => "a whole number".to_owned(),
        _ => expected.to_owned(),
    }
}

/// A field's name is quoted if it has the form of one: letters. Credentials have digits and signs in them.
fn field(name: &str) -> String {
    if name.len() <= 30 && name.chars().all(|letter| letter.is_ascii_alphabetic()) {
        format!("`{name}`")
    } else {
        format!("of {} characters", name.chars().count())
    }
}

/// An id in a path or a key. What is none isn't quoted.
fn guid(what: &str, text: &str) -> Result<uuid::Uuid, BadRequest> {
    crate::guid::parse(text).ok_or_else(|| {
        let length = text.chars().count();
        BadRequest(format!("{what} (of {length} characters) is not a GUID"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::control::bodies::{ApplicationBody, TokensBody};
    use crate::control::fault_body::FaultBody;
    use crate::control::tenant_body::TenantBody;

    const CANARY: &str = "canary~8Q, expected `canary` at line 1";

    fn complaint<T: DeserializeOwned>(text: &str) -> String {
        let error = serde_json::from_str::<T>(text).err().expect(text);
        BadRequest::from(error).0
    }

    #[test]
    fn a_mistake_is_told_by_its_place_and_what_was_expected() {
        assert_eq!(
            complaint::<ApplicationBody>(r#"{"secrets":"canary"}"#),
            "line 1 column 19: expected a sequence"
        );
        assert_eq!(
            complaint::<ApplicationBody>("{\n\"secrets\": [\"a\" \"b\"]}"),
            "line 2 column 17: expected `,` or `]`"
        );
        assert_eq!(
            complaint::<ApplicationBody>(r#"{"secrets":[{"valu":"a"}]}"#),
            "line 1 column 19: unknown field `valu`, expected one of `value`, `notBefore`, `expires`, `visibleAfterSeconds`"
        );
        assert_eq!(
            complaint::<ApplicationBody>(r#"{"secrets":[{"a8Q~b":1}]}"#),
            "line 1 column 20: unknown field of 5 characters, expected one of `value`, `notBefore`, `expires`, `visibleAfterSeconds`"
        );
        assert_eq!(
            complaint::<FaultBody>("{}"),
            "line 1 column 2: missing field `fault`"
        );
    }

    #[test]
    fn no_wrong_value_is_quoted_wherever_it_stands() {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Nothing {}

        let text = serde_json::Value::from(CANARY).to_string();
        let at = |template: &str| template.replace("HERE", &text);
        let complaints = [
            complaint::<ApplicationBody>(&text),
            complaint::<ApplicationBody>(&at(r#"{"secrets":HERE}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":{HERE:1}}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[{HERE:1}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[{"value":[HERE]}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[{"expires":HERE}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[{"notBefore":HERE}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[{"visibleAfterSeconds":HERE}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[HERE HERE]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"secrets":[HERE"#)),
            complaint::<ApplicationBody>(&at("{HERE:1}")),
            complaint::<ApplicationBody>(&at(r#"{"certificates":HERE}"#)),
            complaint::<ApplicationBody>(&at(r#"{"certificates":[{"pem":[HERE]}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"certificates":[{HERE:1}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"federated":[HERE]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"federated":[{"jwks":HERE}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"federated":[{"jwks":{"keys":[HERE]}}]}"#)),
            complaint::<ApplicationBody>(&at(r#"{"entraCloud":HERE}"#)),
            complaint::<ApplicationBody>(&at(r#"{"requiredRoles":HERE}"#)),
            complaint::<TenantBody>(&at(r#"{"cloud":HERE}"#)),
            complaint::<TenantBody>(&at(r#"{"state":HERE}"#)),
            complaint::<TenantBody>(&at(r#"{"resources":[HERE]}"#)),
            complaint::<TenantBody>(&at(r#"{"consents":{"a":HERE}}"#)),
            complaint::<TokensBody>(&at(r#"{"lifetimeSeconds":HERE}"#)),
            complaint::<FaultBody>(&at(r#"{"fault":{"body":HERE}}"#)),
            complaint::<FaultBody>(&at(r#"{"fault":{HERE:1}}"#)),
            complaint::<FaultBody>(&at(r#"{"match":{"endpoint":HERE},"fault":{"reset":true}}"#)),
            complaint::<Nothing>(&at("{HERE:1}")),
            complaint::<BTreeMap<String, u8>>(&at(r#"{"a":HERE}"#)),
            guid("client id", CANARY).unwrap_err().0,
        ];
        for complaint in complaints {
            assert!(!complaint.contains("canary"), "{complaint}");
            assert!(!complaint.contains("8Q"), "{complaint}");
        }
    }
}
