//! Plots of what was run.

use std::path::Path;

use crate::engine::tally::Minute;
use crate::plot::{self, Line, Plot};
use crate::report::hours;
use crate::scenario::Outcome;

fn line(name: &str, outcome: &Outcome, get: impl Fn(&Minute) -> f64) -> Line {
    let points = outcome.tally.minutes.iter().enumerate().map(|(n, minute)| {
        let hour = f64::from(u32::try_from(n).unwrap_or(u32::MAX)) / 60.0;
        (hour, get(minute))
    });
    // The last minute isn't whole.
    let mut points: Vec<_> = points.collect();
    points.pop();
    Line {
        name: name.to_owned(),
        points,
    }
}

/// So many a second.
fn rate(name: &str, outcome: &Outcome, count: impl Fn(&Minute) -> u32) -> Line {
    line(name, outcome, |minute| f64::from(count(minute)) / 60.0)
}

const REQUESTS: &str = "requests a second";
const HOURS: &str = "hours since the beginning";

/// Requests a second of the runs without an outage.
pub fn calm(folder: &Path, outcomes: &[Outcome]) -> Result<(), Box<dyn std::error::Error>> {
    let titles: Vec<String> = outcomes
        .iter()
        .map(|outcome| format!("{}: {}", outcome.scenario.name, outcome.scenario.says))
        .collect();
    let plots: Vec<_> = outcomes
        .iter()
        .zip(&titles)
        .map(|(outcome, title)| Plot {
            title,
            across: HOURS,
            up: REQUESTS,
            lines: vec![
                rate("Entra", outcome, |minute| minute.requests),
                rate("API servers", outcome, Minute::writes),
            ],
        })
        .collect();
    plot::write(&folder.join("steady.svg"), &plots)
}

/// Requests and what is overdue around each outage.
pub fn outages(folder: &Path, outcomes: &[Outcome]) -> Result<(), Box<dyn std::error::Error>> {
    for outcome in outcomes {
        let setup = &outcome.scenario.setup;
        let overdue = format!("{}: tenants", outcome.scenario.says);
        let servers = format!("{}: API servers", outcome.scenario.says);
        let plots = [
            Plot {
                title: &outcome.scenario.says,
                across: HOURS,
                up: REQUESTS,
                lines: vec![
                    rate("Entra: all requests", outcome, |minute| minute.requests),
                    rate("Entra: tokens", outcome, |minute| minute.tokens),
                    Line {
                        name: "2 × steady".to_owned(),
                        points: vec![
                            (0.0, 2.0 * setup.steady()),
                            (hours(setup.duration), 2.0 * setup.steady()),
                        ],
                    },
                ],
            },
            Plot {
                title: &servers,
                across: HOURS,
                up: REQUESTS,
                lines: vec![
                    rate("status writes", outcome, |minute| minute.statuses),
                    rate("Secret writes", outcome, |minute| minute.secrets),
                    rate("deletions, reads", outcome, |minute| minute.others),
                ],
            },
            Plot {
                title: &overdue,
                across: HOURS,
                up: "tenants",
                lines: vec![
                    line("refresh overdue by 60 s", outcome, |minute| {
                        f64::from(minute.overdue)
                    }),
                    line("less than minRemaining", outcome, |minute| {
                        f64::from(minute.late)
                    }),
                ],
            },
        ];
        let name = outcome.scenario.name.to_lowercase().replace(' ', "-");
        plot::write(&folder.join(format!("outage-{name}.svg")), &plots)?;
    }
    Ok(())
}
