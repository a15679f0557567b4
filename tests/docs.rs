//! The documents: links lead somewhere, every reason has its runbook entry, and no name is one that doesn't exist.

#![allow(clippy::unwrap_used, reason = "a test's helpers are tests as well")]

#[path = "docs/links.rs"]
mod links;
#[path = "docs/names.rs"]
mod names;
#[path = "docs/page.rs"]
mod page;
#[path = "docs/runbook.rs"]
mod runbook;
