//! What `doctor` found: the steps of each subject, as JSON and as text.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::problem::Problem;
use crate::sanitize::escaped;

/// The step that repeats what the running bridge reports.
pub(super) const BRIDGE: &str = "bridge";
/// The step that reports whether the running bridge is healthy.
pub(super) const RUNNING: &str = "running";
/// The longest list, in lines.
const MAX_LINES: usize = 12;

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Bridge,
    Dtu,
    Target,
    Broker,
}

/// One subject that was tested. The field names are those of `--json`.
#[expect(clippy::struct_field_names, reason = "they are the keys of the JSON")]
#[derive(Clone, Debug, Serialize)]
pub(super) struct Subject {
    pub(super) subject: String,
    pub(super) kind: Kind,
    pub(super) steps: Vec<Step>,
}

impl Subject {
    fn failed(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.has_failed())
    }

    /// There is only one bridge and one broker, so they need no names.
    fn title(&self) -> String {
        let name = escaped(&self.subject);
        match self.kind {
            Kind::Bridge => "bridge".to_owned(),
            Kind::Dtu => format!("dtu \"{name}\""),
            Kind::Target => format!("target \"{name}\""),
            Kind::Broker => "MQTT broker".to_owned(),
        }
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// What was found.
    Passed(String),
    /// Why it was not tested.
    Skipped(String),
    /// A [`Problem`], whose label may also come from the running bridge.
    Failed { label: Cow<'static, str>, cause: String, remedy: Cow<'static, str> },
}

/// One step of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: &'static str,
    outcome: Outcome,
    took: Duration,
    notes: Vec<String>,
}

impl Step {
    const fn new(name: &'static str, outcome: Outcome) -> Self {
        Self { name, outcome, took: Duration::ZERO, notes: Vec::new() }
    }

    pub(super) fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Passed(detail.into()))
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self::new(name, Outcome::Skipped(why.into()))
    }

    pub(super) fn failed(name: &'static str, problem: Problem) -> Self {
        let Problem { label, cause, remedy } = problem;
        Self::failed_as(name, label, cause, remedy)
    }

    /// With a problem in three parts, as the running bridge reports it.
    pub(super) fn failed_as(
        name: &'static str,
        label: impl Into<Cow<'static, str>>,
        cause: String,
        remedy: Option<Cow<'static, str>>,
    ) -> Self {
        let remedy = remedy.unwrap_or(Cow::Borrowed("see the log of the bridge"));
        Self::new(name, Outcome::Failed { label: label.into(), cause, remedy })
    }

    pub(super) fn took(self, took: Duration) -> Self {
        Self { took, ..self }
    }

    /// With something that the owner should know besides.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// With a better remedy.
    pub(super) fn remedy(mut self, better: impl Into<Cow<'static, str>>) -> Self {
        if let Outcome::Failed { remedy, .. } = &mut self.outcome {
            *remedy = better.into();
        }
        self
    }

    pub(super) const fn has_passed(&self) -> bool {
        matches!(self.outcome, Outcome::Passed(_))
    }

    pub(super) const fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }

    /// What was found, or the cause.
    pub(super) fn detail(&self) -> &str {
        match &self.outcome {
            Outcome::Passed(text) | Outcome::Skipped(text) => text,
            Outcome::Failed { cause, .. } => cause,
        }
    }

    /// The remedy of a failed step.
    fn remedy_text(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Failed { remedy, .. } => Some(remedy),
            Outcome::Passed(_) | Outcome::Skipped(_) => None,
        }
    }

    /// With each text replaced.
    pub(super) fn map(self, replace: impl Fn(&str) -> String) -> Self {
        let outcome = match self.outcome {
            Outcome::Passed(text) => Outcome::Passed(replace(&text)),
            Outcome::Skipped(text) => Outcome::Skipped(replace(&text)),
            Outcome::Failed { label, cause, remedy } => {
                let (cause, remedy) = (replace(&cause), replace(&remedy).into());
                Outcome::Failed { label, cause, remedy }
            }
        };
        let notes = self.notes.iter().map(|note| replace(note)).collect();
        Self { outcome, notes, ..self }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Json<'a> {
            step: &'static str,
            /// `null` if it was not tested.
            ok: Option<bool>,
            millis: u64,
            detail: &'a str,
            label: Option<&'a str>,
            cause: Option<&'a str>,
            remedy: Option<&'a str>,
            notes: &'a [String],
        }
        let (ok, label, cause) = match &self.outcome {
            Outcome::Passed(_) => (Some(true), None, None),
            Outcome::Skipped(_) => (None, None, None),
            Outcome::Failed { label, cause, .. } => (Some(false), Some(&**label), Some(&**cause)),
        };
        Json {
            step: self.name,
            ok,
            millis: millis(self.took),
            detail: self.detail(),
            label,
            cause,
            remedy: self.remedy_text(),
            notes: &self.notes,
        }
        .serialize(serializer)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A subject for people: a line for each step, with remedy and notes below it.
