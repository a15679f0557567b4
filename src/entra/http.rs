//! The HTTP client for Microsoft's hosts, one for the process.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, NoProxy, Proxy, Url};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};

/// What the operator says of itself to Microsoft's login hosts.
const USER_AGENT: &str = concat!("defender-tenant-operator/", env!("CARGO_PKG_VERSION"));

/// Idle connections go before the four minutes after which Azure's load balancers drop them silently.
const IDLE: Duration = Duration::from_mins(1);

/// Idle connections a host: with HTTP/2 one is enough, a proxy may allow HTTP/1 only.
const IDLE_CONNECTIONS: usize = 16;

/// A dead HTTP/2 connection would otherwise take each request on it down, for the whole time-out.
const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);

/// How Microsoft's hosts are reached.
#[derive(Clone, Debug, Default)]
pub enum ProxyChoice {
    /// Directly.
    #[default]
    Direct,
    /// By a CONNECT proxy.
    Through {
        /// Its URL; may carry a name and a password.
        url: SecretString,
        /// Hosts that aren't reached through it, as in `NO_PROXY`.
        except: Option<String>,
    },
}

impl ProxyChoice {
    /// The flag, else `HTTPS_PROXY` or `https_proxy` with `NO_PROXY` or `no_proxy`, else none.
    ///
    /// `NO_PROXY` belongs to the environment's proxy: whoever names one for Microsoft's hosts means it.
    #[must_use]
    pub fn new(flag: Option<SecretString>, env: impl Fn(&str) -> Option<String>) -> Self {
        let set = |names: [&str; 2]| {
            names
                .into_iter()
                .filter_map(&env)
                .map(|value| value.trim().to_owned())
                .find(|value| !value.is_empty())
        };
        if let Some(url) = flag.filter(|url| !url.expose_secret().trim().is_empty()) {
            return Self::Through { url, except: None };
        }
        match set(["HTTPS_PROXY", "https_proxy"]) {
            Some(url) => Self::Through {
                url: url.into(),
                except: set(["NO_PROXY", "no_proxy"]),
            },
            None => Self::Direct,
        }
    }
}

/// What the client is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How Microsoft's hosts are reached.
    pub proxy: ProxyChoice,
    /// PEM certificates that are trusted beside the system's.
    pub ca_bundle: Option<PathBuf>,
    /// To a connection, TLS included.
    pub connect_timeout: Duration,
    /// To the last byte of the answer.
    pub total_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            proxy: ProxyChoice::Direct,
            ca_bundle: None,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(20),
        }
    }
}

/// Why there is no client. None of the texts holds a proxy's URL: it may carry a password.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The CA bundle can't be read.
    #[error("the CA bundle {} can't be read: {kind}", path.display())]
    BundleUnreadable {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// The CA bundle isn't PEM, or there is no certificate in it.
    #[error("the CA bundle {} holds no PEM certificate", path.display())]
    BundleEmpty {
        /// Where it is.
        path: PathBuf,
    },
    /// A certificate of the CA bundle can't be used.
    #[error("the CA bundle {}: certificate {number} can't be used as a root", path.display())]
    BundleInvalid {
        /// Where it is.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
    },
    /// The proxy's URL can't be used.
    #[error(
        "the proxy's URL must be http://HOST:PORT or https://HOST:PORT, with NAME:PASSWORD@ before HOST where it asks for them"
    )]
    ProxyUrl,
    /// Nobody to trust.
    #[error("the system has no CA certificates, and no CA bundle is given")]
    NoRoots,
    /// The process has no cryptography.
    #[error("no default rustls crypto provider is installed")]
    NoCryptoProvider,
    /// Anything else that the client's builder refuses.
    #[error("the HTTP client can't be built")]
    Build,
}

/// Builds the client. The process must have installed rustls' default crypto provider before.
///
/// It follows no redirect, keeps no cookie and speaks to `https` URLs only.
pub fn build(settings: &Settings) -> Result<reqwest::Client, HttpError> {
    // Without one reqwest panics.
    if CryptoProvider::get_default().is_none() {
        return Err(HttpError::NoCryptoProvider);
    }
    let roots = match &settings.ca_bundle {
        Some(path) => read_bundle(path)?,
        None => Vec::new(),
    };
    let own_roots = !roots.is_empty();
    let mut builder = reqwest::Client::builder()
        .https_only(true)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.total_timeout)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PONG_WITHIN)
        // Also switches reqwest's own look into the environment off.
        .no_proxy();
    if own_roots {
        builder = builder.tls_certs_merge(roots);
    }
    if let ProxyChoice::Through { url, except } = &settings.proxy {
        let except = except.as_deref().and_then(NoProxy::from_string);
        builder = builder.proxy(proxy(url)?.no_proxy(except));
    }
    // Everything else was looked at: what is left is an empty store of the system's roots.
    builder.build().map_err(|_| {
        if own_roots {
            HttpError::Build
        } else {
            HttpError::NoRoots
        }
    })
}

