//! What a browser sends on behalf of a page from elsewhere, which the control port doesn't serve.

use std::net::IpAddr;

use http::StatusCode;
use http::header::ORIGIN;
use serde_json::json;

use crate::http::{Reply, Request};

/// The refusal of a request that a web page has made. Pages can reach loopback ports, and without asking where the
/// request is a simple one; but the browser says then where it comes from, or which name led it here.
pub(super) fn refuse(request: &Request, on_loopback: bool) -> Option<Reply> {
    let error = if request.headers.contains_key(ORIGIN) {
        "requests with an Origin header are refused: web pages have no business here"
    } else if on_loopback && !is_local(&request.host) {
        "the Host header must be localhost, 127.0.0.1 or [::1], with any port"
    } else {
        return None;
    };
    let body = json!({ "error": error });
    Some(Reply::json(StatusCode::FORBIDDEN, &body))
}

/// Whether it names this machine whatever DNS says. No browser leaves the name out.
fn is_local(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    host.is_empty()
        || host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in ["", "localhost", "127.0.0.1", "127.0.0.2", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "0.0.0.0",
            "[::]",
            "[::1",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
