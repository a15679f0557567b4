//! What a token request says: the form, and HTTP Basic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use crate::http::Request;
use crate::http::message::pairs;

/// The parameters that the client credentials grant knows; all others are ignored, as Entra does.
/// Without `Debug`, so that no log line can carry it.
#[derive(Default)]
pub(crate) struct Form {
    pub(crate) grant_type: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) resource: Option<String>,
    /// Each reading of the secret that was sent. Empty: none was.
    pub(crate) secrets: Vec<String>,
    pub(crate) assertion: Option<String>,
    pub(crate) assertion_type: Option<String>,
}

impl Form {
    /// Reads body and headers. A body of another content type is a body without parameters.
    pub(crate) fn read(request: &Request) -> Self {
        let mut form = Self::default();
        if is_form(request) {
            for (name, value) in pairs(&request.body) {
                form.set(&name, value);
            }
        }
        if form.secrets.is_empty() {
            form.basic(request.header(AUTHORIZATION).unwrap_or_default());
        }
        form
    }

    /// The first of several values stands; an empty one is none.
    fn set(&mut self, name: &str, value: String) {
        let field = match name {
            "grant_type" => &mut self.grant_type,
            "client_id" => &mut self.client_id,
            "scope" => &mut self.scope,
            "resource" => &mut self.resource,
            "client_assertion" => &mut self.assertion,
            "client_assertion_type" => &mut self.assertion_type,
            "client_secret" => {
                if self.secrets.is_empty() && !value.is_empty() {
                    self.secrets.push(value);
                }
                return;
            }
            _ => return,
        };
        if field.is_none() && !value.trim().is_empty() {
            *field = Some(value);
        }
    }

    fn basic(&mut self, header: &str) {
        let Some((scheme, encoded)) = header.split_once(' ') else {
            return;
        };
        if !scheme.eq_ignore_ascii_case("basic") {
            return;
        }
        let Some(text) = STANDARD
            .decode(encoded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            return;
        };
        let Some((id, secret)) = text.split_once(':') else {
            return;
        };
        self.set("client_id", id.to_owned());
        // RFC 6749 §2.3.1 wants both form-encoded; curl and others send them as they are. Take either.
        self.set("client_secret", secret.to_owned());
        let decoded = pairs(format!("s={secret}").as_bytes()).into_iter().next();
        if let Some((_, decoded)) = decoded.filter(|(_, decoded)| decoded != secret) {
            self.secrets.push(decoded);
        }
    }
}

/// Whether the body says that it is a form.
pub(crate) fn is_form(request: &Request) -> bool {
    let content_type = request.header(CONTENT_TYPE).unwrap_or_default();
    content_type.split(';').next().is_some_and(|kind| {
        kind.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;

    fn request(content_type: &'static str, authorization: Option<&str>, body: &str) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        Request {
            method: Method::POST,
            host: "login.microsoftonline.com".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            headers,
            body: Bytes::from(body.to_owned()),
        }
    }

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    #[test]
    fn known_parameters_are_read_and_others_ignored() {
        let form = Form::read(&request(
            FORM,
            None,
            "client_id=a&client_secret=b%2Bc&client_info=1&scope=d&scope=e",
        ));
        assert_eq!(form.client_id.as_deref(), Some("a"));
        assert_eq!(form.secrets, ["b+c"]);
        assert_eq!(form.scope.as_deref(), Some("d"));
        assert_eq!(form.grant_type, None);
    }

    #[test]
    fn another_content_type_has_no_parameters() {
        let form = Form::read(&request("application/json", None, "client_id=a"));
        assert_eq!(form.client_id, None);
    }

    #[test]
    fn basic_is_read_encoded_and_raw() {
        let basic = format!("Basic {}", STANDARD.encode("id:a%7Eb"));
        let form = Form::read(&request(FORM, Some(&basic), ""));
        assert_eq!(form.client_id.as_deref(), Some("id"));
        assert_eq!(form.secrets, ["a%7Eb", "a~b"]);
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert!(
            Form::read(&request(FORM, None, "client_secret="))
                .secrets
                .is_empty()
        );
    }
}
