//! The report for people.

use super::report::{Kind, Step, Subject};
use crate::letters::escaped;

/// One subject, a line per step, and below a step that needs it what to do.
pub(super) fn subject(subject: &Subject) -> String {
    let width = subject.steps.iter().map(|step| step.step.len()).max().unwrap_or(0);
    let steps = subject.steps.iter().map(|step| lines(step, width));
    format!("{}\n{}\n", title(subject), steps.collect::<String>())
}

/// There is one bridge only, so it needs no name.
fn title(subject: &Subject) -> String {
    let Subject { subject: name, kind, .. } = subject;
    match kind {
        Kind::Bridge => kind.as_str().to_owned(),
        Kind::Dtu | Kind::Target => format!("{} \"{}\"", kind.as_str(), escaped(name)),
        Kind::Broker => "MQTT broker".to_owned(),
    }
}

fn lines(step: &Step, width: usize) -> String {
    let Step { step, ok, millis, detail, cure } = step;
    let (mark, word) = match ok {
        Some(true) => ('✓', "note"),
        Some(false) => ('✗', "try"),
        None => ('·', "note"),
    };
    let took = if *millis == 0 { String::new() } else { format!(" ({millis} ms)") };
    // What others say of themselves stays on its line and in its order.
    let line = format!("  {mark} {step:<width$}  {}{took}\n", escaped(detail));
    match cure {
        Some(cure) => format!("{line}    {:<width$}  {word}: {}\n", "", escaped(cure)),
        None => line,
    }
}

/// The last line.
pub(super) fn verdict(subjects: &[Subject]) -> String {
    let wrong: Vec<String> = subjects
        .iter()
        .flat_map(|subject| {
            subject.wrong().map(move |step| format!("{}: {}", title(subject), step.step))
        })
        .collect();
    match wrong.as_slice() {
        [] => "All is well.\n".to_owned(),
        [one] => format!("One thing is wrong: {one}.\n"),
        several => format!("{} things are wrong: {}.\n", several.len(), several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_others_say_neither_breaks_a_line_nor_turns_it_round() {
        let target = Subject {
            subject: "H\u{200b}A".to_owned(),
            kind: Kind::Target,
            steps: vec![Step::wrong("token", "it said: no\n  ✓ token\u{202e}", "a\u{2067}b")],
        };
        assert_eq!(
            subject(&target),
            "target \"H\\u{200b}A\"\n  \
             ✗ token  it said: no\\n  ✓ token\\u{202e}\n           \
             try: a\\u{2067}b\n\n"
        );
        assert!(verdict(&[target]).contains("target \"H\\u{200b}A\""));
    }

    #[test]
    fn each_step_is_a_line_and_a_failed_one_says_what_to_try() {
        let dtu = Subject {
            subject: "DTU".to_owned(),
            kind: Kind::Dtu,
            steps: vec![
                Step::fine("name", "192.168.1.191"),
                Step::wrong("tcp", "refused", "look at the port").taking(Duration::from_millis(12)),
                Step::untested("protocol", "not reached"),
            ],
        };
        let bridge = Subject {
            subject: "bridge".to_owned(),
            kind: Kind::Bridge,
            steps: vec![Step::fine("time_zone", "UTC").hinting("is that so?")],
        };
        assert_eq!(
            subject(&dtu),
            "dtu \"DTU\"\n  \
             ✓ name      192.168.1.191\n  \
             ✗ tcp       refused (12 ms)\n              \
             try: look at the port\n  \
             · protocol  not reached\n\n"
        );
        assert_eq!(
            subject(&bridge),
            "bridge\n  ✓ time_zone  UTC\n               note: is that so?\n\n"
        );
        assert_eq!(verdict(&[bridge.clone(), dtu]), "One thing is wrong: dtu \"DTU\": tcp.\n");
        assert_eq!(verdict(&[bridge]), "All is well.\n");
    }
}
