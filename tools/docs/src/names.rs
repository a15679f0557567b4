//! The part of `api.md` about what isn't in a schema: labels, annotations and the Secrets' keys.

use defender_tenant_operator::api::{
    ANNOTATION_REFRESH_REQUESTED, LABEL_BUCKET, LABEL_CREDENTIAL, TARGET_NAME_SUFFIX,
    credential_key as c, target_annotation as a, target_key as t,
};

use crate::markdown::{code, table};

fn rows<const N: usize>(rows: [(&str, &str); N]) -> Vec<[String; 2]> {
    rows.map(|(name, meaning)| [code(name), meaning.to_owned()])
        .into()
}

const COLUMNS: [&str; 2] = ["key", "meaning"];

pub fn section() -> String {
    credential() + &target() + &labels()
}

fn credential() -> String {
    let mut text = "\n## The credential Secret\n\nThe Secret that `spec.secretRef` names, in the same namespace.\n".to_owned();
    text += &table(
        COLUMNS,
        &rows([
            (
                c::CLIENT_ID,
                "application (client) id of the partner's application",
            ),
            (
                c::CLIENT_SECRET,
                "the client secret's value (not its id); or, instead of it:",
            ),
            (
                c::TLS_CRT,
                "the certificate that is registered on the application, PEM; more of its chain may follow",
            ),
            (
                c::TLS_KEY,
                "the certificate's private key, PEM: RSA, 2048 to 4096 bits, not encrypted",
            ),
            (
                c::ASSERTION_ALGORITHM,
                "optional, beside a certificate: `PS256` (default) or `RS256`",
            ),
            (
                c::REDIRECT_URI,
                "optional: a redirect URI registered on the application, for consent links",
            ),
            (
                c::TENANT_IDS,
                "optional: the tenant ids that the credential may be used for, one a line; no other is minted",
            ),
        ]),
    );
    text += &format!(
        "\nIt must have the label {}.\n",
        code(&format!("{LABEL_CREDENTIAL}: \"true\""))
    );
    text
}

fn target() -> String {
    let mut text = format!(
        "\n## The target Secret\n\nNamed {} or as `spec.target.name` says; type `Opaque`, owned by its \
                      DefenderTenant.\n",
        code(&format!("<name>{TARGET_NAME_SUFFIX}"))
    );
    text += &table(
        COLUMNS,
        &rows([
            (t::TOKEN, "the token"),
            (t::AUTHORIZATION, "`Bearer <token>`"),
            (t::EXPIRES_ON, "when the token expires (RFC 3339)"),
            (t::TENANT_ID, "the customer's tenant id"),
            (t::API_URL, "base URL of the API"),
            (
                t::HEADER,
                "with the format `Header`: `Authorization: Bearer <token>`, for `curl -H @file`",
            ),
            (
                t::JSON,
                "with the format `Json`: `access_token`, `token_type`, `expires_on`, `tenant_id`, `api_url`",
            ),
            (
                t::ENV,
                "with the format `Env`: `DEFENDER_TOKEN`, `DEFENDER_TENANT_ID`, `DEFENDER_API_URL`, `DEFENDER_TOKEN_EXPIRES_ON` as dotenv text",
            ),
        ]),
    );
    text
}

fn labels() -> String {
    let mut text = "\n## Labels and annotations\n".to_owned();
    text += &table(
        ["name", "on", "meaning"],
        &[
            (
                ANNOTATION_REFRESH_REQUESTED,
                "DefenderTenant",
                "asks for a token now; each distinct value is served once",
            ),
            (
                LABEL_CREDENTIAL,
                "credential Secret",
                "`\"true\"` marks it as one",
            ),
            (
                LABEL_BUCKET,
                "target Secret",
                "its owner's bucket, two hexadecimal digits",
            ),
            (a::OWNER_UID, "target Secret", "UID of the DefenderTenant"),
            (a::ISSUED_AT, "target Secret", "when the token was minted"),
            (a::EXPIRES_AT, "target Secret", "when it expires"),
            (a::REFRESH_AT, "target Secret", "when the next one is due"),
            (a::DIGEST, "target Secret", "digest of what was written"),
            (
                a::MINT_INPUTS,
                "target Secret",
                "hash of audience, client id and tenant",
            ),
            (
                a::CREDENTIAL_FINGERPRINT,
                "target Secret",
                "hash of the credential that the token was minted with",
            ),
            (
                a::RELOADER_IGNORE,
                "target Secret",
                "tells Stakater's Reloader that this Secret changes by design",
            ),
        ]
        .map(|(name, on, meaning)| [code(name), on.to_owned(), meaning.to_owned()]),
    );
    text
}
