//! What was found, and how it is told: as text for a person, as JSON for a program.

use std::fmt::Write as _;

use serde::Serialize;

/// What is looked at. The names are part of the JSON and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The API server answers, in a version that is supported.
    ApiServer,
    /// The operator may do what it has to do.
    Permissions,
    /// The CRDs are those of this version.
    Crds,
    /// Microsoft's hosts can be reached.
    Hosts,
    /// The clocks agree.
    Clock,
    /// Credentials can be read and haven't expired.
    Credentials,
    /// The operator's own service account token can be presented.
    FederatedToken,
    /// Somebody leads.
    Leader,
    /// How the tenants are.
    Tenants,
}

impl Check {
    /// Every check, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::ApiServer,
        Self::Permissions,
        Self::Crds,
        Self::Hosts,
        Self::Clock,
        Self::Credentials,
        Self::FederatedToken,
        Self::Leader,
        Self::Tenants,
    ];

    /// Name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "api-server",
            Self::Permissions => "permissions",
            Self::Crds => "crds",
            Self::Hosts => "hosts",
            Self::Clock => "clock",
            Self::Credentials => "credentials",
            Self::FederatedToken => "federated-token",
            Self::Leader => "leader",
            Self::Tenants => "tenants",
        }
    }

    /// Heading for a person.
    const fn title(self) -> &'static str {
        match self {
            Self::ApiServer => "API server",
            Self::Permissions => "Permissions",
            Self::Crds => "CRDs",
            Self::Hosts => "Microsoft's hosts",
            Self::Clock => "Clocks",
            Self::Credentials => "Credentials",
            Self::FederatedToken => "Workload identity",
            Self::Leader => "Leader",
            Self::Tenants => "Tenants",
        }
    }
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not looked at; the text says why.
    Skipped,
    /// It works, and somebody should look.
    Warning,
    /// Something doesn't work.
    Problem,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "WARNING",
            Self::Problem => "PROBLEM",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which check it belongs to.
    pub check: Check,
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    fn new(
        check: Check,
        outcome: Outcome,
        subject: &str,
        found: &str,
        advice: Option<&str>,
    ) -> Self {
        Self {
            check,
            subject: plain(subject),
            outcome,
            found: plain(found),
            advice: advice.map(plain),
        }
    }

    /// As it should be.
    #[must_use]
    pub fn ok(check: Check, subject: &str, found: &str) -> Self {
        Self::new(check, Outcome::Ok, subject, found, None)
    }

    /// Not looked at.
    #[must_use]
    pub fn skipped(check: Check, subject: &str, why: &str) -> Self {
        Self::new(check, Outcome::Skipped, subject, why, None)
    }

    /// It works, and somebody should look.
    #[must_use]
    pub fn warning(check: Check, subject: &str, found: &str, advice: &str) -> Self {
        Self::new(check, Outcome::Warning, subject, found, Some(advice))
    }

    /// Something doesn't work.
    #[must_use]
    pub fn problem(check: Check, subject: &str, found: &str, advice: &str) -> Self {
        Self::new(check, Outcome::Problem, subject, found, Some(advice))
    }
}

/// Names and statuses are written by others: nothing that could play with a terminal, pass for another line, or turn
/// the direction of what follows.
#[must_use]
pub fn plain(text: &str) -> String {
    let turns = |c: char| {
        // Unicode's Bidi_Control, and the separators of lines and paragraphs.
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if c.is_control() || turns(c) { ' ' } else { c })
        .collect()
}

/// All findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: &'a str,
    checks: Vec<Line<'a>>,
    result: Outcome,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'static str,
    subject: &'a str,
    result: Outcome,
    found: &'a str,
    advice: Option<&'a str>,
}

