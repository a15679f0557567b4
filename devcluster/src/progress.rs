//! What is said while somebody waits.

use std::io::Write;
use std::time::Duration;

/// How often a long wait says that it goes on.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

/// One line on standard error. Not `eprintln!`, which the test harness would keep until the test ends: a first build
/// takes minutes, and must not look like a hang.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "devcluster: {line}");
}

/// `3 min 5 s`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(59_900)), "59 s");
        assert_eq!(duration(Duration::from_secs(185)), "3 min 5 s");
    }
}
