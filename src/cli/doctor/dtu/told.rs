//! What the running bridge says of a DTU. A DTU serves one client: while the bridge gets its
//! answers, nobody else should ask.

use std::time::Duration;

use super::super::daemon::{Daemon, DtuTold};
use super::super::report::{Step, cause_and_cure};
use super::super::words;
use crate::config::DtuConfig;
use crate::snapshot::health::silence_limit;

/// What the running bridge says of a DTU.
pub(super) struct Told {
    pub(super) steps: Vec<Step>,
    /// Whether that is all there is to know.
    pub(super) is_answered: bool,
}

/// What `daemon` says of the DTU.
pub(super) fn of(config: &DtuConfig, daemon: &Daemon, interval: Duration) -> Told {
    let Some(told) = daemon.health.dtus.get(&config.name) else {
        return untold(Step::wrong(
            "bridge",
            "the running bridge does not know this DTU: it has another configuration",
            "restart the bridge, or have it read its configuration again (SIGHUP)",
        ));
    };
    let recent = silence_limit(config.interval_or(interval));
    let age = told.seconds_since_last_success;
    let is_recent = age.is_some_and(|age| age.unsigned_abs() <= recent.as_secs());
    match told.status.as_str() {
        "online" if is_recent => online(config, told, daemon),
        "online" => untold(Step::wrong(
            "bridge",
            format!("the running bridge has not asked it for {}", words::seconds(age.unwrap_or(0))),
            "restart the bridge, and report this with its log",
        )),
        "asleep" => Told {
            steps: vec![Step::fine(
                "bridge",
                "asleep: the plant had stopped producing before the DTU went silent, as every evening",
            )],
            is_answered: true,
        },
        "error" => untold(failing(told)),
        _ => Told {
            steps: vec![
                Step::untested("bridge", "the running bridge is asking it for the first time")
                    .hinting("run doctor again in a minute"),
            ],
            is_answered: true,
        },
    }
}

fn untold(step: Step) -> Told {
    Told { steps: vec![step], is_answered: false }
}

fn failing(told: &DtuTold) -> Step {
    let DtuTold { failing_since, failures_in_a_row, .. } = told;
    let cause = told.last_error.as_deref().unwrap_or("no reason given");
    let since = failing_since.as_deref().unwrap_or("its last poll");
    let detail = format!("{cause} (since {since}, {failures_in_a_row} polls in a row)");
    Step::wrong("bridge", detail, told.last_error_remedy.as_deref().unwrap_or_default())
}

fn online(config: &DtuConfig, told: &DtuTold, daemon: &Daemon) -> Told {
    let DtuTold { query_count, error_count, .. } = told;
    let mut steps = vec![
        Step::fine(
            "bridge",
            format!(
                "the running bridge gets its answers ({error_count} of {query_count} polls failed)"
            ),
        )
        .hinting(
            "so it is not asked here, for a DTU serves one client; --force asks it all the same",
        ),
        Step::fine("protocol", format!("{} is spoken", config.protocol)),
        match (&told.serial_number, &told.firmware_version) {
            (None, _) => Step::untested("serial", "the DTU has not told its serial number"),
            (Some(serial), None) => Step::fine("serial", serial),
            (Some(serial), Some(firmware)) => {
                Step::fine("serial", format!("{serial}, firmware {firmware}"))
            }
        },
    ];
    steps.push(inverters(config, daemon));
    let age = told.seconds_since_last_success.unwrap_or(0);
    steps.push(Step::fine("age", format!("asked {} ago", words::seconds(age))));
    steps.extend(told.warnings.iter().map(|warning| {
        let (cause, cure) = cause_and_cure(warning);
        Step::wrong("values", cause, cure)
    }));
    Told { steps, is_answered: true }
}

fn inverters(config: &DtuConfig, daemon: &Daemon) -> Step {
    match &daemon.inverters {
        Ok(all) => {
            let mine = || all.iter().filter(|inverter| inverter.dtu_name == config.name);
            let ports = mine().map(|inverter| inverter.ports.len()).sum();
            super::answer::inverters(mine().count(), ports)
        }
        Err(untold) => Step::untested(
            "inverters",
            format!("the running bridge does not tell them: {}", untold.cause()),
        )
        .hinting(untold.cure()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Protocol;

    #[test]
    fn a_dtu_that_answers_without_news_is_not_well() {
        let config = DtuConfig::new("Roof", Protocol::Protobuf, "192.168.1.191");
        let check = |warnings: &[&str], expected: &[(&str, &str)]| {
            let dtu = json!({"status": "online", "seconds_since_last_success": 7, "query_count": 9,
                "error_count": 0, "last_error": null, "serial_number": null,
                "firmware_version": null, "warnings": warnings});
            let health = json!({"healthy": true, "uptime_seconds": 9, "dtus": {"Roof": dtu}});
            let inverters = json!([{"dtu_name": "Roof", "ports": [{}]}]);
            let daemon = Daemon {
                address: "127.0.0.1:8080".parse().unwrap(),
                health: serde_json::from_value(health).unwrap(),
                keeps_in: Ok("sqlite".to_owned()),
                targets: Ok(Vec::new()),
                inverters: Ok(serde_json::from_value(inverters).unwrap()),
            };
            let told = of(&config, &daemon, Duration::from_secs(60));
            let wrong = told.steps.iter().filter(|step| step.ok == Some(false));
            let wrong: Vec<_> = wrong.map(|step| (step.detail.as_str(), &*step.cure[0])).collect();
            assert_eq!(wrong, expected);
        };
        check(&[], &[]);
        check(&["it repeats; restart it"], &[("it repeats", "restart it")]);
    }
}
