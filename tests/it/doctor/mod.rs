//! `doctor`, as a user and a script run it.

mod broker;
mod dtus;
mod host;
mod port_owner;
mod running;
mod state;
mod targets;

use serde_json::Value;
use tokio::process::Command;

use crate::support::bridge::{Home, command};
use crate::support::within_guard;

/// The output of `doctor --json`.
pub(crate) struct Findings {
    pub(crate) code: i32,
    subjects: Vec<Value>,
}

impl Findings {
    /// The steps of a subject, each `name+` if it went well, `name-` if not, `name?` if not tested.
    #[track_caller]
    pub(crate) fn marks(&self, subject: &str) -> Vec<String> {
        let mark = |step: &Value| match step["ok"].as_bool() {
            Some(true) => '+',
            Some(false) => '-',
            None => '?',
        };
        let steps = self.subject(subject)["steps"].as_array().unwrap();
        steps
            .iter()
            .map(|step| format!("{}{}", step["step"].as_str().unwrap(), mark(step)))
            .collect()
    }

    #[track_caller]
    fn subject(&self, name: &str) -> &Value {
        let found = self.subjects.iter().find(|subject| subject["subject"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {:#?}", self.subjects))
    }

    #[track_caller]
    fn step(&self, subject: &str, step: &str) -> &Value {
        let steps = self.subject(subject)["steps"].as_array().unwrap();
        let found = steps.iter().find(|one| one["step"] == step);
        found.unwrap_or_else(|| panic!("no {step:?} in {steps:#?}"))
    }

    /// The detail of a step, its remedy and its notes, as one text.
    #[track_caller]
    pub(crate) fn text(&self, subject: &str, step: &str) -> String {
        let step = self.step(subject, step);
        let notes = step["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap());
        let parts = [step["detail"].as_str(), step["remedy"].as_str()].into_iter().flatten();
        parts.chain(notes).collect::<Vec<_>>().join(" | ")
    }
}

/// Runs `doctor` with the configuration of `home`, as if its HTTP address were `listen`.
pub(crate) async fn doctor(home: &Home, listen: &str, options: &[&str]) -> Findings {
    doctor_in(&[("HOYMILES__HTTP__LISTEN", listen)], home, options).await
}

/// Runs `doctor` with the configuration of `home` and these variables.
async fn doctor_in(environment: &[(&str, &str)], home: &Home, options: &[&str]) -> Findings {
    let config = home.config();
    let arguments = ["doctor", "--json", "--config", config.to_str().unwrap()];
    let mut command = command(&[&arguments[..], options].concat());
    command.envs(environment.iter().copied());
    findings(command).await
}

/// Runs `command`, a `doctor --json`, and parses its output.
async fn findings(mut command: Command) -> Findings {
    let output = within_guard("end of doctor", command.output()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let subjects: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    assert_keys(&subjects);
    Findings { code: output.status.code().unwrap(), subjects: subjects.as_array().unwrap().clone() }
}

/// The keys that scripts rely on are there, with values of their kinds.
fn assert_keys(subjects: &Value) {
    for subject in subjects.as_array().unwrap() {
        assert!(subject["subject"].is_string(), "{subject}");
        let kind = subject["kind"].as_str().unwrap();
        assert!(["bridge", "dtu", "target", "broker"].contains(&kind), "{subject}");
        for step in subject["steps"].as_array().unwrap() {
            assert!(step["step"].is_string() && step["detail"].is_string(), "{step}");
            assert!(step["ok"].is_boolean() || step["ok"].is_null(), "{step}");
            assert!(step["millis"].is_u64(), "{step}");
            assert!(step["notes"].is_array(), "{step}");
            let has_failed = step["ok"] == false;
            for key in ["label", "cause", "remedy"] {
                let is_there = step[key].as_str().is_some_and(|text| !text.is_empty());
                assert!(is_there == has_failed && (is_there || step[key].is_null()), "{step}");
            }
        }
    }
}

/// No bridge runs.
pub(crate) const ALONE: &str = "127.0.0.1:0";
