//! PEM, and the outside of DER. Everything that may be of a private key is wiped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A block of a PEM file.
pub(super) struct Block<'a> {
    /// What stands after `BEGIN`.
    pub label: &'a str,
    text: &'a str,
}

impl Block<'_> {
    /// It is encrypted in the way of old, which only its headers tell.
    pub(super) fn is_encrypted(&self) -> bool {
        self.text.contains("Proc-Type:") && self.text.contains("ENCRYPTED")
    }

    /// Its bytes. `None` if they aren't base64.
    pub(super) fn der(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut compact = Zeroizing::new(Vec::with_capacity(self.text.len()));
        compact.extend(self.text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut der = Zeroizing::new(vec![0; base64::decoded_len_estimate(compact.len())]);
        let length = STANDARD.decode_slice(&*compact, &mut der).ok()?;
        der.truncate(length);
        Some(der)
    }
}

/// The blocks of a PEM file; what stands around them is a comment. It doesn't matter whether lines got lost.
/// `None` if a block doesn't end.
pub(super) fn blocks(text: &str) -> Option<Vec<Block<'_>>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, begun) = begun.split_once("-----")?;
        let (text, after) = begun.split_once("-----END ")?;
        let after = after.strip_prefix(label)?.strip_prefix("-----")?;
        found.push(Block { label, text });
        rest = after;
    }
    Some(found)
}

/// Tags of DER.
pub(super) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OBJECT_ID: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;
}

/// The first element of `der`, which must have this tag: its content, and what follows it.
pub(super) fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    if *found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        // More would be above 16 MiB.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// Version of a PFX, which begins it.
const PFX_VERSION: [u8; 3] = [tag::INTEGER, 1, 3];

/// A PFX (PKCS#12) file, as bytes or as base64 text.
pub(super) fn is_pfx(bytes: &[u8]) -> bool {
    let begins = |bytes: &[u8]| {
        let Some((&tag::SEQUENCE, rest)) = bytes.split_first() else {
            return false;
        };
        let length = match rest.first() {
            // An indefinite length, which some programs write.
            Some(0..=0x80) => 1,
            Some(first @ 0x81..=0x84) => usize::from(first - 0x80) + 1,
            _ => return false,
        };
        rest.get(length..)
            .is_some_and(|content| content.starts_with(&PFX_VERSION))
    };
    // Sixteen characters hold the first twelve bytes.
    let text = bytes.get(..16).and_then(|head| STANDARD.decode(head).ok());
    begins(bytes) || text.is_some_and(|head| begins(&head))
}

/// DER of any kind: a sequence that is as long as it says.
pub(super) fn is_der(bytes: &[u8]) -> bool {
    element(bytes, tag::SEQUENCE).is_some_and(|(_, after)| after.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Option<Vec<(&str, Vec<u8>)>> {
        let blocks = blocks(text)?;
        let told = blocks
            .iter()
            .map(|block| Some((block.label, block.der()?.to_vec())));
        told.collect()
    }

    #[test]
    fn blocks_are_found_in_any_text() {
        let expected = Some(vec![("A", b"one".to_vec()), ("B C", b"second".to_vec())]);
        for text in [
            "-----BEGIN A-----\nb25l\n-----END A-----\n-----BEGIN B C-----\nc2Vj\nb25k\n-----END B C-----\n",
            "Bag Attributes\r\n-----BEGIN A-----\r\nb25l\r\n-----END A-----\r\nsubject=x\r\n-----BEGIN B C-----\r\nc2Vjb25k\r\n-----END B C-----",
            " -----BEGIN A----- b25l -----END A----- -----BEGIN B C----- c2Vj b25k -----END B C-----",
        ] {
            assert_eq!(labels(text), expected, "{text}");
        }
        assert_eq!(labels("nothing"), Some(vec![]));
        for broken in [
            "-----BEGIN A-----\nb25l\n",
            "-----BEGIN A-----\nb25l\n-----END B-----\n",
            "-----BEGIN A",
            "-----BEGIN A-----\nb25l\n-----END A",
            "-----BEGIN A-----\nb25\n-----END A-----\n",
            "-----BEGIN A-----\\nb25l\\n-----END A-----\n",
        ] {
            assert_eq!(labels(broken), None, "{broken}");
        }
    }

    #[test]
    fn elements_have_the_length_that_they_say() {
        let long = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256], &[9]].concat();
        assert_eq!(element(&long, 0x30), Some((&[7; 256][..], &[9][..])));
        let middle = [&[0x04, 0x81, 0x80][..], &[7; 128]].concat();
        assert_eq!(element(&middle, 0x04), Some((&[7; 128][..], &[][..])));
        assert_eq!(element(&[0x02, 1, 5, 6], 0x02), Some((&[5][..], &[6][..])));
        for (der, tag) in [
            (&[][..], 0x30),
            (&[0x30], 0x30),
            (&[0x30, 1], 0x30),
            (&[0x30, 0], 0x02),
            (&[0x30, 0x80, 0, 0], 0x30),
            (&[0x30, 0x82, 1], 0x30),
            (&[0x30, 0x84, 0, 0, 0, 0], 0x30),
        ] {
            assert_eq!(element(der, tag), None, "{der:?}");
        }
        assert!(is_der(&[0x30, 1, 7]) && !is_der(&[0x30, 1, 7, 8]) && !is_der(b"0"));
    }

    #[test]
    fn a_pfx_is_known_by_its_first_bytes() {
        let bytes = [
            0x30, 0x82, 0x09, 0xb7, 0x02, 0x01, 0x03, 0x30, 0x82, 0x09, 0x7d, 0x06,
        ];
        assert!(is_pfx(&bytes));
        assert!(is_pfx(STANDARD.encode(bytes).as_bytes()));
        assert!(is_pfx(&[0x30, 0x80, 0x02, 0x01, 0x03]));
        assert!(is_pfx(&[0x30, 0x84, 0, 0, 1, 1, 0x02, 0x01, 0x03]));
        for other in [
            &[0x30, 0x82, 0x09, 0xb7, 0x02, 0x01, 0x00][..],
            &[0x30, 0x82, 0x09, 0xb7, 0x30, 0x82, 0x08],
            &[0x30, 0x85, 0x02, 0x01, 0x03],
            &[0x31, 0x80, 0x02, 0x01, 0x03],
            &[0x30],
            b"",
            b"-----BEGIN CERTIFICATE-----",
        ] {
            assert!(!is_pfx(other), "{other:?}");
        }
    }
}
