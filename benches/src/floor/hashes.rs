//! What the operator derives from ids and keys, written down once more: a start over Secrets that the floor wrote
//! mints and writes nothing, which shows that they agree.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The label: the top 8 bits of FNV-1a-64 over the UID, as hexadecimal.
pub fn bucket(uid: &str) -> String {
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:02x}", hash >> 56)
}

/// What a token is minted for.
pub fn mint_inputs(audience: &str, client: &str, tenant: &str) -> String {
    versioned(&Sha256::digest(format!("{audience}\0{client}\0{tenant}")))
}

/// The digest of keys, which must be in order.
pub fn digest(keys: &[(&str, &str)]) -> String {
    let mut hash = Sha256::new();
    for part in keys.iter().flat_map(|(name, value)| [name, value]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    versioned(&hash.finalize())
}

fn versioned(hash: &[u8]) -> String {
    let mut text = String::from("v1:");
    for byte in &hash[..16] {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in a Secret of the operator's.
    #[test]
    fn they_are_the_operators() {
        assert_eq!(bucket("4b79398e-a628-4c01-a9ed-64d166038e9c"), "96");
        assert_eq!(
            mint_inputs(
                "https://api.securitycenter.microsoft.com",
                "0c4f3a52-9d1b-4c3e-8f57-2a6b9e1d4f88",
                "6b1f0f3e-5c0a-4d9b-9a43-000000000001"
            ),
            "v1:0d7b52f74f8670e6163423f6d00d08c3"
        );
    }
}
