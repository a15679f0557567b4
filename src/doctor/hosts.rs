//! Microsoft's hosts: which are needed, and where the way to one ends.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Check, Finding};
use crate::api::cloud::{Cloud, EntraCloud};
use crate::core::ids::LoginHost;
use crate::defender::hosts::FrontDoor;
use crate::entra::clouds::{login_host, login_host_of};

/// The hosts that are needed, each with what for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses(BTreeMap<&'static str, BTreeSet<String>>);

impl Uses {
    /// Customers of this cloud sign in.
    pub fn login_of(&mut self, cloud: Cloud) {
        self.login(login_host(cloud));
    }

    /// An application is registered there.
    pub fn login_of_application(&mut self, cloud: EntraCloud) {
        self.login(login_host_of(cloud));
    }

    fn login(&mut self, host: LoginHost) {
        self.0.entry(host.0).or_default().insert("login".to_owned());
    }

    /// A front door.
    pub fn api(&mut self, door: &FrontDoor) {
        let host = door.url.0.strip_prefix("https://").unwrap_or(door.url.0);
        let what = format!("API {} {}", door.api, door.cloud);
        self.0.entry(host).or_default().insert(what);
    }

    /// None is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Host and what for.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, String)> {
        let told = |uses: &BTreeSet<String>| uses.iter().cloned().collect::<Vec<_>>().join(", ");
        self.0.iter().map(move |(host, uses)| (*host, told(uses)))
    }
}

/// Where the way to a host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No address for the name.
    NoAddress,
    /// No connection, with the system's word for it.
    NoConnection(&'static str),
    /// The URL of the proxy makes no address.
    ProxyUrl,
    /// The proxy answered CONNECT with this status, or not in HTTP at all.
    ProxyRefused(Option<u16>),
    /// The certificate is nobody's that is trusted.
    UnknownIssuer,
    /// The certificate has expired.
    Expired,
    /// The certificate isn't valid yet.
    NotYetValid,
    /// The certificate is another host's.
    OtherName,
    /// The certificate is bad in another way.
    BadCertificate,
    /// What answers doesn't speak TLS as it should.
    NoTls,
    /// The connection was there, and ended before an answer.
    NoAnswer,
    /// Nothing came in time.
    Late,
}

/// How a host was looked at, and how that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub host: String,
    /// What for.
    pub uses: String,
    /// `HOST:PORT` of the proxy, never its name and password.
    pub proxy: Option<String>,
    /// The status of its answer.
    pub result: Result<u16, Trouble>,
}

/// Whether the host can be reached.
#[must_use]
pub fn host(look: &Look) -> Finding {
    let subject = format!("{} ({})", look.host, look.uses);
    let way = look.proxy.as_ref().map_or_else(
        || "directly".to_owned(),
        |proxy| format!("through the proxy {proxy}"),
    );
    match look.result {
        Ok(407) => problem(look, &subject, &way, Trouble::ProxyRefused(Some(407))),
        Ok(status) => {
            let found = format!("reached {way}: TLS is trusted, HTTP {status}");
            Finding::ok(Check::Hosts, &subject, &found)
        }
        Err(trouble) => problem(look, &subject, &way, trouble),
    }
}