pub(super) fn text(subject: &Subject) -> String {
    let width = subject.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let steps = subject.steps.iter().map(|step| step_text(step, width));
    format!("{}\n{}\n", subject.title(), steps.collect::<String>())
}

fn step_text(step: &Step, width: usize) -> String {
    let mark = match step.outcome {
        Outcome::Passed(_) => '✓',
        Outcome::Failed { .. } => '✗',
        Outcome::Skipped(_) => '·',
    };
    let took = match millis(step.took) {
        0 => String::new(),
        millis => format!(" ({millis} ms)"),
    };
    // Quoted text from others must neither break the line nor change its direction.
    let line = format!("  {mark} {:<width$}  {}{took}\n", step.name, escaped(step.detail()));
    let remedy = step.remedy_text().map(|remedy| format!("try: {}", escaped(remedy)));
    let notes = step.notes.iter().map(|note| format!("note: {}", escaped(note)));
    let below = limited(remedy.into_iter().chain(notes).collect());
    let indent = " ".repeat(width.saturating_add(6));
    below.iter().fold(line, |lines, text| lines + &indent + text + "\n")
}

/// The last lines: the number of problems, and which steps failed.
pub(super) fn summary(subjects: &[Subject]) -> String {
    let is_dtu_failing =
        subjects.iter().any(|one| one.kind == Kind::Dtu && one.failed().next().is_some());
    let mut count = 0;
    let mut lines = Vec::new();
    for subject in subjects {
        let mut failed: Vec<&str> = subject.failed().map(|step| step.name).collect();
        // One problem, seen by the running bridge and again by the test that follows.
        if failed.len() > 1 {
            failed.retain(|step| *step != BRIDGE);
        }
        // A bridge is unhealthy because its DTUs fail.
        if is_dtu_failing {
            failed.retain(|step| *step != RUNNING);
        }
        if !failed.is_empty() {
            count += failed.len();
            lines.push(format!("{}: {}", subject.title(), failed.join(", ")));
        }
    }
    let lines = limited(lines);
    match count {
        0 => "All is well.\n".to_owned(),
        1 => format!("1 problem: {}.\n", lines.concat()),
        _ => format!("{count} problems:\n  {}\n", lines.join("\n  ")),
    }
}

fn limited(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MAX_LINES {
        let more = lines.split_off(MAX_LINES - 1).len();
        lines.push(format!("... and {more} more (--json shows all)"));
    }
    lines
}

