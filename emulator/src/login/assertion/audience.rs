//! For which tenant an assertion was made.

use uuid::Uuid;

use crate::guid;
use crate::hosts::{self, LoginCloud, Site};

/// Whether an assertion with this audience is meant for this tenant: a token endpoint or an issuer of it, under any of
/// the cloud's host names.
pub(crate) fn is_for(audience: &str, cloud: LoginCloud, tenant: Uuid) -> bool {
    let Some(rest) = audience.strip_prefix("https://") else {
        return false;
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, document) = path.split_once('/').unwrap_or((path, ""));
    let document = document.trim_end_matches('/').to_ascii_lowercase();
    hosts::find(&host.to_ascii_lowercase()) == Some(Site::Login(cloud))
        && guid::parse(name) == Some(tenant)
        && matches!(
            document.as_str(),
            "" | "v2.0" | "oauth2/token" | "oauth2/v2.0/token"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";

    fn is(audience: &str) -> bool {
        let tenant = guid::parse(TENANT).unwrap();
        is_for(
            &audience.replace("TENANT", TENANT),
            LoginCloud::Public,
            tenant,
        )
    }

    #[test]
    fn every_endpoint_and_issuer_of_the_tenant_is_taken() {
        for host in [
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
            "westeurope.login.microsoft.com",
            "LOGIN.microsoftonline.com",
        ] {
            for path in [
                "TENANT/oauth2/v2.0/token",
                "TENANT/oauth2/token",
                "TENANT/v2.0",
                "TENANT/",
                "TENANT",
            ] {
                assert!(is(&format!("https://{host}/{path}")), "{host}/{path}");
            }
        }
        assert!(is(&format!(
            "https://login.microsoftonline.com/{}/oauth2/v2.0/token",
            TENANT.to_uppercase()
        )));
    }

    #[test]
    fn another_tenant_cloud_host_or_document_is_not() {
        for audience in [
            "",
            "TENANT",
            "https://login.microsoftonline.com",
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/oauth2/v2.0/token",
            "https://login.microsoftonline.us/TENANT/oauth2/v2.0/token",
            "https://login.microsoftonline.com.example.com/TENANT/oauth2/v2.0/token",
            "http://login.microsoftonline.com/TENANT/oauth2/v2.0/token",
            "https://login.microsoftonline.com/TENANT/oauth2/v2.0/authorize",
            "https://api.securitycenter.microsoft.com",
            "api://AzureADTokenExchange",
        ] {
            assert!(!is(audience), "{audience}");
        }
    }
}
