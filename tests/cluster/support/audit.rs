//! What the API server was asked, from its audit log.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;

/// One finished request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`
    pub verb: String,
    /// `secrets`, `defendertenants/status`, …
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The answer's status code.
    pub code: u16,
}

impl Request {
    /// Whether it would change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
            && self.resource != "selfsubjectaccessreviews"
    }
}

/// Requests counted by verb and resource: `create secrets`.
pub type Count = BTreeMap<String, usize>;

/// Counts requests by verb and resource.
pub fn count<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Count {
    let mut count = Count::new();
    for request in requests {
        *count
            .entry(format!("{} {}", request.verb, request.resource))
            .or_default() += 1;
    }
    count
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<Status>,
}

#[derive(Deserialize)]
struct User {
    username: String,
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

/// The requests of one user from a position of the log on, Leases apart, and the position after them.
/// A watch is told when it ends.
pub fn requests(log: &Path, user: &str, from: u64) -> (Vec<Request>, u64) {
    let mut file = std::fs::File::open(log).expect("the audit log");
    file.seek(SeekFrom::Start(from)).expect("a position");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the audit log");
    // The last line may be half written.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let found = text[..whole]
        .lines()
        .filter(|line| line.contains(user))
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .filter(|line| line.user.username == user)
        .map(request)
        .filter(|request| request.resource != "leases")
        .collect();
    (found, from + whole as u64)
}

fn request(line: Line) -> Request {
    let object = line.object_ref.unwrap_or_default();
    let mut resource = object.resource;
    if !object.subresource.is_empty() {
        resource = format!("{resource}/{}", object.subresource);
    }
    Request {
        verb: line.verb,
        resource,
        namespace: object.namespace,
        name: object.name,
        code: line.response_status.map_or(0, |status| status.code),
    }
}

/// The log's length: a position to count from.
pub fn position(log: &Path) -> u64 {
    std::fs::metadata(log).expect("the audit log").len()
}
