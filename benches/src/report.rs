//! The report: rows, goals, verdicts, a file and a table.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::goals::{Bound, goal};

/// One figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What.
    pub name: String,
    /// With how many tenants.
    pub n: usize,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// The same of the floor.
    pub floor: Option<f64>,
    /// Value ÷ floor.
    pub ratio: Option<f64>,
    /// What is wanted: `ratio ≤ 1.25`
    #[serde(default)]
    pub goal: Option<String>,
    /// Whether it is so.
    #[serde(default)]
    pub met: Option<bool>,
    /// From the lowest to the highest round, as a share of the median; of the ratio where there is one.
    #[serde(default)]
    pub spread: Option<f64>,
    /// How many rounds the median is of.
    #[serde(default)]
    pub rounds: Option<usize>,
    /// What else is to be known.
    #[serde(default)]
    pub note: Option<String>,
}

impl Row {
    /// A figure without a floor.
    pub fn new(name: &str, n: usize, value: f64, unit: &str) -> Self {
        Self {
            name: name.to_owned(),
            n,
            value,
            unit: unit.to_owned(),
            ..Self::default()
        }
    }

    /// Beside this floor.
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self.ratio = (floor > 0.0).then(|| self.value / floor);
        self
    }

    /// Of rounds with these values, or ratios.
    pub fn rounds(mut self, values: &[f64]) -> Self {
        self.rounds = Some(values.len());
        self.spread = Some(crate::stats::spread(values));
        self
    }

    /// With a remark.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn judged(mut self) -> Self {
        if let Some(bound) = goal(&self.name, self.n) {
            self.goal = Some(bound.to_string());
            self.met = match bound {
                // Without a floor there is nothing that shows it.
                Bound::Ratio(most) => Some(self.ratio.is_some_and(|ratio| ratio <= most)),
                Bound::Value(most) => Some(self.value <= most),
            };
        }
        self
    }
}

/// All rows of a run.
pub struct Report {
    file: PathBuf,
    rows: Vec<Row>,
}

impl Report {
    /// An empty one; it is written with each row, so that a run that fails leaves what it found.
    pub fn new(file: PathBuf) -> Result<Self> {
        let report = Self {
            file,
            rows: Vec::new(),
        };
        report.write()?;
        Ok(report)
    }

    /// Adds a row, or says anew what one says of this name and size.
    pub fn add(&mut self, row: Row) -> Result<()> {
        let row = row.judged();
        crate::say(&line(&row));
        self.rows
            .retain(|known| (&known.name, known.n) != (&row.name, row.n));
        self.rows.push(row);
        self.rows
            .sort_by_key(|row| (crate::goals::place(&row.name), row.n));
        self.write()
    }

    fn write(&self) -> Result<()> {
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&self.rows)?;
        Ok(std::fs::write(&self.file, format!("{text}\n"))?)
    }

    /// The table for a terminal.
    pub fn table(&self) -> String {
        let mut text = header();
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        text
    }

    /// Where it is written.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// No goal is missed.
    pub fn is_met(&self) -> bool {
        self.rows.iter().all(|row| row.met != Some(false))
    }
}

fn header() -> String {
    format!(
        "{:<24} {:>6} {:>10} {:<16} {:>10} {:>7} {:>7} {:>6}  {:<14} verdict\n",
        "row", "n", "value", "unit", "floor", "ratio", "spread", "rounds", "goal"
    )
}

fn line(row: &Row) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), shown);
    let spread = row.spread.map_or_else(
        || "–".to_owned(),
        |spread| format!("{:.0} %", spread * 100.0),
    );
    let rounds = row
        .rounds
        .map_or_else(|| "–".to_owned(), |rounds| rounds.to_string());
    format!(
        "{:<24} {:>6} {:>10} {:<16} {:>10} {:>7} {:>7} {:>6}  {:<14} {}",
        row.name,
        row.n,
        shown(row.value),
        row.unit,
        number(row.floor),
        number(row.ratio),
        spread,
        rounds,
        row.goal.as_deref().unwrap_or("stated"),
        verdict(row),
    )
}

/// `met`, `missed` or nothing.
pub fn verdict(row: &Row) -> &'static str {
    match row.met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    }
}

/// Three significant digits or so.
pub fn shown(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_six_fields_are_always_there() {
        let row = serde_json::to_value(Row::new("idle_cpu", 10, 1.5, "ms/min")).unwrap();
        let six = ["name", "n", "value", "unit", "floor", "ratio"];
        assert!(six.iter().all(|key| row.get(key).is_some()));
        assert_eq!((&row["floor"], &row["ratio"]), (&Value::Null, &Value::Null));
        let row = Row::new("converge", 500, 3.0, "s").floor(2.0);
        assert_eq!(serde_json::to_value(row).unwrap()["ratio"], json!(1.5));
    }

    #[test]
    fn a_goal_is_met_or_missed_at_the_sizes_that_it_is_for() {
        let met =
            |n: usize, value: f64| Row::new("converge", n, value, "s").floor(1.0).judged().met;
        assert_eq!(met(2000, 1.25), Some(true));
        assert_eq!(met(2000, 1.26), Some(false));
        assert_eq!(met(500, 9.0), None);
        let bare = Row::new("converge", 2000, 1.0, "s").judged();
        assert_eq!(bare.met, Some(false), "no floor, no verdict in its favour");
        assert_eq!(
            Row::new("rss", 10_000, 49.0, "MiB").judged().met,
            Some(false)
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 0.012_34, 1.234, 12.34, 1234.5].map(shown),
            ["0.00", "0.012", "1.23", "12.3", "1234"]
        );
    }

    #[test]
    fn rows_are_written_as_they_come_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bench/report.json");
        let mut report = Report::new(file.clone()).unwrap();
        report.add(Row::new("rss", 1, 1.0, "MiB")).unwrap();
        report.add(Row::new("converge", 2, 9.0, "s")).unwrap();
        report.add(Row::new("converge", 2, 1.0, "s")).unwrap();
        let rows: Vec<Row> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["converge", "rss"]);
        assert!(report.table().lines().count() == 3);
    }
}
