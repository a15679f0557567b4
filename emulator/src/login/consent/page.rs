//! The pages for a person. Whatever comes from outside is escaped, and nothing is loaded from anywhere.

use std::fmt::Write as _;

use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_FRAME_OPTIONS};

use super::proposal::Proposal;
use crate::http::Reply;
use crate::login::refusal::Refusal;
use crate::login::reply::{self, Context, uncached};
use crate::world::Roles;

const HTML: &str = "text/html; charset=utf-8";
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#f2f2f2;margin:0}\
main{max-width:36rem;margin:2rem auto;padding:1.5rem 2rem;background:#fff;border:1px solid #c7c7c7}\
h1{font-size:1.5rem;margin:0 0 1rem}h2{font-size:1rem;margin:1rem 0 .25rem}\
ul{margin:0;padding-left:1.5rem}dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0}\
dt{font-weight:600}dd{margin:0;overflow-wrap:anywhere}label{display:block;font-weight:600;margin-top:1rem}\
input{font:inherit;width:100%;box-sizing:border-box;padding:.5rem;border:1px solid #616161}\
button{font:inherit;padding:.5rem 1.5rem;margin:1.5rem .5rem 0 0;border:1px solid #616161;background:#fff;color:#1b1b1b}\
button.main{background:#0f6cbd;border-color:#0f6cbd;color:#fff}\
:focus-visible{outline:3px solid #1b1b1b;outline-offset:2px}footer{margin-top:1.5rem;color:#525252;font-size:.875rem}";

/// The question.
pub(crate) fn proposal(context: &Context, proposal: &Proposal) -> Reply {
    let mut body = String::from("<h1>Permissions requested</h1>\n");
    body += &parties(proposal);
    body += "<p>This application would like to do the following in your whole organization, without a signed-in \
        user:</p>\n";
    body += &roles(&proposal.roles);
    body += "<form method=\"post\">\n";
    if proposal.tenant.is_none() {
        body += "<label for=\"tenant\">Tenant ID of your organization</label>\n\
            <input id=\"tenant\" name=\"tenant\" required autocomplete=\"off\" spellcheck=\"false\" \
            aria-describedby=\"hint\">\n\
            <p id=\"hint\">Looks like 00000000-0000-0000-0000-000000000000.</p>\n";
    }
    body += "<button class=\"main\" name=\"decision\" value=\"accept\">Accept</button>\n\
        <button name=\"decision\" value=\"cancel\" formnovalidate>Cancel</button>\n</form>\n";
    document(context, StatusCode::OK, "Permissions requested", &body)
}

/// After Accept, where no redirect was asked for.
pub(crate) fn granted(context: &Context, proposal: &Proposal) -> Reply {
    let body = format!(
        "<h1>Permissions granted</h1>\n{}{}<p>You can close this page.</p>\n",
        parties(proposal),
        roles(&proposal.roles)
    );
    document(context, StatusCode::OK, "Permissions granted", &body)
}

/// After Cancel, where no redirect was asked for.
pub(crate) fn declined(context: &Context, proposal: &Proposal) -> Reply {
    let body = format!(
        "<h1>Permissions not granted</h1>\n{}<p>The admin canceled the request. Nothing was changed.</p>\n",
        parties(proposal)
    );
    document(context, StatusCode::OK, "Permissions not granted", &body)
}

/// Entra's error page. Status and headers are those of the error document.
pub(crate) fn error(context: &Context, refusal: &Refusal) -> Reply {
    let mut reply = reply::error(context, refusal);
    let is_document = reply
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_document {
        return reply;
    }
    let number = refusal.code.number;
    let body = format!(
        "<h1>Sign in</h1>\n<p>Sorry, but we\u{2019}re having trouble signing you in.</p>\n\
        <p>AADSTS{number}: {text}</p>\n<h2>Troubleshooting details</h2>\n<dl>\n\
        <dt>Error</dt><dd>{error}</dd>\n<dt>Request Id</dt><dd>{trace}</dd>\n\
        <dt>Correlation Id</dt><dd>{correlation}</dd>\n<dt>Timestamp</dt><dd>{time}</dd>\n</dl>\n",
        text = escape(&refusal.text()),
        error = escape(refusal.error()),
        trace = context.trace_id,
        correlation = context.correlation_id,
        time = context.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    );
    reply.body = html("Sign in", &body).into_bytes();
    reply
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    guarded(reply)
}

fn parties(proposal: &Proposal) -> String {
    let client = proposal.client.to_string();
    let publisher = match &proposal.publisher {
        Some(name) => format!("{} (verified)", escape(name)),
        None => "unverified".to_owned(),
    };
    let mut list = format!(
        "<dl>\n<dt>Application</dt><dd>{}</dd>\n<dt>Publisher</dt><dd>{publisher}</dd>\n\
        <dt>Application ID</dt><dd>{client}</dd>\n",
        escape(&proposal.name)
    );
    if let Some(tenant) = proposal.tenant {
        let _ = writeln!(list, "<dt>Tenant</dt><dd>{tenant}</dd>");
    }
    if let Some(uri) = &proposal.redirect {
        let _ = writeln!(list, "<dt>Continues at</dt><dd>{}</dd>", escape(uri));
    }
    list + "</dl>\n"
}

fn roles(roles: &Roles) -> String {
    let mut text = String::new();
    for api in roles.apis() {
        let _ = write!(text, "<h2>{}</h2>\n<ul>\n", escape(api.principal()));
        for role in roles.of(api) {
            let _ = writeln!(text, "<li>{}</li>", escape(role));
        }
        text += "</ul>\n";
    }
    if text.is_empty() {
        text += "<p>Nothing: its registration lists no roles.</p>\n";
    }
    text
}

fn document(context: &Context, status: StatusCode, title: &str, body: &str) -> Reply {
    let reply = Reply::new(status, HTML, html(title, body));
    guarded(context.finish(uncached(reply)))
}

fn html(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <title>{title} - entra-emulator</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\
        <footer>This is entra-emulator, not Microsoft Entra.</footer>\n</main>\n</body>\n</html>\n"
    )
}

fn guarded(reply: Reply) -> Reply {
    reply
        .header(CONTENT_SECURITY_POLICY, POLICY)
        .header(X_FRAME_OPTIONS, "DENY")
}

/// Text as it may stand between tags and in quoted attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escape("<a href=\"x\" b='&'>"),
            "&lt;a href=&quot;x&quot; b=&#39;&amp;&#39;&gt;"
        );
    }
}
