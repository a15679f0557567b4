//! Names that stand in objects: group, labels, annotations, keys.

/// API group.
pub const GROUP: &str = "defendertenant.io";
/// API version.
pub const VERSION: &str = "v1alpha1";
/// Kind of the customer's resource.
pub const KIND: &str = "DefenderTenant";
/// Plural of [`KIND`].
pub const PLURAL: &str = "defendertenants";

/// Kind of the partner's application.
pub const APPLICATION_KIND: &str = "DefenderApplication";
/// Plural of [`APPLICATION_KIND`].
pub const APPLICATION_PLURAL: &str = "defenderapplications";

/// Label that marks a Secret as a credential of the partner's application.
pub const LABEL_CREDENTIAL: &str = "defendertenant.io/credential";
/// Label on each target Secret: its owner's bucket, two hexadecimal digits.
pub const LABEL_BUCKET: &str = "defendertenant.io/bucket";

/// Annotation on a tenant that asks for a mint now; each distinct value is served once.
pub const ANNOTATION_REFRESH_REQUESTED: &str = "defendertenant.io/refresh-requested-at";

/// Annotations on the target Secret: what a restart needs to know about the token.
pub mod target_annotation {
    /// UID of the tenant that owns the Secret.
    pub const OWNER_UID: &str = "defendertenant.io/owner-uid";
    /// When the token was minted.
    pub const ISSUED_AT: &str = "defendertenant.io/issued-at";
    /// When the token expires.
    pub const EXPIRES_AT: &str = "defendertenant.io/expires-at";
    /// When the next mint is due.
    pub const REFRESH_AT: &str = "defendertenant.io/refresh-at";
    /// Digest of token and keys as written.
    pub const DIGEST: &str = "defendertenant.io/digest";
    /// Hash of audience, client id and tenant.
    pub const MINT_INPUTS: &str = "defendertenant.io/mint-inputs";
    /// The application that granted the token, and the API that it granted: `<uid>/<API>`.
    pub const GRANTED_BY: &str = "defendertenant.io/granted-by";
    /// The credential that minted the token.
    pub const CREDENTIAL_FINGERPRINT: &str = "defendertenant.io/credential-fingerprint";
    /// Tells Stakater's Reloader that this Secret changes every hour by design.
    pub const RELOADER_IGNORE: &str = "reloader.stakater.com/ignore";
}

/// Keys of the credential Secret.
pub mod credential_key {
    /// Application (client) id of the partner's application.
    pub const CLIENT_ID: &str = "client-id";
    /// Client secret value.
    pub const CLIENT_SECRET: &str = "client-secret";
    /// Redirect URI registered on the application, for consent links.
    pub const REDIRECT_URI: &str = "redirect-uri";
    /// Tenant ids that the credential may be used for, one a line.
    pub const TENANT_IDS: &str = "tenant-ids";
    /// Certificate, PEM; more of its chain may follow.
    pub const TLS_CRT: &str = "tls.crt";
    /// Private key of the certificate, PEM.
    pub const TLS_KEY: &str = "tls.key";
    /// How the certificate signs: `PS256` (default) or `RS256`.
    pub const ASSERTION_ALGORITHM: &str = "assertion-algorithm";
}

/// Keys of the target Secret.
pub mod target_key {
    /// The token.
    pub const TOKEN: &str = "token";
    /// `Bearer <token>`.
    pub const AUTHORIZATION: &str = "authorization";
    /// Expiry, RFC 3339.
    pub const EXPIRES_ON: &str = "expires-on";
    /// The customer's tenant id.
    pub const TENANT_ID: &str = "tenant-id";
    /// Base URL of the API.
    pub const API_URL: &str = "api-url";
    /// `Authorization: Bearer <token>`, for `curl -H @file` (format `Header`).
    pub const HEADER: &str = "header";
    /// JSON document (format `Json`).
    pub const JSON: &str = "json";
    /// dotenv text (format `Env`).
    pub const ENV: &str = "env";
}

/// Name of the target Secret where `spec.target.name` is not set: this, after the tenant's name.
pub const TARGET_NAME_SUFFIX: &str = "-defender-token";
