//! The anonymous documents: OpenID configuration, keys, instance discovery.

use http::StatusCode;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use serde_json::{Value, json};

use super::Version;
use super::claims;
use super::refusal::Refusal;
use super::token;
use crate::guid;
use crate::hosts::{self, LoginCloud, Site};
use crate::http::{Reply, Request};
use crate::signing::Jwk;
use crate::world::{Cloud, Directory, TenantState};

/// Whose document: one tenant's, or the template of a multi-tenant authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Tenant {
        id: String,
        cloud: Cloud,
    },
    /// `common`, `organizations` or `consumers`, as written.
    Any {
        name: String,
        cloud: LoginCloud,
    },
}

impl Subject {
    /// Finds whom the path's first word names. The public host also answers for tenants of the government's cloud.
    pub(crate) fn find(
        directory: &Directory,
        asked: LoginCloud,
        name: &str,
    ) -> Result<Self, Refusal> {
        let lower = name.to_ascii_lowercase();
        if matches!(lower.as_str(), "common" | "organizations" | "consumers") {
            return Ok(Self::Any {
                name: lower,
                cloud: asked,
            });
        }
        let refused = |number| Refusal::new(number).with("tenant", name);
        let id = token::tenant_id(name)?;
        let tenant = directory.tenant(&id).ok_or_else(|| refused(90_002))?;
        if asked == LoginCloud::UsGovernment && LoginCloud::of(tenant.cloud) == LoginCloud::Public {
            return Err(refused(90_002));
        }
        if tenant.state == TenantState::Gone {
            return Err(refused(5_000_224));
        }
        Ok(Self::Tenant {
            id: id.to_string(),
            cloud: tenant.cloud,
        })
    }

    fn login(&self) -> LoginCloud {
        match self {
            Self::Tenant { cloud, .. } => LoginCloud::of(*cloud),
            Self::Any { cloud, .. } => *cloud,
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Tenant { id, .. } => id,
            Self::Any { name, .. } => name,
        }
    }

    fn issuer(&self, version: Version) -> String {
        let tenant = match self {
            Self::Tenant { id, .. } => id,
            Self::Any { .. } => "{tenantid}",
        };
        match version {
            Version::V1 => claims::issuer(tenant),
            Version::V2 => format!("https://{}/{tenant}/v2.0", self.login().canonical()),
        }
    }

    fn region(&self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::Any { .. } => (None, None),
            Self::Tenant { cloud, .. } => {
                let sub = match cloud {
                    Cloud::Commercial => None,
                    Cloud::Gcc => Some("GCC"),
                    Cloud::GccHigh => Some("DODCON"),
                    Cloud::DoD => Some("DOD"),
                };
                (Some(claims::region_scope(*cloud)), sub)
            }
        }
    }

    fn graph_host(&self) -> &'static str {
        match self {
            Self::Tenant {
                cloud: Cloud::DoD, ..
            } => "dod-graph.microsoft.us",
            _ => match self.login() {
                LoginCloud::Public => "graph.microsoft.com",
                LoginCloud::UsGovernment => "graph.microsoft.us",
            },
        }
    }
}