/// A number of things: `1 port`, `2 ports`.
pub(super) fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Problem {
        Problem::new("refused", "connection refused", "check the port")
    }

    fn dtu(name: &str, steps: Vec<Step>) -> Subject {
        Subject { subject: name.to_owned(), kind: Kind::Dtu, steps }
    }

    #[test]
    fn json_has_the_same_keys_in_every_step() {
        let subject = dtu(
            "DTU",
            vec![
                Step::passed("name", "192.168.1.191").took(Duration::from_millis(3)),
                Step::failed("tcp", refused()),
                Step::skipped("serial", "not reached").note("one").note("two"),
            ],
        );
        let expected = serde_json::json!({
            "subject": "DTU", "kind": "dtu", "steps": [
                {"step": "name", "ok": true, "millis": 3, "detail": "192.168.1.191",
                 "label": null, "cause": null, "remedy": null, "notes": []},
                {"step": "tcp", "ok": false, "millis": 0, "detail": "connection refused",
                 "label": "refused", "cause": "connection refused", "remedy": "check the port",
                 "notes": []},
                {"step": "serial", "ok": null, "millis": 0, "detail": "not reached",
                 "label": null, "cause": null, "remedy": null, "notes": ["one", "two"]},
            ]
        });
        assert_eq!(serde_json::to_value(&subject).unwrap(), expected);
    }

    #[test]
    fn text_has_remedies_and_notes_below_their_step() {
        let subject = dtu(
            "DTU",
            vec![
                Step::passed("name", "192.168.1.191").note("known"),
                Step::failed("tcp", refused()).took(Duration::from_millis(12)),
                Step::skipped("protocol", "not reached"),
            ],
        );
        assert_eq!(
            text(&subject),
            "dtu \"DTU\"\n  \
             ✓ name      192.168.1.191\n              \
             note: known\n  \
             ✗ tcp       connection refused (12 ms)\n              \
             try: check the port\n  \
             · protocol  not reached\n\n"
        );
    }

    #[test]
    fn quoted_text_cannot_change_the_layout() {
        let problem = Problem::new("token_refused", "no\n  ✓ token\u{202e}", "a\u{2067}b");
        let target = Subject {
            subject: "H\u{200b}A".to_owned(),
            kind: Kind::Target,
            steps: vec![Step::failed("token", problem)],
        };
        assert_eq!(
            text(&target),
            "target \"H\\u{200b}A\"\n  \
             ✗ token  no\\n  ✓ token\\u{202e}\n           \
             try: a\\u{2067}b\n\n"
        );
        assert!(summary(&[target]).contains("target \"H\\u{200b}A\""));
    }

    #[test]
    fn a_failure_seen_by_bridge_and_doctor_is_one_problem() {
        let bridge = Subject {
            subject: "bridge".to_owned(),
            kind: Kind::Bridge,
            steps: vec![Step::failed(RUNNING, refused())],
        };
        let twice = || [BRIDGE, "tcp"].map(|step| Step::failed(step, refused())).into();
        let once = || vec![Step::failed(BRIDGE, refused()), Step::passed("tcp", "")];
        assert_eq!(summary(&[]), "All is well.\n");
        assert_eq!(summary(std::slice::from_ref(&bridge)), "1 problem: bridge: running.\n");
        assert_eq!(summary(&[bridge, dtu("a", twice())]), "1 problem: dtu \"a\": tcp.\n");
        assert_eq!(
            summary(&[dtu("a", twice()), dtu("b", once())]),
            "2 problems:\n  dtu \"a\": tcp\n  dtu \"b\": bridge\n"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        for (number, last) in [(1, "n1"), (12, "n12"), (13, "... and 2 more"), (51, "... and 40")] {
            let noted = |step: Step, number: usize| step.note(format!("n{number}"));
            let step = (1..=number).fold(Step::passed("configuration", "f"), noted);
            let text = text(&dtu("DTU", vec![step]));
            assert_eq!(text.trim_end().lines().count(), 2 + number.min(12), "{text}");
            assert!(text.trim_end().lines().last().unwrap().contains(last), "{text}");
        }
    }

    #[test]
    fn numbers_have_fitting_units() {
        assert_eq!([0, 1, 2].map(|n| count(n, "port")), ["0 ports", "1 port", "2 ports"]);
    }
}
