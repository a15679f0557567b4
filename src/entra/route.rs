//! Which proxy stands on the way to a host.

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderValue;

use super::http::{HttpError, ProxyChoice, proxy_url};

/// The proxy that a host is reached by. Its `Debug` shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The proxy's host.
    pub host: String,
    /// The proxy's port.
    pub port: u16,
    /// The proxy itself is reached by TLS.
    pub tls: bool,
    /// What it is told of name and password; marked as sensitive.
    pub authorization: Option<HeaderValue>,
}

/// The proxy on the way to a host, as the client chooses it; none if there is none.
///
/// It is chosen by the very matcher that the client has inside.
pub fn route(choice: &ProxyChoice, host: &str) -> Result<Option<Route>, HttpError> {
    let ProxyChoice::Through { url, except } = choice else {
        return Ok(None);
    };
    let matcher = Matcher::builder()
        .https(proxy_url(url)?.as_str())
        .no(except.as_deref().unwrap_or_default())
        .build();
    let target = format!("https://{host}/").parse();
    let Some(proxy) = target.ok().and_then(|target| matcher.intercept(&target)) else {
        return Ok(None);
    };
    let tls = proxy.uri().scheme_str() == Some("https");
    let mut authorization = proxy.basic_auth().cloned();
    if let Some(value) = &mut authorization {
        value.set_sensitive(true);
    }
    Ok(Some(Route {
        host: proxy.uri().host().ok_or(HttpError::ProxyUrl)?.to_owned(),
        port: proxy.uri().port_u16().unwrap_or(if tls { 443 } else { 80 }),
        tls,
        authorization,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_a_host_is_the_clients() {
        let through = |url: &str, except: Option<&str>| ProxyChoice::Through {
            url: url.into(),
            except: except.map(str::to_owned),
        };
        let to = |choice: &ProxyChoice| route(choice, "login.example.com").unwrap();
        let shown = |found: Option<Route>| {
            let found = found?;
            assert!(!format!("{found:?}").contains("bmFtZTpjYW5hcnk"));
            let told = found.authorization.is_some();
            Some((found.host, found.port, found.tls, told))
        };
        for (choice, expected) in [
            (ProxyChoice::Direct, None),
            (through("p:3128", None), Some(("p", 3128, false, false))),
            (
                through("http://name:canary@p", None),
                Some(("p", 80, false, true)),
            ),
            (through("https://p/", None), Some(("p", 443, true, false))),
            (through("p:1", Some("example.com")), None),
            (through("p:1", Some("*")), None),
            (
                through("p:1", Some("other.com")),
                Some(("p", 1, false, false)),
            ),
        ] {
            let expected =
                expected.map(|(host, port, tls, told)| (host.to_owned(), port, tls, told));
            assert_eq!(shown(to(&choice)), expected);
        }
        assert!(route(&through("socks5://canary", None), "h").is_err());
    }
}
