//! A Markdown page, as far as the tests need to understand one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A page.
pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

impl Page {
    pub fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { path, text }
    }

    /// Path in the repository.
    pub fn name(&self) -> String {
        self.path
            .strip_prefix(root())
            .unwrap()
            .display()
            .to_string()
    }

    /// Lines outside of code blocks.
    pub fn prose(&self) -> Vec<&str> {
        let mut fenced = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                lines.push(line);
            }
        }
        lines
    }

    /// Code blocks in this language.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let mut blocks = Vec::new();
        let mut open: Option<(bool, String)> = None;
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), open.as_mut()) {
                (Some(name), None) => open = Some((name.trim() == language, String::new())),
                (Some(_), Some(_)) => {
                    blocks.extend(
                        open.take()
                            .filter(|(wanted, _)| *wanted)
                            .map(|(_, text)| text),
                    );
                }
                (None, Some((_, text))) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => {}
            }
        }
        blocks
    }

    /// Headings with their depth.
    pub fn headings(&self) -> Vec<(usize, &str)> {
        self.prose()
            .into_iter()
            .filter_map(|line| {
                let depth = line.bytes().take_while(|byte| *byte == b'#').count();
                line[depth..]
                    .strip_prefix(' ')
                    .filter(|_| depth > 0)
                    .map(|title| (depth, title.trim()))
            })
            .collect()
    }

    /// What can stand behind `#` in a link to this page.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut seen = BTreeMap::<String, usize>::new();
        self.headings()
            .into_iter()
            .map(|(_, title)| {
                let anchor = anchor(title);
                let count = seen.entry(anchor.clone()).or_default();
                *count += 1;
                if *count == 1 {
                    anchor
                } else {
                    format!("{anchor}-{}", *count - 1)
                }
            })
            .collect()
    }

    /// Targets of the links, also of those whose text goes over the end of a line.
    pub fn links(&self) -> Vec<String> {
        let mut links = Vec::new();
        for paragraph in self.prose().join("\n").split("\n\n") {
            // Every second piece between backticks is code.
            let prose: String = paragraph.split('`').step_by(2).collect();
            for piece in prose.split("](").skip(1) {
                links.extend(piece.split_once(')').map(|(target, _)| target.to_owned()));
            }
        }
        links
    }
}

/// As the usual viewers make one of a heading.
fn anchor(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// All pages: at the root, in `docs/` and of the parts.
pub fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect(&root(), false, &mut paths);
    collect(&root().join("docs"), true, &mut paths);
    for part in ["emulator", "devcluster"] {
        paths.push(root().join(part).join("README.md"));
    }
    paths.sort();
    assert!(paths.len() > 10, "{paths:?}");
    paths.into_iter().map(Page::read).collect()
}

/// The pages about the operator.
pub fn operator_pages() -> Vec<Page> {
    let mut pages = pages();
    pages.retain(|page| {
        !page.name().starts_with("emulator/") && !page.name().starts_with("devcluster/")
    });
    pages
}

fn collect(folder: &Path, deep: bool, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && deep {
            collect(&path, deep, paths);
        } else if path.extension().is_some_and(|ext| ext == "md") {
            paths.push(path);
        }
    }
}

#[test]
fn anchors_are_those_of_the_usual_viewers() {
    for (title, expected) in [
        (
            "The operator doesn't start, or ends",
            "the-operator-doesnt-start-or-ends",
        ),
        ("9. Rotate the client secret", "9-rotate-the-client-secret"),
        (
            "`POST /v1/faults` → 201 `{\"id\":\"…\"}`",
            "post-v1faults--201-id",
        ),
        ("spec.tenantId", "spectenantid"),
    ] {
        assert_eq!(anchor(title), expected);
    }
}

#[test]
fn links_and_blocks_are_found() {
    let text = "# A\n\n[one](a.md), [two\nlines](b.md#c) `[code](no.md)`\n\n```yaml\nkind: A\n```\n```sh\n[x](no.md)\n```\n## A\n";
    let page = Page {
        path: root(),
        text: text.to_owned(),
    };
    assert_eq!(page.links(), ["a.md", "b.md#c"]);
    assert_eq!(page.blocks("yaml"), ["kind: A\n"]);
    assert_eq!(page.anchors(), ["a".to_owned(), "a-1".to_owned()].into());
}
