//! A refused request: which code, and what its text names.

use std::fmt::Write as _;

use http::StatusCode;

use super::aadsts::{self, Code};
use crate::world::Aadsts;

/// Why Entra refuses. The details fill the `{names}` of the code's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    /// Instead of the code's own.
    error: Option<String>,
    status: Option<StatusCode>,
    details: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(number: u32) -> Self {
        Self {
            code: aadsts::find(number),
            error: None,
            status: None,
            details: Vec::new(),
        }
    }

    /// The refusal that a fault asks for.
    pub(crate) fn asked_for(fault: &Aadsts) -> Self {
        Self {
            error: fault.error.clone(),
            status: fault.status,
            ..Self::new(fault.number)
        }
    }

    /// OAuth's word for it.
    pub(crate) fn error(&self) -> &str {
        self.error.as_deref().unwrap_or(self.code.error)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status.unwrap_or_else(|| {
            StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::BAD_REQUEST)
        })
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// Entra's sentence. Names without a value (a fault knows none) get a word that reads well: what stands behind an
    /// equals sign in the braces, or the name itself.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let mut rest = self.code.text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let (name, otherwise) = name.split_once('=').unwrap_or((name, name));
            let value = self
                .details
                .iter()
                .find_map(|(key, value)| (*key == name).then_some(value));
            let _ = write!(text, "{before}{}", value.map_or(otherwise, String::as_str));
            rest = after;
        }
        text + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_fill_the_text() {
        let refusal = Refusal::new(900_144).with("parameter", "scope");
        assert_eq!(
            refusal.text(),
            "The request body must contain the following parameter: 'scope'."
        );
    }

    #[test]
    fn a_missing_detail_reads_as_its_name() {
        assert_eq!(
            Refusal::new(900_144).text(),
            "The request body must contain the following parameter: 'parameter'."
        );
    }

    #[test]
    fn a_missing_detail_may_have_a_text_of_its_own() {
        let text = Refusal::new(700_024).text();
        assert!(text.contains("valid time range. Review"), "{text}");
        let text = Refusal::new(700_024).with("times", " Now.").text();
        assert!(text.contains("valid time range. Now. Review"), "{text}");
    }

    #[test]
    fn values_are_not_templates() {
        let refusal = Refusal::new(900_144).with("parameter", "{tenant}");
        assert!(refusal.text().contains("'{tenant}'"), "{}", refusal.text());
    }
}
