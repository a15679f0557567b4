//! Secrets must be found nowhere but in Secrets.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Fewer characters of base64 could be there by chance.
const WINDOW: usize = 12;

/// What must not be found.
#[derive(Debug, Default)]
pub struct Canary {
    needles: BTreeSet<String>,
}

impl Canary {
    /// A secret text: as it is, as a list of its bytes, and as base64 wherever it may stand in a larger text.
    pub fn secret(&mut self, text: &str) {
        self.needles.insert(text.to_owned());
        let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        self.needles.insert(bytes.join(", "));
        self.needles.insert(bytes.join(","));
        for shift in 0..3 {
            let shifted = format!("{}{text}", &"   "[..shift]);
            let encoded = STANDARD_NO_PAD.encode(shifted);
            // What depends on the neighbours is cut off.
            let (from, to) = (if shift == 0 { 0 } else { 4 }, encoded.len() / 4 * 4 - 4);
            self.needles.insert(encoded[from..to].to_owned());
        }
    }

    /// A token: by its signature, which nobody has a reason to print, and as base64.
    pub fn token(&mut self, token: &str) {
        if let Some((_, signature)) = token.rsplit_once('.') {
            self.secret(signature);
        }
        if let Some(payload) = token.split('.').nth(1) {
            self.secret(payload);
        }
    }

    /// What of it is in a text: the needle, cut short, and where.
    pub fn find(&self, text: &str) -> Option<String> {
        let known = self
            .needles
            .iter()
            .find_map(|needle| Some((text.find(needle)?, needle.len())));
        known.or_else(|| any_token(text)).map(|(at, length)| {
            let start = text.floor_char_boundary(at.saturating_sub(400));
            let end = text.floor_char_boundary((at + length.min(WINDOW)).min(text.len()));
            format!("…{}…", &text[start..end])
        })
    }
}

/// Anything that looks like a JSON Web Token, or like the base64 of one, whoever minted it.
fn any_token(text: &str) -> Option<(usize, usize)> {
    for start in ["eyJ", "ZXlK"] {
        for (at, _) in text.match_indices(start) {
            let long = text[at..]
                .bytes()
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                .count();
            let alone = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
            if long > 20 && alone {
                return Some((at, long));
            }
        }
    }
    None
}

#[test]
fn a_canary_is_found_in_every_disguise() {
    let mut canary = Canary::default();
    canary.secret("canary~0123456789abcdef");
    for text in [
        "x canary~0123456789abcdef y".to_owned(),
        format!("{:?}", b"canary~0123456789abcdef"),
        STANDARD_NO_PAD.encode("canary~0123456789abcdef"),
        STANDARD_NO_PAD.encode("a=canary~0123456789abcdef\n"),
        STANDARD_NO_PAD.encode("ab=canary~0123456789abcdef&c"),
        STANDARD_NO_PAD.encode("abc=canary~0123456789abcdef"),
        format!("{:?}", "canary~0123456789abcdef".as_bytes()),
        "Authorization: Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.x".to_owned(),
    ] {
        assert!(canary.find(&text).is_some(), "{text}");
    }
    assert_eq!(canary.find("canary~0123456789abcde"), None);
}
