//! The report for people.

use super::report::{Kind, Step, Subject};
use crate::sanitize::escaped;

/// No list is longer, in lines: the screen shall show more than one of them.
const MOST: usize = 12;

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
    let indented = |text: String| format!("    {:<width$}  {text}\n", "");
    let cures = bounded(cure.iter().map(|cure| format!("{word}: {}", escaped(cure))).collect());
    line + &cures.into_iter().map(indented).collect::<String>()
}

/// So many lines that they can be taken in, the last of which says how many there are besides.
fn bounded(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST {
        let left_off = lines.split_off(MOST - 1).len();
        lines.push(format!("... and {left_off} more (--json shows all)"));
    }
    lines
}

/// The last lines: of each subject with which something is wrong, what that is.
pub(super) fn verdict(subjects: &[Subject]) -> String {
    let number: usize = subjects.iter().map(|subject| subject.wrong().count()).sum();
    let wrong = subjects.iter().filter(|subject| subject.wrong().next().is_some());
    let told = wrong.map(|subject| {
        let steps: Vec<_> = subject.wrong().map(|step| step.step).collect();
        format!("{}: {}", title(subject), steps.join(", "))
    });
    let told = bounded(told.collect());
    match number {
        0 => "All is well.\n".to_owned(),
        1 => format!("One thing is wrong: {}.\n", told.concat()),
        number => format!("{number} things are wrong:\n  {}\n", told.join("\n  ")),
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

    #[test]
    fn long_lists_are_lines_that_end_before_they_are_too_many() {
        let remarks = |number: usize| (1..=number).map(|n| format!("r{n}")).collect::<Vec<_>>();
        for (number, last) in [(1, "r1"), (12, "r12"), (13, "... and 2 more"), (51, "... and 40")] {
            let steps = vec![Step::fine("configuration", "f").hinting_at(&remarks(number))];
            let bridge = Subject { subject: "bridge".to_owned(), kind: Kind::Bridge, steps };
            let told = subject(&bridge);
            assert_eq!(told.trim_end().lines().count(), 2 + number.min(12), "{told}");
            assert!(told.trim_end().lines().last().unwrap().contains(last), "{told}");
        }
        let dtus: Vec<Subject> = remarks(51)
            .into_iter()
            .map(|name| {
                let steps = ["bridge", "tcp"].map(|step| Step::wrong(step, "refused", ""));
                Subject { subject: name, kind: Kind::Dtu, steps: steps.into() }
            })
            .collect();
        assert_eq!(
            verdict(&dtus[..2]),
            "4 things are wrong:\n  dtu \"r1\": bridge, tcp\n  dtu \"r2\": bridge, tcp\n"
        );
        let told = verdict(&dtus);
        assert!(told.starts_with("102 things are wrong:\n  dtu \"r1\": bridge, tcp\n"), "{told}");
        assert!(told.ends_with("\n  ... and 40 more (--json shows all)\n"), "{told}");
        assert_eq!(told.lines().count(), 13);
    }
}
