//! What the running bridge says of a target.

use super::super::report::Step;
use super::super::words;
use crate::targets::TargetStatus;

/// The state of its connection, and why that is so.
pub(super) fn step(told: &TargetStatus) -> Step {
    let TargetStatus {
        state,
        attempts,
        last_error,
        last_error_remedy,
        connected_since,
        updates_sent,
        last_sent,
        ..
    } = told;
    if state == "connected" {
        let since = connected_since.as_deref().unwrap_or("just now");
        let last = last_sent.as_deref().unwrap_or("never");
        return Step::fine(
            "bridge",
            format!("connected since {since}; {updates_sent} updates sent, the last {last}"),
        );
    }
    let remedy = last_error_remedy.clone().unwrap_or_default();
    let Some(error) = last_error else {
        return Step::untested("bridge", "the running bridge has only begun to connect");
    };
    let attempts =
        words::count(usize::try_from(*attempts).unwrap_or(usize::MAX), "attempt", "attempts");
    Step::wrong("bridge", format!("{state} after {attempts}: {error}"), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(state: &str, last_error: Option<&str>, ok: Option<bool>, text: &str) {
        let told = TargetStatus {
            state: state.to_owned().into(),
            attempts: 3,
            last_error: last_error.map(str::to_owned),
            last_error_remedy: last_error.map(|_| "check the port".into()),
            updates_sent: 7,
            ..TargetStatus::default()
        };
        let step = step(&told);
        assert_eq!(step.ok, ok, "{step:?}");
        let all = format!("{} {}", step.detail, step.cure.concat());
        assert!(all.contains(text), "{all}");
    }

    #[test]
    fn the_bridges_own_words_come_first() {
        check("connected", Some("old news"), Some(true), "7 updates");
        check("connecting", None, None, "begun");
        check("waiting", Some("refused"), Some(false), "check the port");
        check("rejected", Some("token"), Some(false), "rejected after 3 attempts: token");
    }
}
