//! What was found: for each subject its steps, and of each step whether it went well.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// The bridge itself, and the machine under it.
    Bridge,
    /// One DTU.
    Dtu,
    /// One target.
    Target,
    /// The MQTT broker.
    Broker,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Dtu => "dtu",
            Self::Target => "target",
            Self::Broker => "broker",
        }
    }
}

/// One thing that was looked at. The field names are those of `--json`, on which scripts rely.
#[expect(clippy::struct_field_names, reason = "they are the keys of the JSON")]
#[derive(Clone, Debug, Serialize)]
pub(super) struct Subject {
    /// Its name; of the bridge `bridge`.
    pub(super) subject: String,
    /// What it is.
    pub(super) kind: Kind,
    /// In the order in which they were taken.
    pub(super) steps: Vec<Step>,
}

impl Subject {
    /// The steps that went wrong.
    pub(super) fn wrong(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.ok == Some(false))
    }
}

/// One step. The field names are those of `--json`.
#[expect(clippy::struct_field_names, reason = "they are the keys of the JSON")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Step {
    /// A word for it.
    pub(super) step: &'static str,
    /// Whether it went well; `None`: not tested, and the detail says why.
    pub(super) ok: Option<bool>,
    /// How long it took; 0 where nothing was waited for.
    pub(super) millis: u64,
    /// What was found.
    pub(super) detail: String,
    /// What to try next; of a step that went well, what to think of. A line each; in JSON one text.
    #[serde(serialize_with = "joined")]
    pub(super) cure: Vec<String>,
}

impl Step {
    /// It went well.
    pub(super) fn fine(step: &'static str, detail: impl Into<String>) -> Self {
        Self { step, ok: Some(true), millis: 0, detail: detail.into(), cure: Vec::new() }
    }

    /// It went wrong.
    pub(super) fn wrong(
        step: &'static str,
        detail: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        let cure = Some(cure.into()).into_iter().filter(|cure: &String| !cure.is_empty()).collect();
        Self { step, ok: Some(false), millis: 0, detail: detail.into(), cure }
    }

    /// It was not taken.
    pub(super) fn untested(step: &'static str, why: impl Into<String>) -> Self {
        Self { step, ok: None, millis: 0, detail: why.into(), cure: Vec::new() }
    }

    /// The same, having taken so long.
    pub(super) fn taking(mut self, took: Duration) -> Self {
        self.millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The same, with something to think of.
    pub(super) fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.cure = vec![hint.into()];
        self
    }

    /// The same, with several things to think of.
    pub(super) fn hinting_at(mut self, hints: &[String]) -> Self {
        self.cure = hints.to_vec();
        self
    }
}

/// `null` if there is none.
fn joined<S: Serializer>(cure: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match cure {
        [] => serializer.serialize_none(),
        several => serializer.serialize_str(&several.join("; ")),
    }
}

/// A sentence of the bridge's own: the cause, then, after a semicolon, what to do about it.
pub(super) fn cause_and_cure(sentence: &str) -> (String, String) {
    let (cause, cure) = sentence.split_once("; ").unwrap_or((sentence, ""));
    (cause.to_owned(), cure.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_the_same_keys_in_every_step() {
        let subject = Subject {
            subject: "DTU".to_owned(),
            kind: Kind::Dtu,
            steps: vec![
                Step::fine("name", "192.168.1.191").taking(Duration::from_millis(3)),
                Step::wrong("tcp", "refused", "look at the port"),
                Step::untested("serial", "not reached"),
                Step::fine("age", "new").hinting_at(&["one".to_owned(), "two".to_owned()]),
            ],
        };
        let expected = serde_json::json!({
            "subject": "DTU", "kind": "dtu", "steps": [
                {"step": "name", "ok": true, "millis": 3, "detail": "192.168.1.191", "cure": null},
                {"step": "tcp", "ok": false, "millis": 0, "detail": "refused", "cure": "look at the port"},
                {"step": "serial", "ok": null, "millis": 0, "detail": "not reached", "cure": null},
                {"step": "age", "ok": true, "millis": 0, "detail": "new", "cure": "one; two"},
            ]
        });
        assert_eq!(serde_json::to_value(&subject).unwrap(), expected);
        assert_eq!(subject.wrong().count(), 1);
    }

    #[test]
    fn a_sentence_of_ours_is_taken_apart() {
        for (sentence, cause, cure) in [
            ("refused; check the port; or wait", "refused", "check the port; or wait"),
            ("refused", "refused", ""),
        ] {
            assert_eq!(cause_and_cure(sentence), (cause.to_owned(), cure.to_owned()));
        }
    }
}
