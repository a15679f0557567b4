//! Entra's error codes: HTTP status, OAuth error and text of each.
//!
//! Status and error are those seen in real answers; where no source shows them, those of the code's neighbours.

/// One error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) number: u32,
    pub(crate) status: u16,
    pub(crate) error: &'static str,
    pub(crate) suberror: Option<&'static str>,
    pub(crate) text: &'static str,
}

const CLIENT: &str = "invalid_client";
const REQUEST: &str = "invalid_request";
const UNAUTHORIZED: &str = "unauthorized_client";
const GRANT: &str = "invalid_grant";
const RESOURCE: &str = "invalid_resource";
const SCOPE: &str = "invalid_scope";
const BUSY: &str = "temporarily_unavailable";

const fn code(number: u32, status: u16, error: &'static str, text: &'static str) -> Code {
    Code {
        number,
        status,
        error,
        suberror: None,
        text,
    }
}

const fn sub(mut code: Code, suberror: &'static str) -> Code {
    code.suberror = Some(suberror);
    code
}

/// Finds a code. Entra has more of them than anybody has written down, and a client must live with each: one that the
/// table doesn't have looks as most refusals of a client do.
pub(crate) fn find(number: u32) -> Code {
    let known = TABLE.iter().find(|code| code.number == number);
    known.copied().unwrap_or(code(
        number,
        401,
        CLIENT,
        "The request was refused for a reason that has no text here.",
    ))
}