impl Report {
    /// From the findings, in the order of the checks.
    #[must_use]
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.check);
        Self { findings }
    }

    /// The worst of all; what was skipped is none of it.
    #[must_use]
    pub fn result(&self) -> Outcome {
        let outcomes = self.findings.iter().map(|finding| finding.outcome);
        match outcomes.max() {
            None | Some(Outcome::Skipped) => Outcome::Ok,
            Some(worst) => worst,
        }
    }

    /// 1 if something doesn't work.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        u8::from(self.result() == Outcome::Problem)
    }

    /// For a program.
    #[must_use]
    pub fn json(&self, version: &str) -> String {
        let lines = self.findings.iter().map(|finding| Line {
            name: finding.check.as_str(),
            subject: &finding.subject,
            result: finding.outcome,
            found: &finding.found,
            advice: finding.advice.as_deref(),
        });
        let document = Document {
            version,
            checks: lines.collect(),
            result: self.result(),
        };
        let text = serde_json::to_string_pretty(&document);
        text.unwrap_or_else(|_| unreachable!("texts serialize")) + "\n"
    }

    /// For a person.
    #[must_use]
    pub fn text(&self, version: &str) -> String {
        let mut text = format!("defender-tenant-operator {version}\n");
        for check in Check::ALL {
            let findings = || self.findings.iter().filter(|f| f.check == check);
            let width = findings()
                .map(|finding| finding.subject.chars().count())
                .max();
            let Some(width) = width else { continue };
            let _ = writeln!(text, "\n{}", check.title());
            for finding in findings() {
                let word = finding.outcome.word();
                let (subject, found) = (&finding.subject, &finding.found);
                let _ = writeln!(text, "  {word:<8} {subject:<width$}  {found}");
                if let Some(advice) = &finding.advice {
                    let _ = writeln!(text, "           → {advice}");
                }
            }
        }
        let _ = writeln!(text, "\n{}", self.summary());
        text
    }

    fn summary(&self) -> String {
        let count = |outcome| {
            let of_it = |finding: &&Finding| finding.outcome == outcome;
            self.findings.iter().filter(of_it).count()
        };
        let told = |count: usize, one: &str| match count {
            1 => format!("1 {one}"),
            n => format!("{n} {one}s"),
        };
        match (count(Outcome::Problem), count(Outcome::Warning)) {
            (0, 0) => "All is well.".to_owned(),
            (0, warnings) => format!("No problem, {}.", told(warnings, "warning")),
            (problems, 0) => format!("{}.", told(problems, "problem")),
            (problems, warnings) => {
                format!(
                    "{}, {}.",
                    told(problems, "problem"),
                    told(warnings, "warning")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(vec![
            Finding::problem(Check::Leader, "Lease a-0", "nobody", "start it"),
            Finding::ok(Check::ApiServer, "version", "1.34.4"),
            Finding::skipped(Check::Hosts, "host.example", "no time\nleft"),
            Finding::warning(Check::Hosts, "h", "\u{1b}[31mslow", "look"),
        ])
    }

    #[test]
    fn a_person_reads_it_in_groups_aligned_with_what_to_do() {
        let expected = "\
defender-tenant-operator 0.1.0

API server
  ok       version  1.34.4

Microsoft's hosts
  skipped  host.example  no time left
  WARNING  h              [31mslow
           → look

Leader
  PROBLEM  Lease a-0  nobody
           → start it

1 problem, 1 warning.
";
        assert_eq!(report().text("0.1.0"), expected);
    }

    #[test]
    fn a_program_reads_it_with_every_key_in_every_line() {
        let expected = serde_json::json!({"version": "0.1.0", "result": "problem", "checks": [
            {"name": "api-server", "subject": "version", "result": "ok", "found": "1.34.4", "advice": null},
            {"name": "hosts", "subject": "host.example", "result": "skipped", "found": "no time left", "advice": null},
            {"name": "hosts", "subject": "h", "result": "warning", "found": " [31mslow", "advice": "look"},
            {"name": "leader", "subject": "Lease a-0", "result": "problem", "found": "nobody", "advice": "start it"},
        ]});
        let text = report().json("0.1.0");
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found, expected);
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn nothing_turns_the_direction_or_begins_a_line() {
        for c in "\n\r\u{1b}\u{7f}\u{9b}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}".chars() {
            assert_eq!(plain(&format!("a{c}b")), "a b", "{c:?}");
        }
        assert_eq!(plain("Größe, مستأجر"), "Größe, مستأجر");
    }

    #[test]
    fn a_problem_alone_ends_with_1() {
        let ok = Finding::ok(Check::Clock, "a", "b");
        let skipped = Finding::skipped(Check::Clock, "a", "b");
        let warning = Finding::warning(Check::Clock, "a", "b", "c");
        let problem = Finding::problem(Check::Clock, "a", "b", "c");
        for (findings, result, code, summary) in [
            (vec![], Outcome::Ok, 0, "All is well."),
            (vec![&ok], Outcome::Ok, 0, "All is well."),
            (vec![&ok, &skipped], Outcome::Ok, 0, "All is well."),
            (
                vec![&skipped, &warning],
                Outcome::Warning,
                0,
                "No problem, 1 warning.",
            ),
            (
                vec![&warning, &warning],
                Outcome::Warning,
                0,
                "No problem, 2 warnings.",
            ),
            (
                vec![&problem, &ok, &problem],
                Outcome::Problem,
                1,
                "2 problems.",
            ),
            (
                vec![&problem, &warning],
                Outcome::Problem,
                1,
                "1 problem, 1 warning.",
            ),
        ] {
            let report = Report::new(findings.into_iter().cloned().collect());
            assert_eq!(
                (report.result(), report.exit_code(), report.summary()),
                (result, code, summary.to_owned())
            );
        }
    }
}
