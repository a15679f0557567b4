//! Which login authority signs in the tenants of a cloud.

use crate::api::cloud::{Cloud, EntraCloud};
use crate::core::ids::LoginHost;

/// The worldwide authority; GCC tenants live there too.
const PUBLIC: LoginHost = LoginHost("login.microsoftonline.com");
/// The authority of Azure Government.
const US_GOVERNMENT: LoginHost = LoginHost("login.microsoftonline.us");

/// The login authority of a cloud.
#[must_use]
pub const fn login_host(cloud: Cloud) -> LoginHost {
    login_host_of(cloud.entra_cloud())
}

/// The login authority of the applications that are registered there.
#[must_use]
pub const fn login_host_of(cloud: EntraCloud) -> LoginHost {
    match cloud {
        EntraCloud::Public => PUBLIC,
        EntraCloud::UsGovernment => US_GOVERNMENT,
    }
}

/// An authority that also knows the tenants of other clouds, for whom this one doesn't know: Microsoft has government
/// tenants looked up at the worldwide one ("B2B in government and national clouds"), which therefore has no wider one.
#[must_use]
pub fn wider(login: LoginHost) -> Option<LoginHost> {
    (login != PUBLIC).then_some(PUBLIC)
}

/// Every cloud with its login authority.
pub fn all() -> impl Iterator<Item = (Cloud, LoginHost)> {
    Cloud::ALL.iter().map(|cloud| (*cloud, login_host(*cloud)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gcc_signs_in_worldwide_and_the_others_at_azure_government() {
        let hosts: Vec<_> = all()
            .map(|(cloud, host)| (cloud.as_str(), host.0))
            .collect();
        assert_eq!(
            hosts,
            [
                ("Commercial", "login.microsoftonline.com"),
                ("GCC", "login.microsoftonline.com"),
                ("GCCHigh", "login.microsoftonline.us"),
                ("DoD", "login.microsoftonline.us"),
            ]
        );
    }
}