#[rustfmt::skip] // A table: one line a code.
static TABLE: &[Code] = &[
    // The credential.
    code(7_000_215, 401, CLIENT, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."),
    code(7_000_222, 401, CLIENT, "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."),
    code(7_000_218, 401, CLIENT, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    code(7_000_216, 401, CLIENT, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."),
    code(70_002, 401, CLIENT, "Error validating credentials."),
    code(700_027, 401, CLIENT, "{problem=The certificate with identifier used to sign the client assertion is not registered on application.} [Reason - {reason=The key was not found.},{thumbprint=}{key=} Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{app}'. Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/{app}']."),
    code(700_024, 401, CLIENT, "Client assertion is not within its valid time range.{times=} Review the documentation at https://learn.microsoft.com/entra/identity-platform/certificate-credentials ."),
    code(700_023, 401, CLIENT, "Client assertion audience claim does not match Realm issuer. Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials ."),
    code(700_021, 401, CLIENT, "Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials ."),
    code(50_048, 401, CLIENT, "Subject must match the issuer claim in the client assertion."),
    code(5_002_738, 401, CLIENT, "Invalid JWT token. '{algorithm}' is not a supported signature algorithm. Supported signing algorithms are: '{algorithms}'"),
    code(5_002_723, 401, CLIENT, "Invalid JWT token. No certificate SHA-1 thumbprint, certificate SHA-256 thumbprint, nor keyId specified in token header."),
    code(90_011, 400, REQUEST, "Unexpected client assertion type."),
    code(9_002_324, 400, REQUEST, "Request should not contain more than one client credential parameters, this includes 'client_secret', 'client_assertion' and 'request' parameters."),
    code(50_012, 401, CLIENT, "Client assertion contains an invalid signature."),
    code(50_027, 400, REQUEST, "JWT token is invalid or malformed."),
    code(5_002_730, 400, REQUEST, "Invalid JWT token. Unsupported key for the signing algorithm."),
    code(70_021, 400, REQUEST, "No matching federated identity record found for presented assertion."),
    code(70_025, 401, CLIENT, "The client '{app}'({name=}) has no configured federated identity credentials."),
    code(700_211, 401, CLIENT, "No matching federated identity record found for presented assertion issuer '{issuer}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"),
    code(700_212, 401, CLIENT, "No matching federated identity record found for presented assertion audience '{audience}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"),
    code(700_213, 401, CLIENT, "No matching federated identity record found for presented assertion subject '{subject}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation"),
    code(7_002_138, 401, CLIENT, "No matching federated identity record found for presented assertion subject '{subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. See documentation at: https://learn.microsoft.com/entra/workload-id/workload-identity-federation. See breaking change notification and remediation at: https://learn.microsoft.com/en-us/entra/identity-platform/reference-breaking-changes#august-2024."),
    code(7_000_272, 401, CLIENT, "The certificate with identifier {kid} used to sign the federated credential could not be found in the metadata of identity provider {issuer}. Please validate that your Identity Provider's metadata exposes the key used to sign the incoming token."),
    code(700_223, 400, REQUEST, "Workload Identity Federation is disabled for the tenant."),
    code(700_238, 400, REQUEST, "Workload Identity Federation is blocked by a policy of the tenant: the issuer is not allowed."),
    code(700_236, 401, CLIENT, "Entra ID tokens issued by this issuer may not be used for federated identity credential flows for applications or managed identities registered in this tenant."),
    code(700_229, 401, CLIENT, "Only app-only tokens can be used as Federated Identity Credentials for Entra issuer."),
    code(900_612, 400, REQUEST, "The signing keys of the federated token's issuer could not be used."),
    code(50_166, 400, REQUEST, "Request to External OIDC endpoint failed."),
    code(700_025, 401, CLIENT, "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."),
    // The application in the tenant.
    code(700_016, 400, UNAUTHORIZED, "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."),
    code(7_000_229, 401, CLIENT, "The client application {app} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"),
    code(700_011, 400, UNAUTHORIZED, "Application with identifier '{app}' was not found in the directory '{tenant}'."),
    code(70_001, 400, UNAUTHORIZED, "The application named {app} was not found in the tenant named {tenant}."),
    code(7_000_112, 400, UNAUTHORIZED, "Application '{app}' is disabled."),
    code(1_000_031, 400, UNAUTHORIZED, "Application {app} cannot be accessed at this time. Contact your administrator."),
    sub(code(65_001, 400, GRANT, "The user or administrator has not consented to use the application with ID '{app}'. Send an interactive authorization request for this user and resource."), "consent_required"),
    code(65_004, 400, "access_denied", "The resource owner or authorization server denied the request."),
    code(650_051, 400, CLIENT, "The service principal is being created in the tenant. Please try again in 30 seconds."),
    code(650_052, 400, CLIENT, "The app needs access to a service ('{resource}') that your organization '{tenant}' has not subscribed to or enabled. Contact your IT Admin to review the configuration of your service subscriptions."),
    code(650_056, 400, CLIENT, "Misconfigured application. This could be due to one of the following: the client has not listed any permissions for '{resource}' in the requested permissions in the client's application registration. Or, the admin has not consented in the tenant."),
    code(650_057, 400, RESOURCE, "Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client's application registration. Client app ID: {app}. Resource value from request: {resource}."),
    code(90_094, 400, "access_denied", "An administrator of {tenant} has set a policy that prevents you from granting {app} the permissions it is requesting."),
    code(90_095, 400, "access_denied", "Admin consent is required for the permissions that {app} is requesting."),
    code(90_099, 400, UNAUTHORIZED, "The application '{app}' has not been authorized in the tenant '{tenant}'. Applications must be authorized to access the customer tenant before partner delegated administrators can use them."),
    sub(code(501_051, 400, GRANT, "Application '{app}' is not assigned to a role for the application '{resource}'."), "message_only"),
    // The resource.
    code(500_011, 400, RESOURCE, "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."),
    code(50_001, 400, RESOURCE, "The resource named {resource} was not found. This can happen if the application has not been installed by the administrator of the tenant."),
    code(500_014, 400, RESOURCE, "The service principal for resource '{resource}' is disabled. This indicate that a subscription within the tenant has lapsed, or that the administrator for this tenant has disabled the application, preventing tokens from being issued for it."),
    code(70_011, 400, SCOPE, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope {value} is not valid."),
    code(1_002_012, 400, SCOPE, "The provided value for scope {value} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."),
    code(901_002, 400, REQUEST, "The 'resource' request parameter is not supported."),
    // The tenant.
    code(90_002, 400, "invalid_tenant", "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."),
    code(900_023, 400, REQUEST, "Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain."),
    code(50_059, 400, REQUEST, "No tenant-identifying information found in either the request or implied by any provided credentials."),
    code(50_128, 400, REQUEST, "Invalid domain name - No tenant-identifying information found in either the request or implied by any provided credentials."),
    code(9_001_023, 400, REQUEST, "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint."),
    code(5_000_224, 400, REQUEST, "We are sorry, this resource is not available. If you are seeing this message by mistake, please contact Microsoft support."),
    code(90_038, 400, REQUEST, "The specified tenant '{tenant}' belongs to another national cloud. Current cloud instance does not federate with it. A cloud redirect error is returned."),
    code(900_432, 400, REQUEST, "Confidential Client is not supported in Cross Cloud request."),
    code(900_382, 400, REQUEST, "Confidential Client is not supported in Cross Cloud request."),
    code(900_383, 400, REQUEST, "Client is not supported in Cross Cloud request."),
    code(900_384, 400, REQUEST, "JWT token failed signature validation in a Cross Cloud request."),
    // Policies.
    sub(code(53_003, 400, GRANT, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."), "message_only"),
    sub(code(530_032, 400, GRANT, "Access has been blocked by a security policy of the tenant."), "message_only"),
    sub(code(530_035, 400, GRANT, "Access has been blocked by security defaults."), "message_only"),
    // The request.
    code(900_144, 400, REQUEST, "The request body must contain the following parameter: '{parameter}'."),
    code(900_561, 405, REQUEST, "The endpoint only accepts POST requests. Received a {value} request."),
    code(70_003, 400, "unsupported_grant_type", "The app requested an unsupported grant type '{value}'."),
    code(90_014, 400, REQUEST, "The required field '{parameter}' is missing from the credential. Ensure that you have all the necessary parameters for the login request."),
    code(1_002_016, 400, REQUEST, "You are using TLS version 1.0, 1.1 and/or 3DES cipher which are deprecated to improve the security posture of Azure AD. Your tenant or client must use TLS 1.2 or higher."),
    code(50_011, 400, REQUEST, "The redirect URI '{value}' specified in the request does not match the redirect URIs configured for the application '{app}'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about how to troubleshoot this error."),
    code(700_054, 400, "unsupported_response_type", "response_type '{value}' is not enabled for the application."),
    code(50_049, 400, "invalid_instance", "Unknown or invalid instance."),
    // The service. 50196 is sent as plain text, see `reply`.
    code(50_196, 429, CLIENT, "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."),
    code(90_055, 429, BUSY, "The tenant is throttled: too many requests. Please try again later."),
    code(90_033, 503, BUSY, "A transient error has occurred. Please try again."),
    code(90_006, 503, BUSY, "External server returned an error that can be retried."),
    code(90_012, 503, BUSY, "The request has timed out at the service."),
    code(90_024, 503, BUSY, "The request budget was exceeded. A transient error has occurred."),
    code(90_090, 503, BUSY, "A transient failure occurred while reading the directory. Please try again."),
    code(50_033, 503, BUSY, "A transient error has occurred. Please retry the sign-in."),
    code(90_041, 500, "server_error", "An internal error occurred in the service. Please try again."),
    code(90_036, 500, "server_error", "An unexpected, non-retryable error stemming from the directory service has occurred."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_nobody_has_written_down_is_a_refusal_of_the_client() {
        let code = find(7_999_999);
        assert_eq!(
            (code.number, code.status, code.error),
            (7_999_999, 401, "invalid_client")
        );
    }

    #[test]
    fn numbers_are_unique_and_texts_are_sentences() {
        let mut seen = std::collections::BTreeSet::new();
        for code in TABLE {
            assert!(seen.insert(code.number), "{} twice", code.number);
            assert!(
                http::StatusCode::from_u16(code.status).is_ok_and(|status| !status.is_success())
            );
            assert!(code.text.len() > 20, "{}", code.number);
        }
    }
}
