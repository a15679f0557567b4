//! The file with the operator's own service account token. The kubelet renews it, so that it is read for each request.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::core::federated::{LONGEST, Presented, TokenFault, TokenView, read};

/// How long a look at the file is good enough to decide whether it is worth a try.
const FRESH: SignedDuration = SignedDuration::from_secs(5);

/// The token file.
#[derive(Debug, Default)]
pub struct TokenFile {
    path: Option<PathBuf>,
    seen: Mutex<Option<(Timestamp, Arc<TokenView>)>>,
}

impl TokenFile {
    /// The flag's, else the one that Azure Workload Identity's webhook names in the environment, else none.
    #[must_use]
    pub fn new(flag: Option<PathBuf>, environment: Option<PathBuf>) -> Self {
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        Self {
            path: flag.filter(named).or(environment.filter(named)),
            seen: Mutex::default(),
        }
    }

    /// Reads the token, to present it.
    pub async fn token(&self, now: Timestamp) -> Result<SecretString, TokenFault> {
        let (view, token) = self.read(now).await;
        match (view.fault(now), token) {
            (None, Some(token)) => Ok(token),
            (fault, _) => Err(fault.unwrap_or(TokenFault::Unreadable)),
        }
    }

    /// How the file is, or was a moment ago.
    pub async fn look(&self, now: Timestamp) -> Arc<TokenView> {
        let seen = self.seen().clone();
        match seen {
            Some((at, view)) if now.duration_since(at).abs() < FRESH => view,
            _ => self.read(now).await.0,
        }
    }

    async fn read(&self, now: Timestamp) -> (Arc<TokenView>, Option<SecretString>) {
        let (found, token) = match self.path.clone() {
            None => (Err(TokenFault::NoFile), None),
            Some(path) => match tokio::task::spawn_blocking(move || read_file(&path)).await {
                Ok(Ok((presented, token))) => (Ok(presented), Some(token)),
                Ok(Err(fault)) => (Err(fault), None),
                Err(_) => (Err(TokenFault::Unreadable), None),
            },
        };
        let view = Arc::new(TokenView {
            path: self.path.as_ref().map(|path| path.display().to_string()),
            found,
        });
        *self.seen() = Some((now, view.clone()));
        (view, token)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Arc<TokenView>)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_file(path: &Path) -> Result<(Presented, SecretString), TokenFault> {
    let trouble = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => TokenFault::Missing,
        _ => TokenFault::Unreadable,
    };
    let file = File::open(path).map_err(trouble)?;
    // Of full size from the beginning: a buffer that moves leaves a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    file.take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(trouble)?;
    let (token, presented) = read(&bytes)?;
    Ok((presented, SecretString::from(token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn token(subject: &str, expires: i64) -> String {
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let claims = json!({"iss": "i", "sub": subject, "aud": "a", "exp": expires});
        format!("{}.{}.c2ln", part("{}".into()), part(claims.to_string()))
    }

    #[tokio::test]
    async fn the_file_is_read_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = TokenFile::new(Some(path.clone()), None);
        assert_eq!(file.token(at(0)).await.err(), Some(TokenFault::Missing));
        for (text, expected) in [
            (token("one", 100), None),
            (token("two", 100), None),
            (String::new(), Some(TokenFault::Empty)),
            ("canary".to_owned(), Some(TokenFault::NotAToken)),
            ("x".repeat(LONGEST + 9), Some(TokenFault::TooLong)),
            (token("late", 1), Some(TokenFault::Expired)),
            (token("three", 100), None),
        ] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            match file.token(at(1)).await {
                Ok(found) => {
                    assert_eq!(found.expose_secret(), text);
                    assert_eq!(expected, None);
                }
                Err(fault) => assert_eq!(Some(fault), expected),
            }
            assert!(!format!("{file:?}").contains("canary"));
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(file.token(at(1)).await.err(), Some(TokenFault::Unreadable));
    }

    #[tokio::test]
    async fn a_look_is_good_for_seconds_and_each_read_renews_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let file = TokenFile::new(None, Some(path.clone()));
        assert_eq!(file.look(at(0)).await.found, Err(TokenFault::Missing));
        std::fs::write(&path, token("one", 100)).unwrap();
        assert_eq!(file.look(at(4)).await.found, Err(TokenFault::Missing));
        let view = file.look(at(5)).await;
        assert_eq!(view.path.as_deref(), path.to_str());
        assert_eq!(view.found.as_ref().unwrap().subject, "one");
        std::fs::write(&path, token("two", 100)).unwrap();
        assert!(file.token(at(6)).await.is_ok());
        assert_eq!(
            file.look(at(6)).await.found.as_ref().unwrap().subject,
            "two"
        );
    }

    #[tokio::test]
    async fn the_flag_comes_before_the_environment() {
        let named = async |flag: Option<&str>, environment: Option<&str>| {
            let file = TokenFile::new(flag.map(Into::into), environment.map(Into::into));
            file.look(at(0)).await.path.clone()
        };
        assert_eq!(named(Some("/a"), Some("/b")).await.as_deref(), Some("/a"));
        assert_eq!(named(None, Some("/b")).await.as_deref(), Some("/b"));
        assert_eq!(named(Some(""), Some("/b")).await.as_deref(), Some("/b"));
        assert_eq!(named(None, Some("")).await, None);
        let none = TokenFile::new(None, None);
        assert_eq!(none.token(at(0)).await.err(), Some(TokenFault::NoFile));
    }
}
