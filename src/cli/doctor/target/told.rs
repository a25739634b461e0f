//! What the running bridge says of a target.

use super::super::daemon::TargetTold;
use super::super::report::{Step, cause_and_cure};
use super::super::words;

/// The state of its connection, and why that is so.
pub(super) fn step(told: &TargetTold) -> Step {
    let TargetTold {
        state, attempts, last_error, connected_since, updates_sent, last_sent, ..
    } = told;
    if state == "connected" {
        let since = connected_since.as_deref().unwrap_or("just now");
        let last = last_sent.as_deref().unwrap_or("never");
        return Step::fine(
            "bridge",
            format!("connected since {since}; {updates_sent} updates sent, the last {last}"),
        );
    }
    let Some(error) = last_error else {
        return Step::untested("bridge", "the running bridge has only begun to connect");
    };
    let (cause, cure) = cause_and_cure(error);
    let attempts =
        words::count(usize::try_from(*attempts).unwrap_or(usize::MAX), "attempt", "attempts");
    Step::wrong("bridge", format!("{state} after {attempts}: {cause}"), cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(state: &str, last_error: Option<&str>, ok: Option<bool>, text: &str) {
        let told = TargetTold {
            name: "Home Assistant".to_owned(),
            url: "ws://192.168.1.23:8123/...".to_owned(),
            source: "registered".to_owned(),
            state: state.to_owned(),
            attempts: 3,
            last_error: last_error.map(str::to_owned),
            connected_since: None,
            updates_sent: 7,
            last_sent: None,
        };
        let step = step(&told);
        assert_eq!(step.ok, ok, "{step:?}");
        let all = format!("{} {}", step.detail, step.cure.concat());
        assert!(all.contains(text), "{all}");
    }

    #[test]
    fn the_bridges_own_words_come_first() {
        check("connected", Some("old; news"), Some(true), "7 updates");
        check("connecting", None, None, "begun");
        check("waiting", Some("refused; check the port"), Some(false), "check the port");
        check("rejected", Some("token"), Some(false), "rejected after 3 attempts: token");
    }
}
