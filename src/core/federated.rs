//! The operator's own service account token, which signs in for an application that trusts the cluster's issuer.
//! Microsoft verifies it; what is read here tells a person what Microsoft saw.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

/// A projected token has some 1 to 2 KiB.
pub const LONGEST: usize = 16 * 1024;
/// What is shown of a claim. An issuer is a URL, a subject has two names of at most 253 characters.
const SHOWN: usize = 600;

/// What a token says of itself, fit to be shown: short, printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// `iss`
    pub issuer: String,
    /// `sub`
    pub subject: String,
    /// `aud`
    pub audience: String,
    /// `exp`
    pub expires_at: Option<Timestamp>,
}

impl Presented {
    /// The same identity; tokens of it come and go.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.subject == other.subject
            && self.audience == other.audience
    }
}

impl fmt::Display for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "issuer {}, subject {}, audience {}",
            self.issuer, self.subject, self.audience
        )
    }
}

/// Why there is no token to present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFault {
    /// Nobody said where it is.
    #[error("neither --federated-token-file nor AZURE_FEDERATED_TOKEN_FILE names one")]
    NoFile,
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// It can't be read.
    #[error("it can't be read")]
    Unreadable,
    /// It is empty.
    #[error("it is empty")]
    Empty,
    /// It is too long to be one.
    #[error("it is too long to be a token (over 16 KiB)")]
    TooLong,
    /// It isn't one.
    #[error("what it holds isn't a token (JWT)")]
    NotAToken,
    /// It has expired, and nobody wrote a new one.
    #[error("its token has expired and wasn't renewed")]
    Expired,
}

/// Where the token is, and how it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    /// The file's path, to be shown.
    pub path: Option<String>,
    /// What was found.
    pub found: Result<Presented, TokenFault>,
}

impl TokenView {
    /// What keeps the token from being presented now.
    #[must_use]
    pub fn fault(&self, now: Timestamp) -> Option<TokenFault> {
        match &self.found {
            Err(fault) => Some(*fault),
            Ok(presented) => {
                let expired = presented.expires_at.is_some_and(|at| at <= now);
                expired.then_some(TokenFault::Expired)
            }
        }
    }

    /// For the condition's message: which file, what is wrong with it, what to do.
    #[must_use]
    pub fn complaint(&self, fault: TokenFault) -> String {
        let file = self.path.as_deref().unwrap_or("no file");
        format!(
            "workload identity needs the operator's service account token, {file}: {fault}; mount a projected serviceAccountToken volume with the audience that the application's federated credential has (api://AzureADTokenExchange), or use Azure Workload Identity"
        )
    }
}

/// Reads what a token file holds: the token without white space around it, and what it says of itself.
pub fn read(bytes: &[u8]) -> Result<(&str, Presented), TokenFault> {
    if bytes.len() > LONGEST {
        return Err(TokenFault::TooLong);
    }
    let bytes = bytes.trim_ascii();
    if bytes.is_empty() {
        return Err(TokenFault::Empty);
    }
    let token = std::str::from_utf8(bytes).map_err(|_| TokenFault::NotAToken)?;
    let presented = presented(token).ok_or(TokenFault::NotAToken)?;
    Ok((token, presented))
}

fn presented(token: &str) -> Option<Presented> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    URL_SAFE_NO_PAD.decode(signature).map(Zeroizing::new).ok()?;
    object(header)?;
    let claims = object(claims)?;
    let text = |name: &str| claims.get(name).map_or_else(none, shown);
    Some(Presented {
        issuer: text("iss"),
        subject: text("sub"),
        audience: text("aud"),
        expires_at: claims.get("exp").and_then(instant),
    })
}

fn object(part: &str) -> Option<serde_json::Map<String, Value>> {
    let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(part).ok()?);
    serde_json::from_slice(&json).ok()
}

/// Whole seconds; a fraction is allowed (RFC 7519, `NumericDate`).
#[expect(
    clippy::cast_possible_truncation,
    reason = "it saturates, and a fraction of a second is nothing here"
)]
fn instant(value: &Value) -> Option<Timestamp> {
    let seconds = value
        .as_i64()
        .or_else(|| value.as_f64().map(|seconds| seconds as i64))?;
    Timestamp::from_second(seconds).ok()
}

fn none() -> String {
    "(none)".to_owned()
}

/// A claim's text, or the texts of a list. Whatever could play with a terminal or a log is left out.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => printable(text),
        Value::Array(values) => {
            let texts: Vec<_> = values
                .iter()
                .filter_map(Value::as_str)
                .map(printable)
                .collect();
            texts.join(" and ")
        }
        _ => String::new(),
    };
    if text.is_empty() {
        return none();
    }
    // ASCII alone: any cut is between characters.
    text[..text.len().min(SHOWN)].to_owned()
}

fn printable(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(SHOWN)
        .collect()
}

#[cfg(test)]
mod tests;
