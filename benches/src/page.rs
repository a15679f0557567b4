//! Figures on a page: what stands between two markers is written anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::machine::Machine;
use crate::report::{Row, shown, verdict};

const BEGIN: &str = "<!-- bench: begin; written by `make bench-page` -->";
const END: &str = "<!-- bench: end -->";

/// Puts reports between the markers of a page.
pub fn write(page: &Path, reports: &[PathBuf]) -> Result<()> {
    let mut text = String::new();
    for report in reports.iter().filter(|report| report.exists()) {
        let rows: Vec<Row> = serde_json::from_slice(&std::fs::read(report)?)?;
        let machine = Machine::read(report)?;
        text.push_str(&section(&machine, &rows));
    }
    let before = std::fs::read_to_string(page)?;
    Ok(std::fs::write(page, between(&before, &text)?)?)
}

fn between(page: &str, text: &str) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or("the page has no markers")?;
    Ok(format!("{before}{BEGIN}\n{text}\n{END}{after}"))
}

fn section(machine: &Machine, rows: &[Row]) -> String {
    let Machine {
        processor,
        cores,
        memory,
        kernel,
        kubernetes,
        commit,
        date,
    } = machine;
    let mut text = format!(
        "\n{date}, commit `{commit}`: {processor}, {cores} cores, {memory} GiB, Linux {kernel}, Kubernetes {kubernetes}.\n\n\
         | row | tenants | value | floor | ratio | spread (rounds) | goal | verdict |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let number = |value: Option<f64>| value.map(shown).unwrap_or_default();
        let spread = row.spread.zip(row.rounds).filter(|(_, rounds)| *rounds > 1);
        let spread = spread.map(|(spread, rounds)| format!("{:.0} % ({rounds})", spread * 100.0));
        let _ = writeln!(
            text,
            "| `{}` | {} | {} {} | {} | {} | {} | {} | {} |",
            row.name,
            row.n,
            shown(row.value),
            row.unit,
            number(row.floor),
            number(row.ratio),
            spread.unwrap_or_default(),
            row.goal.as_deref().unwrap_or("stated"),
            verdict(row).to_lowercase(),
        );
    }
    let notes = rows
        .iter()
        .filter_map(|row| Some((row, row.note.as_ref()?)));
    for (at, (row, note)) in notes.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        let _ = writeln!(text, "{gap}- `{}` at {}: {note}.", row.name, row.n);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = format!("# A\n{BEGIN}\nold\n{END}\nB\n");
        let once = between(&page, "new").unwrap();
        assert_eq!(once, format!("# A\n{BEGIN}\nnew\n{END}\nB\n"));
        assert_eq!(between(&once, "new").unwrap(), once);
        assert!(between("# A\n", "new").is_err());
    }

    #[test]
    fn a_row_is_told_with_its_verdict_and_its_note() {
        let machine = Machine {
            processor: "P".to_owned(),
            cores: 2,
            memory: 4,
            kernel: "6".to_owned(),
            kubernetes: "v1".to_owned(),
            commit: "c".to_owned(),
            date: "d".to_owned(),
        };
        let mut row = Row::new("rss", 10_000, 40.0, "MiB").rounds(&[40.0, 42.0]);
        row.goal = Some("value ≤ 48".to_owned());
        row.met = Some(true);
        let text = section(&machine, &[row.note("so")]);
        assert!(
            text.contains("| `rss` | 10000 | 40.0 MiB |  |  | 5 % (2) | value ≤ 48 | met |"),
            "{text}"
        );
        assert!(text.ends_with("- `rss` at 10000: so.\n"));
    }
}
