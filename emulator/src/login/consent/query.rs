//! What a link to the consent page says, and what its form sends.

use crate::http::Request;
use crate::http::message::pairs;
use crate::login::form::is_form;
use crate::login::path::{Link, Version};
use crate::login::refusal::Refusal;

/// The link's parameters. Whatever else it says is ignored, as Entra does.
#[derive(Default)]
pub(crate) struct Query {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) scope: Option<String>,
}

impl Query {
    /// Reads what the link must say and what it may say.
    pub(crate) fn read(request: &Request, link: Link) -> Result<Self, Refusal> {
        let optional = |name: &str| {
            request
                .query_parameter(name)
                .filter(|value| !value.trim().is_empty())
        };
        let required = |name: &'static str| {
            optional(name).ok_or_else(|| Refusal::new(900_144).with("parameter", name))
        };
        let client_id = required("client_id")?;
        match link {
            Link::Admin(Version::V1) => {}
            Link::Admin(Version::V2) => {
                required("scope")?;
                required("redirect_uri")?;
            }
            Link::Authorize => {
                let response_type = required("response_type")?;
                if response_type != "code" {
                    return Err(Refusal::new(700_054).with("value", response_type));
                }
                // Any other prompt is a sign-in of a user, which needs users.
                let prompt = optional("prompt").unwrap_or_default();
                if !matches!(prompt.as_str(), "consent" | "admin_consent") {
                    return Err(Refusal::new(900_144).with("parameter", "prompt=consent"));
                }
            }
        }
        Ok(Self {
            client_id,
            redirect_uri: optional("redirect_uri"),
            state: optional("state"),
            scope: optional("scope"),
        })
    }
}

/// What the administrator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Accept,
    Cancel,
}

/// The form that the page sends.
#[derive(Default)]
pub(crate) struct Choice {
    pub(crate) decision: Option<Decision>,
    pub(crate) tenant: Option<String>,
}

impl Choice {
    pub(crate) fn read(request: &Request) -> Self {
        let mut choice = Self::default();
        if !is_form(request) {
            return choice;
        }
        for (name, value) in pairs(&request.body) {
            let value = value.trim();
            match (name.as_str(), value) {
                ("decision", "accept") => choice.decision = Some(Decision::Accept),
                ("decision", "cancel") => choice.decision = Some(Decision::Cancel),
                ("tenant", tenant) if !tenant.is_empty() => {
                    choice.tenant = Some(tenant.to_owned());
                }
                _ => {}
            }
        }
        choice
    }
}
