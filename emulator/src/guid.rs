//! GUIDs as Microsoft writes them.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Reads a GUID in its hyphenated form, and no other: `uuid` also takes braces and URNs, Entra doesn't.
pub(crate) fn parse(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// A GUID that is always the same for the same words.
pub(crate) fn derived(words: &[&str]) -> Uuid {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_a_guid() {
        let text = "6b1f0f3e-5c0a-4d9b-9a43-0d5f5a1c7e10";
        assert_eq!(parse(text).unwrap().to_string(), text);
        assert_eq!(parse(&text.to_uppercase()).unwrap().to_string(), text);
        assert_eq!(parse(&text.replace('-', "")), None);
        assert_eq!(parse(&format!("{{{text}}}")), None);
    }

    #[test]
    fn derived_guids_are_stable_and_depend_on_every_word() {
        assert_eq!(derived(&["a", "b"]), derived(&["a", "b"]));
        assert_ne!(derived(&["a", "b"]), derived(&["ab"]));
        assert_eq!(derived(&["a"]).get_version_num(), 4);
    }
}
