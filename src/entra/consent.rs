//! The link that a customer's administrator opens to consent.

use super::encode;
use crate::core::ids::{ApplicationId, Audience, LoginHost, TenantId};

/// The consent link for one customer.
///
/// With a redirect URI (it must be one of the registration's) the version 2 form, which names the resource.
/// Without one the form that needs none; it asks for all that the registration lists. Always with the customer's
/// own tenant id: through `common`, whoever opens it may consent in a tenant of his own.
#[must_use]
pub fn url(
    login: LoginHost,
    tenant: TenantId,
    application: ApplicationId,
    audience: Audience,
    redirect_uri: Option<&str>,
) -> String {
    let Some(redirect_uri) = redirect_uri else {
        return format!("https://{login}/{tenant}/adminconsent?client_id={application}");
    };
    let mut url =
        format!("https://{login}/{tenant}/v2.0/adminconsent?client_id={application}&scope=");
    encode::push(&mut url, audience.0);
    encode::push(&mut url, "/.default");
    url.push_str("&redirect_uri=");
    encode::push(&mut url, redirect_uri);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(redirect_uri: Option<&str>) -> String {
        url(
            LoginHost("login.microsoftonline.us"),
            "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10".parse().unwrap(),
            "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88".parse().unwrap(),
            Audience("https://api.securitycenter.microsoft.com"),
            redirect_uri,
        )
    }

    #[test]
    fn without_a_redirect_uri_the_form_that_needs_none() {
        assert_eq!(
            link(None),
            "https://login.microsoftonline.us/6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10/adminconsent?client_id=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88"
        );
    }

    #[test]
    fn a_redirect_uri_is_carried_whole_whatever_it_holds() {
        let link = link(Some("https://soc.example/done?x=1&scope=evil#f"));
        assert_eq!(
            link,
            "https://login.microsoftonline.us/6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10/v2.0/adminconsent?client_id=0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88&scope=https%3A%2F%2Fapi.securitycenter.microsoft.com%2F.default&redirect_uri=https%3A%2F%2Fsoc.example%2Fdone%3Fx%3D1%26scope%3Devil%23f"
        );
    }
}