fn problem(look: &Look, subject: &str, way: &str, trouble: Trouble) -> Finding {
    let (host, proxied) = (&look.host, look.proxy.is_some());
    let target = look.proxy.as_deref().unwrap_or(host);
    let inspects = if proxied {
        "the proxy inspects TLS: give its CA by --ca-bundle, or exempt this host there"
    } else {
        "something on the way inspects TLS: give its CA by --ca-bundle, or exempt this host there"
    };
    let (found, advice) = match trouble {
        Trouble::NoAddress if proxied => (
            format!("DNS has no address for the proxy {target}"),
            "correct --https-proxy (HTTPS_PROXY), or look at the cluster's DNS and its NetworkPolicies".to_owned(),
        ),
        Trouble::NoAddress => (
            "DNS has no address for it".to_owned(),
            "look at the cluster's DNS and its NetworkPolicies; where only a proxy leads out, set --https-proxy".to_owned(),
        ),
        Trouble::NoConnection(why) if proxied => (
            format!("no connection to the proxy {target}: {why}"),
            "see whether the proxy runs, and whether a NetworkPolicy or a firewall lets this pod connect to it".to_owned(),
        ),
        Trouble::NoConnection(why) => (
            format!("no connection to port 443: {why}"),
            "let this pod out to port 443 (NetworkPolicy, firewall); where only a proxy leads out, set --https-proxy".to_owned(),
        ),
        Trouble::ProxyUrl => (
            "the proxy's URL can't be used".to_owned(),
            "--https-proxy must be http://HOST:PORT or https://HOST:PORT".to_owned(),
        ),
        Trouble::ProxyRefused(Some(407)) => (
            format!("the proxy {target} asks for a name and a password (407)"),
            "give them in --https-proxy: http://NAME:PASSWORD@HOST:PORT".to_owned(),
        ),
        Trouble::ProxyRefused(Some(status)) => (
            format!("the proxy {target} refuses CONNECT {host}:443 with status {status}"),
            "allow this host on the proxy (403), or see why the proxy doesn't reach it (5xx)".to_owned(),
        ),
        Trouble::ProxyRefused(None) => (
            format!("the proxy {target} doesn't let CONNECT {host}:443 through"),
            "see whether it is an HTTP proxy, and whether it allows this host".to_owned(),
        ),
        Trouble::UnknownIssuer => (
            format!("TLS {way}: its certificate comes from an unknown issuer"),
            inspects.to_owned(),
        ),
        Trouble::Expired => (
            format!("TLS {way}: its certificate has expired"),
            format!("compare the clocks below; if they agree, {inspects}"),
        ),
        Trouble::NotYetValid => (
            format!("TLS {way}: its certificate isn't valid yet"),
            format!("compare the clocks below; if they agree, {inspects}"),
        ),
        Trouble::OtherName => (
            format!("TLS {way}: its certificate has another name"),
            "DNS or the proxy leads elsewhere: look at both".to_owned(),
        ),
        Trouble::BadCertificate => (
            format!("TLS {way}: its certificate can't be used"),
            inspects.to_owned(),
        ),
        Trouble::NoTls => (
            format!("TLS {way}: the handshake failed"),
            "something else answers there, or TLS 1.2 and later are held up on the way".to_owned(),
        ),
        Trouble::NoAnswer => (
            format!("connected {way}, and the connection was closed without an answer"),
            "look at the firewall or the proxy on the way".to_owned(),
        ),
        Trouble::Late => (
            format!("no answer in time {way}"),
            "packets may be dropped on the way: look at NetworkPolicies, the firewall and the proxy".to_owned(),
        ),
    };
    Finding::problem(Check::Hosts, subject, &found, &advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(proxy: Option<&str>, result: Result<u16, Trouble>) -> Finding {
        host(&Look {
            host: "h.example".into(),
            uses: "login".into(),
            proxy: proxy.map(str::to_owned),
            result,
        })
    }

    #[test]
    fn an_answer_of_any_status_is_well_but_the_proxys_own() {
        let ok = |found: &str| Finding::ok(Check::Hosts, "h.example (login)", found);
        assert_eq!(
            look(None, Ok(404)),
            ok("reached directly: TLS is trusted, HTTP 404")
        );
        assert_eq!(
            look(Some("p:1"), Ok(302)),
            ok("reached through the proxy p:1: TLS is trusted, HTTP 302")
        );
    }

    #[test]
    fn each_step_that_can_fail_is_named_with_what_to_do() {
        use Trouble as T;
        let direct = "something on the way inspects TLS: give its CA by --ca-bundle, or exempt this host there";
        let proxied =
            "the proxy inspects TLS: give its CA by --ca-bundle, or exempt this host there";
        let clocks = format!("compare the clocks below; if they agree, {direct}");
        #[rustfmt::skip]
        let cases = [
            (None, T::NoAddress, "DNS has no address for it", "look at the cluster's DNS and its NetworkPolicies; where only a proxy leads out, set --https-proxy"),
            (Some("p:1"), T::NoAddress, "DNS has no address for the proxy p:1", "correct --https-proxy (HTTPS_PROXY), or look at the cluster's DNS and its NetworkPolicies"),
            (None, T::NoConnection("refused"), "no connection to port 443: refused", "let this pod out to port 443 (NetworkPolicy, firewall); where only a proxy leads out, set --https-proxy"),
            (Some("p:1"), T::NoConnection("refused"), "no connection to the proxy p:1: refused", "see whether the proxy runs, and whether a NetworkPolicy or a firewall lets this pod connect to it"),
            (Some("p:1"), T::ProxyUrl, "the proxy's URL can't be used", "--https-proxy must be http://HOST:PORT or https://HOST:PORT"),
            (Some("p:1"), T::ProxyRefused(Some(407)), "the proxy p:1 asks for a name and a password (407)", "give them in --https-proxy: http://NAME:PASSWORD@HOST:PORT"),
            (Some("p:1"), T::ProxyRefused(Some(502)), "the proxy p:1 refuses CONNECT h.example:443 with status 502", "allow this host on the proxy (403), or see why the proxy doesn't reach it (5xx)"),
            (Some("p:1"), T::ProxyRefused(None), "the proxy p:1 doesn't let CONNECT h.example:443 through", "see whether it is an HTTP proxy, and whether it allows this host"),
            (None, T::UnknownIssuer, "TLS directly: its certificate comes from an unknown issuer", direct),
            (Some("p:1"), T::UnknownIssuer, "TLS through the proxy p:1: its certificate comes from an unknown issuer", proxied),
            (None, T::Expired, "TLS directly: its certificate has expired", clocks.as_str()),
            (None, T::NotYetValid, "TLS directly: its certificate isn't valid yet", clocks.as_str()),
            (None, T::OtherName, "TLS directly: its certificate has another name", "DNS or the proxy leads elsewhere: look at both"),
            (None, T::BadCertificate, "TLS directly: its certificate can't be used", direct),
            (None, T::NoTls, "TLS directly: the handshake failed", "something else answers there, or TLS 1.2 and later are held up on the way"),
            (None, T::NoAnswer, "connected directly, and the connection was closed without an answer", "look at the firewall or the proxy on the way"),
            (Some("p:1"), T::Late, "no answer in time through the proxy p:1", "packets may be dropped on the way: look at NetworkPolicies, the firewall and the proxy"),
        ];
        for (proxy, trouble, found, advice) in cases {
            let expected = Finding::problem(Check::Hosts, "h.example (login)", found, advice);
            assert_eq!(look(proxy, Err(trouble)), expected);
        }
    }

    #[test]
    fn a_host_is_looked_at_once_whatever_it_is_for() {
        let mut uses = Uses::default();
        for cloud in [Cloud::Commercial, Cloud::Gcc, Cloud::GccHigh] {
            uses.login_of(cloud);
        }
        uses.login_of_application(EntraCloud::Public);
        for api in [
            crate::api::DefenderApi::Xdr,
            crate::api::DefenderApi::Endpoint,
        ] {
            let door = crate::defender::hosts::front_door(
                Cloud::Commercial,
                api,
                crate::api::Region::Global,
            );
            uses.api(&door.unwrap());
        }
        let found: Vec<_> = uses.iter().collect();
        assert_eq!(
            found,
            [
                (
                    "api.security.microsoft.com",
                    "API Endpoint Commercial, API XDR Commercial".to_owned()
                ),
                ("login.microsoftonline.com", "login".to_owned()),
                ("login.microsoftonline.us", "login".to_owned()),
            ]
        );
    }
}
