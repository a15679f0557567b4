//! Assertions that an application signs with its certificate.

use std::fmt::Write as _;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;

use super::super::refusal::Refusal;
use super::jwt::{self, Jwt};
use super::{Presenter, audience, check_times};
use crate::guid;
use crate::world::{Certificate, is_visible};

const ALGORITHMS: [(&str, Algorithm); 2] =
    [("RS256", Algorithm::RS256), ("PS256", Algorithm::PS256)];

/// Checks an assertion whose issuer is the client.
pub(super) fn check(
    certificates: &[Certificate],
    presenter: Presenter,
    jwt: &Jwt<'_>,
    now: Timestamp,
) -> Result<(), Refusal> {
    if guid::parse(jwt.text("sub")?) != Some(presenter.client) {
        return Err(Refusal::new(50_048));
    }
    // One text: Entra calls a list malformed.
    let meant_for = jwt.text("aud")?;
    let algorithm = jwt.algorithm(&ALGORITHMS)?;
    let thumbprint = Thumbprint::of(jwt)?;
    let certificate = certificates
        .iter()
        .filter(|certificate| is_visible(certificate.visible_at, now))
        .find(|certificate| thumbprint.is_of(certificate))
        .ok_or_else(|| thumbprint.refusal())?;
    if !jwt.is_signed_by(&certificate.key, algorithm) {
        return Err(thumbprint
            .refusal()
            .with("problem", "Client assertion contains an invalid signature.")
            .with(
                "reason",
                "Key was found, but use of the key to verify the signature failed.",
            )
            .with("key", found(certificate)));
    }
    // Also before it begins: Entra has one word for both.
    if now < certificate.starts || now >= certificate.ends {
        return Err(thumbprint
            .refusal()
            .with(
                "problem",
                "The certificate with identifier used to sign the client assertion is expired on application.",
            )
            .with("reason", "The key used is expired.")
            .with("key", found(certificate)));
    }
    if !audience::is_for(meant_for, presenter.cloud, presenter.tenant) {
        return Err(Refusal::new(700_023));
    }
    check_times(jwt, now)
}

fn found(certificate: &Certificate) -> String {
    let text = |time: Timestamp| time.strftime("%m/%d/%Y %H:%M:%S").to_string();
    let (starts, ends) = (text(certificate.starts), text(certificate.ends));
    format!(" Found key 'Start={starts}, End={ends}',")
}

/// Which certificate a client says that it used.
struct Thumbprint(Option<Vec<u8>>);

impl Thumbprint {
    /// The SHA-256 one, or the SHA-1 one, or none (5002723).
    fn of(jwt: &Jwt<'_>) -> Result<Self, Refusal> {
        let thumbprint = jwt.header("x5t#S256").or_else(|| jwt.header("x5t"));
        match thumbprint {
            Some(text) => Ok(Self(jwt::decode(text))),
            // Nobody registers a certificate by its key id here.
            None if jwt.header("kid").is_some() => Ok(Self(None)),
            None => Err(Refusal::new(5_002_723)),
        }
    }

    fn is_of(&self, certificate: &Certificate) -> bool {
        self.0.as_deref().is_some_and(|bytes| {
            bytes == certificate.sha256.as_slice() || bytes == certificate.sha1.as_slice()
        })
    }

    /// 700027. Entra shows a thumbprint in hexadecimal, if it could be one.
    fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(700_027);
        match self.0.as_deref() {
            Some(bytes) if matches!(bytes.len(), 20 | 32) => {
                let mut hex = String::new();
                for byte in bytes {
                    let _ = write!(hex, "{byte:02X}");
                }
                refusal.with(
                    "thumbprint",
                    format!(" Thumbprint of key used by client: '{hex}',"),
                )
            }
            _ => refusal,
        }
    }
}
