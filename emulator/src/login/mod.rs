//! Entra: token endpoints, discovery documents, consent pages. Only accepting a consent changes anything; all else is
//! pure: a directory, a request and the time go in, a reply comes out.

pub(crate) mod aadsts;
pub(crate) mod assertion;
pub(crate) mod claims;
pub(crate) mod consent;
pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod form;
pub(crate) mod path;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod resource;
pub(crate) mod token;

pub(crate) use path::{Path, Version};

mod service;

pub(crate) use service::Login;
