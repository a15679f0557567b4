//! Percent-encoding for forms and query strings.

/// Appends `text`, everything but RFC 3986's unreserved characters escaped. A space becomes `%20`, which forms
/// understand as well as `+`.
pub(crate) fn push(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// The most bytes that [`push`] appends.
pub(super) const fn longest(text: &str) -> usize {
    text.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_unreserved_characters_stay() {
        let mut out = String::new();
        push(&mut out, "aZ09-._~ +&=%/:?é");
        assert_eq!(out, "aZ09-._~%20%2B%26%3D%25%2F%3A%3F%C3%A9");
    }

    proptest! {
        #[test]
        fn a_form_reads_back_what_was_written(value in ".*") {
            let mut form = String::from("key=");
            push(&mut form, &value);
            prop_assert!(form.len() <= 4 + longest(&value));
            let url = reqwest::Url::parse(&format!("https://example.com/?{form}")).unwrap();
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, vec![("key".to_owned(), value)]);
        }
    }
}