/// The OpenID configuration of either endpoint generation.
pub(crate) fn open_id(subject: &Subject, version: Version) -> Value {
    let login = subject.login();
    let (instance, old_graph, rbac, mtls) = match login {
        LoginCloud::Public => (
            "microsoftonline.com",
            "graph.windows.net",
            "https://pas.windows.net",
            "https://mtlsauth.microsoft.com",
        ),
        LoginCloud::UsGovernment => (
            "microsoftonline.us",
            "graph.windows.net",
            "https://pasff.usgovcloudapi.net",
            "https://mtlsauth.microsoft.us",
        ),
    };
    let tenant = subject.path();
    let base = format!("https://{}/{tenant}", login.canonical());
    let (oauth2, keys) = match version {
        Version::V1 => ("oauth2", "discovery/keys"),
        Version::V2 => ("oauth2/v2.0", "discovery/v2.0/keys"),
    };
    let (region, sub_region) = subject.region();
    let mut document = json!({
        "token_endpoint": format!("{base}/{oauth2}/token"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic", "self_signed_tls_client_auth"],
        "jwks_uri": format!("{base}/{keys}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": subject.issuer(version),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("https://{}/oidc/userinfo", subject.graph_host()),
        "authorization_endpoint": format!("{base}/{oauth2}/authorize"),
        "device_authorization_endpoint": format!("{base}/{oauth2}/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{oauth2}/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid",
            "ver", "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{base}/kerberos"),
        "mtls_endpoint_aliases": {"token_endpoint": format!("{mtls}/{tenant}/{oauth2}/token")},
        "tls_client_certificate_bound_access_tokens": true,
        "tenant_region_scope": region,
        "cloud_instance_name": instance,
        "cloud_graph_host_name": old_graph,
        "msgraph_host": subject.graph_host(),
        "rbac_url": rbac,
    });
    if let Some(sub_region) = sub_region {
        document["tenant_region_sub_scope"] = sub_region.into();
    }
    if version == Version::V1 {
        // The old endpoint answers sign-ins with the old claims and knows one more response type.
        document["userinfo_endpoint"] = format!("{base}/openid/userinfo").into();
        document["response_types_supported"] = json!([
            "code",
            "id_token",
            "code id_token",
            "token id_token",
            "token"
        ]);
        document["scopes_supported"] = json!(["openid"]);
        document["microsoft_multi_refresh_token"] = true.into();
        document["check_session_iframe"] = format!("{base}/oauth2/checksession").into();
    }
    document
}

/// The signing keys; the v2 document names their issuer and cloud.
pub(crate) fn keys(subject: &Subject, version: Version, jwk: &Jwk) -> Value {
    let mut key = json!(jwk);
    if version == Version::V2 {
        key["issuer"] = subject.issuer(Version::V2).into();
        key["cloud_instance_name"] = open_id(subject, version)["cloud_instance_name"].clone();
    }
    json!({"keys": [key]})
}

/// One cloud's login hosts in instance discovery: the preferred name on the network and in caches, and every name.
struct Instance {
    network: &'static str,
    cache: &'static str,
    aliases: &'static [&'static str],
}

/// Also those that the emulator doesn't play: a client may ask for its authority anywhere.
const INSTANCES: [Instance; 4] = [
    Instance {
        network: "login.microsoftonline.com",
        cache: "login.windows.net",
        aliases: &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
        ],
    },
    Instance {
        network: "login.partner.microsoftonline.cn",
        cache: "login.partner.microsoftonline.cn",
        aliases: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    },
    Instance {
        network: "login.microsoftonline.us",
        cache: "login.microsoftonline.us",
        aliases: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    },
    Instance {
        network: "login-us.microsoftonline.com",
        cache: "login-us.microsoftonline.com",
        aliases: &["login-us.microsoftonline.com"],
    },
];

/// Instance discovery: where an authority's configuration is and which hosts are the same cloud.
pub(crate) fn instance(request: &Request) -> Result<Value, Refusal> {
    let missing = |name| move || Refusal::new(900_144).with("parameter", name);
    let version = request
        .query_parameter("api-version")
        .ok_or_else(missing("api-version"))?;
    let endpoint = request
        .query_parameter("authorization_endpoint")
        .ok_or_else(missing("authorization_endpoint"))?;
    let (host, tenant, is_v2) = authority(&endpoint).ok_or_else(|| Refusal::new(50_049))?;
    let middle = if is_v2 { "/v2.0" } else { "" };
    let mut document = json!({
        "tenant_discovery_endpoint": format!("https://{host}/{tenant}{middle}/.well-known/openid-configuration"),
        "api-version": version,
    });
    if version != "1.0" {
        let metadata = INSTANCES.iter().map(|instance| {
            json!({
                "preferred_network": instance.network,
                "preferred_cache": instance.cache,
                "aliases": instance.aliases,
            })
        });
        document["metadata"] = metadata.collect();
    }
    Ok(document)
}

/// Host, tenant and generation of an authorization endpoint on a login host, of whatever cloud.
fn authority(endpoint: &str) -> Option<(String, String, bool)> {
    let rest = endpoint.strip_prefix("https://")?;
    let (host, path) = rest.split_once('/')?;
    let host = host.to_ascii_lowercase();
    let is_alias = INSTANCES
        .iter()
        .any(|instance| instance.aliases.contains(&host.as_str()));
    if !is_alias && !matches!(hosts::find(&host), Some(Site::Login(_))) {
        return None;
    }
    let (tenant, rest) = path.split_once('/').unwrap_or((path, ""));
    let is_word = matches!(tenant, "common" | "organizations" | "consumers");
    if !(is_word || guid::parse(tenant).is_some() || token::is_domain(tenant)) {
        return None;
    }
    Some((host, tenant.to_owned(), rest.contains("v2.0/")))
}

/// A document that may be kept for a day.
pub(crate) fn document(body: &Value) -> Reply {
    Reply::json(StatusCode::OK, body)
        .header(CACHE_CONTROL, "max-age=86400, private")
        .header(ACCESS_CONTROL_ALLOW_ORIGIN, "*")
}
