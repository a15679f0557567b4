//! What the API server was asked, from its audit log, read on as it grows.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;

use crate::Result;

/// One finished request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `operator/1.2.3`, as the client called itself.
    pub agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`
    pub verb: String,
    /// `secrets`, `defendertenants/status`, …
    pub resource: String,
    /// `namespace/name`; a create has no name.
    pub object: String,
    /// The answer's status code.
    pub code: u16,
    /// When it was answered.
    pub at: Timestamp,
}

impl Request {
    /// A request that would change something, and isn't the leader's heartbeat nor a question about permissions.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && self.is_counted()
    }

    /// Everything but heartbeats, watches and questions about permissions.
    pub fn is_counted(&self) -> bool {
        self.verb != "watch"
            && self.resource != "leases"
            && !self.resource.starts_with("selfsubject")
    }

    /// It was accepted.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The status of a tenant was written.
    pub fn is_status(&self) -> bool {
        self.resource == "defendertenants/status" && self.is_ok()
    }
}

/// The log, and how far it was read.
pub struct Audit {
    file: PathBuf,
    position: u64,
}

impl Audit {
    /// From the log's end on.
    pub fn from_now(file: &Path) -> Result<Self> {
        let position = std::fs::metadata(file)?.len();
        Ok(Self {
            file: file.to_owned(),
            position,
        })
    }

    /// The requests, since the last look, of clients that call themselves so.
    pub fn more(&mut self, agent: &str) -> Result<Vec<Request>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.position))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // The last line may be half written.
        let whole = text
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |end| end + 1);
        self.position += whole as u64;
        parse(&String::from_utf8_lossy(&text[..whole]), agent)
    }
}

/// Reads lines; only those of clients whose name begins so.
fn parse(text: &str, agent: &str) -> Result<Vec<Request>> {
    let marked = format!("\"userAgent\":\"{agent}");
    text.lines()
        .filter(|line| line.contains(&marked))
        .map(|line| Ok(Request::from(serde_json::from_str::<Line>(line)?)))
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    #[serde(default)]
    user_agent: String,
    object_ref: Option<ObjectRef>,
    response_status: Option<Status>,
    stage_timestamp: Timestamp,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Status {
    code: u16,
}

impl From<Line> for Request {
    fn from(line: Line) -> Self {
        let object = line.object_ref.unwrap_or_default();
        let mut resource = object.resource;
        if !object.subresource.is_empty() {
            resource = format!("{resource}/{}", object.subresource);
        }
        Self {
            agent: line.user_agent,
            verb: line.verb,
            resource,
            object: format!("{}/{}", object.namespace, object.name),
            code: line.response_status.map_or(0, |status| status.code),
            at: line.stage_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LINE: &str = r#"{"kind":"Event","level":"Metadata","stage":"ResponseComplete","verb":"update","user":{"username":"u"},"userAgent":"operator/1.0","objectRef":{"resource":"defendertenants","namespace":"a","name":"b","apiGroup":"g","subresource":"status"},"responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:00.000001Z","stageTimestamp":"2026-01-01T00:00:00.500000Z"}"#;

    fn line(verb: &str, resource: &str) -> Request {
        Request {
            agent: "operator/1.0".to_owned(),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            object: "a/b".to_owned(),
            code: 200,
            at: "2026-01-01T00:00:00.5Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_line_tells_who_did_what_and_when() {
        assert_eq!(
            parse(LINE, "operator/").unwrap(),
            [line("update", "defendertenants/status")]
        );
        assert_eq!(parse(LINE, "floor/").unwrap(), []);
    }

    #[test]
    fn heartbeats_and_watches_are_no_work() {
        assert!(line("create", "secrets").is_write());
        assert!(line("get", "secrets").is_counted());
        for (verb, resource) in [
            ("update", "leases"),
            ("watch", "secrets"),
            ("create", "selfsubjectaccessreviews"),
        ] {
            assert!(!line(verb, resource).is_counted(), "{verb} {resource}");
            assert!(!line(verb, resource).is_write(), "{verb} {resource}");
        }
    }

    #[test]
    fn half_a_line_is_read_when_it_is_whole() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut audit = Audit::from_now(file.path()).unwrap();
        let (one, two) = LINE.split_at(100);
        write!(file, "{LINE}\n{one}").unwrap();
        assert_eq!(audit.more("operator/").unwrap().len(), 1);
        writeln!(file, "{two}").unwrap();
        assert_eq!(audit.more("operator/").unwrap().len(), 1);
        assert_eq!(audit.more("operator/").unwrap().len(), 0);
    }
}