fn proxy(url: &SecretString) -> Result<Proxy, HttpError> {
    Proxy::https(proxy_url(url)?).map_err(|_| HttpError::ProxyUrl)
}

pub(super) fn proxy_url(url: &SecretString) -> Result<Url, HttpError> {
    let text = url.expose_secret().trim();
    // As curl and others do.
    let parsed = if text.contains("://") {
        Url::parse(text)
    } else {
        Url::parse(&format!("http://{text}"))
    };
    let parsed = parsed.map_err(|_| HttpError::ProxyUrl)?;
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(HttpError::ProxyUrl);
    }
    Ok(parsed)
}

fn read_bundle(path: &Path) -> Result<Vec<Certificate>, HttpError> {
    let pem = std::fs::read(path).map_err(|error| HttpError::BundleUnreadable {
        path: path.to_owned(),
        kind: error.kind(),
    })?;
    let mut store = RootCertStore::empty();
    let mut certificates = Vec::new();
    for der in CertificateDer::pem_slice_iter(&pem) {
        let invalid = || HttpError::BundleInvalid {
            path: path.to_owned(),
            number: certificates.len() + 1,
        };
        let der = der.map_err(|_| invalid())?;
        // Tried here, so that the error can say which one.
        store.add(der.clone()).map_err(|_| invalid())?;
        certificates.push(Certificate::from_der(&der).map_err(|_| invalid())?);
    }
    if certificates.is_empty() {
        return Err(HttpError::BundleEmpty {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(flag: Option<&str>, env: &[(&str, &str)]) -> Option<(String, Option<String>)> {
        let choice = ProxyChoice::new(flag.map(Into::into), |name| {
            env.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        });
        match choice {
            ProxyChoice::Direct => None,
            ProxyChoice::Through { url, except } => Some((url.expose_secret().to_owned(), except)),
        }
    }

    #[test]
    fn the_flag_comes_before_the_environment() {
        let both = [("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "a.example")];
        assert_eq!(
            chosen(Some("http://flag:1"), &both),
            Some(("http://flag:1".into(), None))
        );
        assert_eq!(
            chosen(None, &both),
            Some(("http://env:1".into(), Some("a.example".into())))
        );
        assert_eq!(
            chosen(Some(" "), &both[..1]),
            Some(("http://env:1".into(), None))
        );
        assert_eq!(
            chosen(
                None,
                &[
                    ("https_proxy", "http://lower:1"),
                    ("no_proxy", "b"),
                    ("HTTPS_PROXY", "")
                ]
            ),
            Some(("http://lower:1".into(), Some("b".into())))
        );
        assert_eq!(
            chosen(None, &[("HTTP_PROXY", "http://other:1"), ("NO_PROXY", "*")]),
            None
        );
    }

    #[test]
    fn a_bad_proxy_url_is_refused_without_showing_it() {
        for url in [
            "socks5://canary:canary@h:1",
            "http://",
            "ftp://canary@h",
            "http://canary:canary@h:port",
            "http://[canary",
        ] {
            let settings = Settings {
                proxy: ProxyChoice::Through {
                    url: url.into(),
                    except: None,
                },
                ..Settings::default()
            };
            assert!(!format!("{settings:?}").contains("canary"));
            let ProxyChoice::Through { url, .. } = settings.proxy else {
                panic!()
            };
            let error = proxy(&url).err().unwrap();
            assert!(matches!(error, HttpError::ProxyUrl));
            assert!(!format!("{error:?} {error}").contains("canary"));
        }
        for url in [
            "http://h:8080",
            "h:8080",
            "https://name:pass@h",
            "http://[::1]:3128/",
        ] {
            assert!(proxy(&url.into()).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_bundle_is_named_with_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        let error = read_bundle(&path).err().unwrap();
        assert!(matches!(
            &error,
            HttpError::BundleUnreadable {
                kind: io::ErrorKind::NotFound,
                ..
            }
        ));
        for text in [
            "",
            "no PEM",
            "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(read_bundle(&path), Err(HttpError::BundleEmpty { .. })),
                "{text}"
            );
        }
        for text in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n!\n",
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(
                    read_bundle(&path),
                    Err(HttpError::BundleInvalid { number: 1, .. })
                ),
                "{text}"
            );
        }
    }
}
