//! How the page sends the browser back to the partner.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::LOCATION;
use uuid::Uuid;

use super::query::Query;
use crate::http::Reply;
use crate::login::path::{Link, Version};
use crate::login::refusal::Refusal;
use crate::login::reply::{Context, described, uncached};

/// Whether a browser may be sent there: an absolute http or https address, without a fragment, as Entra wants it.
pub(crate) fn is_web_uri(uri: &str) -> bool {
    let is_plain = uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
    is_plain
        && uri.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        })
}

/// After Accept.
pub(crate) fn accepted(
    context: &Context,
    link: Link,
    query: &Query,
    tenant: Uuid,
    uri: &str,
) -> Reply {
    let tenant = ("tenant", tenant.to_string());
    let state = query.state.clone().map(|state| ("state", state));
    let done = ("admin_consent", "True".to_owned());
    let scope = query.scope.clone().map(|scope| ("scope", scope));
    let parameters = match link {
        Link::Admin(Version::V1) => vec![Some(tenant), state, Some(done)],
        Link::Admin(Version::V2) => vec![Some(done), Some(tenant), scope, state],
        Link::Authorize => {
            // Nothing here redeems a code, but a page that waits for one shall see it.
            let code = format!("1.{}", URL_SAFE_NO_PAD.encode(context.trace_id.as_bytes()));
            let session = ("session_state", context.correlation_id.to_string());
            vec![Some(("code", code)), state, Some(session)]
        }
    };
    found(context, uri, parameters)
}

/// After Cancel.
pub(crate) fn declined(context: &Context, link: Link, query: &Query, uri: &str) -> Reply {
    let error = |word: &str| Some(("error", word.to_owned()));
    let text = |text: String| Some(("error_description", text));
    let state = query.state.clone().map(|state| ("state", state));
    let described = described(context, &Refusal::new(65_004));
    let parameters = match link {
        Link::Admin(Version::V1) => vec![
            error("permission_denied"),
            text("The admin canceled the request".to_owned()),
            state,
        ],
        // Entra says so also when there is none.
        Link::Admin(Version::V2) => vec![
            Some(("admin_consent", "True".to_owned())),
            error("consent_required"),
            text(described),
            state,
        ],
        Link::Authorize => vec![error("access_denied"), text(described), state],
    };
    found(context, uri, parameters)
}

fn found(context: &Context, uri: &str, parameters: Vec<Option<(&str, String)>>) -> Reply {
    let parameters: Vec<_> = parameters.into_iter().flatten().collect();
    let joint = if uri.contains('?') { '&' } else { '?' };
    let query = serde_urlencoded::to_string(parameters).unwrap_or_default();
    let reply = Reply::empty(StatusCode::FOUND).header(LOCATION, &format!("{uri}{joint}{query}"));
    context.finish(uncached(reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_web_pages_only() {
        for uri in [
            "https://soc.example",
            "https://soc.example/done?x=1&y",
            "http://localhost:8080/done",
            "https://[::1]/",
        ] {
            assert!(is_web_uri(uri), "{uri}");
        }
        for uri in [
            "javascript:alert(1)",
            "data:text/html,a",
            "/done",
            "//soc.example/done",
            "soc.example",
            "https://",
            "https:///done",
            "https://soc.example/a b",
            "https://soc.example/\r\nX: y",
            "https://soc.example/#f",
            "https://soc.example/ü",
            "ftp://soc.example",
            "",
        ] {
            assert!(!is_web_uri(uri), "{uri}");
        }
    }
}
