use std::path::Path;

use super::page::{Page, pages, root};

/// What is wrong with a link of this page.
fn fault(page: &Page, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link
        .split_once('#')
        .map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let path = match file {
        "" => page.path.clone(),
        file => page.path.parent().unwrap_or(Path::new("/")).join(file),
    };
    let Ok(path) = path.canonicalize() else {
        return Some("no such file".to_owned());
    };
    if !path.starts_with(root().canonicalize().unwrap()) {
        return Some("outside of the repository".to_owned());
    }
    let anchor = anchor?;
    (!Page::read(path).anchors().contains(anchor)).then(|| "no such heading".to_owned())
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    for page in pages() {
        for link in page.links() {
            faults.extend(
                fault(&page, &link).map(|fault| format!("{}: {link}: {fault}", page.name())),
            );
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_dead_link_is_noticed() {
    let page = Page {
        path: root().join("README.md"),
        text: "# One\n".to_owned(),
    };
    for link in [
        "nowhere.md",
        "docs/runbook.md#nothing",
        "#no-heading",
        "../../../etc/hostname",
    ] {
        assert!(fault(&page, link).is_some(), "{link}");
    }
    assert_eq!(fault(&page, "docs/runbook.md#consentrequired"), None);
}
