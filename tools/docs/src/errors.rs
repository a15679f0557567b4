//! `errors.md`

use std::time::Duration;

use defender_tenant_operator::core::errors::retry::{Attempt, delay};
use defender_tenant_operator::core::errors::table::ROWS;
use defender_tenant_operator::core::errors::{
    BodyClass, Certainty, ErrorAnswer, OAuthError, Retry, Seen, Transport, Verdict, classify,
    transport,
};
use defender_tenant_operator::core::reason::{Owner, Reason};

use crate::markdown::{code, duration, head, runbook, table};

pub fn page() -> String {
    let mut text = head(
        "Error codes",
        "What the operator makes of Microsoft's answers. An answer is judged by its AADSTS code, then by its OAuth \
         `error`, then by its HTTP status; 429 is throttling whatever the body says. The code that was seen, with the ids \
         that Microsoft's support asks for, stands in `status.lastError`. Microsoft changes codes without notice, so one \
         that isn't listed is no error of the operator: it is judged by what else the answer holds.",
    );
    text += "\n## AADSTS codes\n";
    let rows: Vec<_> = ROWS
        .iter()
        .map(|row| {
            [
                code(&format!("AADSTS{}", row.code)),
                runbook(row.reason.as_str()),
                scope(row.scope.as_str(), row.certainty),
                retry_name(row.retry, row.propagates),
                seen(row.seen).to_owned(),
                owner(row.reason.owner()).to_owned(),
                row.note.to_owned(),
            ]
        })
        .collect();
    text += &table(
        [
            "code", "reason", "scope", "retry", "seen", "who acts", "meaning",
        ],
        &rows,
    );
    text += "\n- **Scope**: `Credential` is the partner's application, for all of its tenants: its breaker opens, at once for \
             a certain answer, for one with `?` when a second tenant confirms it. `Tenant` is this customer alone, `Service` \
             Microsoft or the way to it.\n- **Retry**: see [below](#retries). `*`: also the answer to a credential or a \
             consent so fresh that Microsoft doesn't know it everywhere yet, so for the first minutes it is asked again \
             sooner.\n";
    text += "\n## OAuth errors\n\nOf an answer without a known code.\n";
    let rows: Vec<_> = OAuthError::KNOWN
        .into_iter()
        .map(|error| row(code(error.as_str()), &answer(400, Some(error))))
        .collect();
    text += &table(COLUMNS, &rows);
    text += "\n## HTTP statuses\n\nOf an answer with neither.\n";
    let statuses = [
        200, 302, 400, 401, 403, 404, 407, 408, 429, 500, 502, 503, 504,
    ];
    let rows: Vec<_> = statuses
        .into_iter()
        .map(|status| row(status.to_string(), &answer(status, None)))
        .collect();
    text += &table(COLUMNS, &rows);
    text += "\n## Without an answer\n";
    let failures = [
        ("no connection", Transport::Connect),
        ("TLS", Transport::Tls),
        ("time-out", Transport::Timeout),
        ("reset", Transport::Reset),
        ("proxy", Transport::Proxy),
    ];
    let rows = failures.map(|(name, failure)| row(name.to_owned(), &transport(failure)));
    text += &table(COLUMNS, &rows);
    text + &retries()
}

const COLUMNS: [&str; 6] = ["answer", "reason", "scope", "retry", "who acts", "meaning"];

fn row(name: String, verdict: &Verdict) -> [String; 6] {
    [
        name,
        runbook(verdict.reason.as_str()),
        scope(verdict.scope.as_str(), verdict.certainty),
        retry_name(verdict.retry, verdict.propagates),
        owner(verdict.owner()).to_owned(),
        verdict.detail.to_owned(),
    ]
}

fn answer(status: u16, error: Option<OAuthError>) -> Verdict {
    classify(&ErrorAnswer {
        status,
        codes: Vec::new(),
        error,
        suberror: None,
        body: BodyClass::Json,
    })
}

/// The waits, from the very function that the operator uses.
fn retries() -> String {
    let mut text = "\n## Retries\n\nWaits between the failures in a row, before jitter (up to a tenth). A change of the \
                    spec or of the credential asks again at once.\n"
        .to_owned();
    let rows = [
        (
            "breaker",
            Retry::Breaker,
            Reason::CredentialRejected,
            "one request for all tenants of the credential",
        ),
        (
            "consent",
            Retry::Consent,
            Reason::ConsentRequired,
            "then each half hour for a day, then each 6 hours",
        ),
        (
            "transient",
            Retry::Transient,
            Reason::ServiceUnavailable,
            "",
        ),
        (
            "throttle",
            Retry::Throttle,
            Reason::Throttled,
            "what `Retry-After` says, an hour at most; this without it",
        ),
        (
            "slow",
            Retry::Slow,
            Reason::NotProvisioned,
            "for most reasons",
        ),
        (
            "slow",
            Retry::Slow,
            Reason::TenantNotFound,
            "for TenantNotFound and WrongCloud",
        ),
        (
            "slow",
            Retry::Slow,
            Reason::TenantDeleted,
            "for TenantDeleted",
        ),
        ("slow", Retry::Slow, Reason::ClockSkew, "for ClockSkew"),
    ]
    .map(|(name, retry, reason, note)| [name.to_owned(), waits(retry, reason), note.to_owned()]);
    text += &table(["retry", "waits", ""], &rows);
    text
}

fn waits(retry: Retry, reason: Reason) -> String {
    /// The longest series has seven steps.
    const STEPS: u32 = 7;
    let mut waits: Vec<String> = Vec::new();
    let mut elapsed = Duration::ZERO;
    for count in 1..=STEPS {
        let attempt = Attempt {
            retry,
            reason,
            count,
            elapsed,
            retry_after: None,
            jitter: 0.0,
        };
        let wait = delay(&attempt);
        elapsed += wait;
        waits.push(duration(wait.as_secs()));
    }
    // What repeats at the end is said once.
    let last = waits.last().cloned();
    while waits.len() > 1 && waits.get(waits.len() - 2) == last.as_ref() {
        waits.pop();
    }
    waits.join(", ")
}

fn scope(name: &str, certainty: Certainty) -> String {
    match certainty {
        Certainty::Ambiguous if name == "Credential" => format!("{name}?"),
        _ => name.to_owned(),
    }
}

fn retry_name(retry: Retry, propagates: bool) -> String {
    let name = match retry {
        Retry::Breaker => "breaker",
        Retry::Consent => "consent",
        Retry::Transient => "transient",
        Retry::Throttle => "throttle",
        Retry::Slow => "slow",
    };
    format!("{name}{}", if propagates { " \\*" } else { "" })
}

const fn seen(seen: Seen) -> &'static str {
    match seen {
        Seen::Token => "token request",
        Seen::ConsentPage => "consent page",
        Seen::Api => "API",
    }
}

const fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Nobody => "nobody",
        Owner::Platform => "platform",
        Owner::Partner => "partner",
        Owner::Customer => "customer",
    }
}
