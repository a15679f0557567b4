//! What may be wrong with a credential Secret.

/// What is wrong with a credential Secret. The texts say what to do and hold no value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// No keys at all.
    #[error(
        "it has no data: set the keys client-id and client-secret, or client-id, tls.crt and tls.key"
    )]
    Empty,
    /// No `client-id`.
    #[error(
        "the key client-id is missing or empty: set it to the application (client) id of the partner's application"
    )]
    NoClientId,
    /// `client-id` isn't a GUID.
    #[error("the key client-id isn't an application id: a GUID in lower case is expected")]
    ClientIdNotGuid,
    /// `client-id` isn't that of the DefenderApplication.
    #[error(
        "the key client-id names another application than spec.clientId of the DefenderApplication: remove the key, or put that application's credential here"
    )]
    OtherClientId,
    /// Neither kind.
    #[error(
        "the key client-secret is missing or empty, and there is no certificate (tls.crt and tls.key): set one of the two"
    )]
    NoKind,
    /// No `client-secret`.
    #[error("the key client-secret is missing or empty: set it to the secret's value")]
    NoSecret,
    /// A GUID as `client-secret`.
    #[error(
        "the key client-secret holds a GUID, which is the secret's id: set it to the secret's value, which the portal shows once, at its creation"
    )]
    SecretIsId,
    /// Longer than any secret.
    #[error("the key client-secret is too long to be a client secret (over 1,024 bytes)")]
    SecretTooLong,
    /// White space or control characters inside.
    #[error(
        "the key client-secret has white space or control characters inside: set it to the secret's value alone"
    )]
    SecretHasSpace,
    /// Both a secret and a certificate.
    #[error("it has two kinds of credential, client-secret and tls.crt/tls.key: remove one")]
    TwoKinds,
    /// Bytes that aren't text.
    #[error("a key isn't UTF-8 text: was it encoded twice?")]
    NotText,
    /// `redirect-uri` can't be one.
    #[error(
        "the key redirect-uri must be a URI that is registered on the application: https://, or http://localhost"
    )]
    BadRedirectUri,
    /// `tenant-ids` has a line that isn't one.
    #[error("the key tenant-ids must hold tenant ids (GUIDs in lower case), one a line")]
    BadTenantIds,
    /// No `tls.crt`.
    #[error(
        "the key tls.crt is missing or empty: set it to the certificate (PEM) that is registered on the application"
    )]
    NoCertificate,
    /// No `tls.key`.
    #[error(
        "the key tls.key is missing or empty: set it to the private key (PEM) of the certificate"
    )]
    NoKey,
    /// A PFX file.
    #[error(
        "it holds a PFX (PKCS#12) file; PEM is needed: openssl pkcs12 -in FILE -nodes -nokeys -out tls.crt; openssl pkcs12 -in FILE -nodes -nocerts -out tls.key"
    )]
    Pfx,
    /// `tls.crt` is DER.
    #[error(
        "the key tls.crt holds DER; PEM is needed: openssl x509 -inform DER -in FILE -out tls.crt"
    )]
    CertificateIsDer,
    /// `tls.crt` has no certificate.
    #[error(
        "the key tls.crt holds no PEM certificate (-----BEGIN CERTIFICATE-----): are tls.crt and tls.key swapped?"
    )]
    CertificateNotPem,
    /// A certificate can't be read.
    #[error("a certificate in the key tls.crt can't be read: was it cut off?")]
    CertificateBroken,
    /// Far more than a chain.
    #[error(
        "the key tls.crt is too long (over 64 KiB): the certificate is enough, without its chain"
    )]
    CertificateTooLong,
    /// `tls.key` is DER.
    #[error(
        "the key tls.key holds DER; PEM is needed: openssl pkey -inform DER -in FILE -out tls.key"
    )]
    KeyIsDer,
    /// `tls.key` has no private key.
    #[error(
        "the key tls.key holds no PEM private key (-----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----): are tls.crt and tls.key swapped?"
    )]
    KeyNotPem,
    /// The private key is encrypted.
    #[error(
        "the private key in tls.key is encrypted; it must be plain: openssl pkey -in FILE -out tls.key"
    )]
    KeyEncrypted,
    /// More than one private key.
    #[error(
        "the key tls.key holds more than one private key: leave the certificate's own one there"
    )]
    SeveralKeys,
    /// Far more than a private key.
    #[error("the key tls.key is too long (over 64 KiB): leave the private key alone there")]
    KeyTooLong,
    /// The private key can't be read.
    #[error("the private key in tls.key can't be read: was it cut off?")]
    KeyBroken,
    /// Neither an RSA key nor near to one.
    #[error(
        "the private key in tls.key isn't an RSA key, and Microsoft Entra takes no other: make the certificate with an RSA key of 2048 to 4096 bits"
    )]
    KeyNotRsa,
    /// Under 2048 bits.
    #[error(
        "the RSA key in tls.key is too small: make the certificate with a key of 2048 to 4096 bits"
    )]
    KeyTooSmall,
    /// Over 4096 bits.
    #[error(
        "the RSA key in tls.key is too large: make the certificate with a key of 2048 to 4096 bits"
    )]
    KeyTooLarge,
    /// The private key belongs to no certificate in `tls.crt`.
    #[error("the private key in tls.key doesn't belong to the certificate in tls.crt")]
    KeyMismatch,
    /// `assertion-algorithm` isn't known.
    #[error("the key assertion-algorithm must be PS256 or RS256; without it, it is PS256")]
    UnknownAlgorithm,
    /// `assertion-algorithm` isn't that of the DefenderApplication.
    #[error(
        "the key assertion-algorithm says another algorithm than the DefenderApplication does: remove the key"
    )]
    OtherAlgorithm,
}
