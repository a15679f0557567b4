use std::collections::{BTreeMap, BTreeSet};

use defender_tenant_operator::core::application::status;
use defender_tenant_operator::core::reason::Reason;

use super::page::{Page, root};

/// What an entry must tell.
const PARTS: [&str; 3] = ["**What**", "**Who must act**", "**What to do**"];

/// The text below each `###` heading, up to the next heading.
fn entries(page: &Page) -> BTreeMap<&str, String> {
    let mut entries = BTreeMap::<&str, String>::new();
    let mut open = None;
    let mut fenced = false;
    for line in page.text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && line.starts_with('#') {
            open = line.strip_prefix("### ");
            if let Some(title) = open {
                assert!(
                    entries.insert(title, String::new()).is_none(),
                    "{title} is there twice"
                );
            }
        } else if let Some(text) = open.and_then(|title| entries.get_mut(title)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    entries
}

/// The parts that an entry lacks, or that say nothing.
fn missing(entry: &str) -> Vec<&'static str> {
    let says = |part: &&str| {
        let Some((_, rest)) = entry.split_once(*part) else {
            return false;
        };
        let end = PARTS
            .iter()
            .filter_map(|next| rest.find(next))
            .min()
            .unwrap_or(rest.len());
        rest[..end].chars().any(char::is_alphanumeric)
    };
    PARTS.into_iter().filter(|part| !says(part)).collect()
}

/// The reasons that applications alone have, as the code names them.
fn of_applications(code: &str) -> BTreeSet<&str> {
    let (_, module) = code.split_once("pub mod reason {").unwrap();
    let (module, _) = module.split_once("\n}").unwrap();
    module
        .split("&str = \"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0))
        .collect()
}

#[test]
fn every_reason_has_its_entry_with_what_who_and_what_to_do() {
    let page = Page::read(root().join("docs/runbook.md"));
    let code = Page::read(root().join("src/core/application/status.rs"));
    let own = of_applications(&code.text);
    assert!(own.contains(status::reason::AVAILABLE), "{own:?}");
    let entries = entries(&page);
    for reason in Reason::ALL
        .map(Reason::as_str)
        .into_iter()
        .chain(own.clone())
    {
        let entry = entries
            .get(reason)
            .unwrap_or_else(|| panic!("no entry for {reason}"));
        assert_eq!(missing(entry), Vec::<&str>::new(), "{reason}");
    }
    let unknown: Vec<_> = entries
        .keys()
        .filter(|title| Reason::parse(title).is_none() && !own.contains(**title))
        .collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "entries of no reason");
}

#[test]
fn an_entry_that_says_nothing_is_noticed() {
    assert_eq!(
        missing("**What** It broke.\n\n**Who must act** Nobody.\n\n**What to do**\n\n1. Wait."),
        Vec::<&str>::new()
    );
    assert_eq!(
        missing("**What** It broke.\n\n**Who must act**\n\n**What to do** Wait."),
        ["**Who must act**"]
    );
    assert_eq!(missing("It broke."), PARTS);
}
