//! What a DTU's answer says: who it is, what it knows, how old that is.

use super::super::report::Step;
use super::super::words;
use crate::plant::model;
use crate::plant::reading::{DtuReading, InverterReading};
use crate::snapshot::warning::NONE_LISTED;

/// A DTU that reads its inverters has values of the last minute or two.
const OLD: i64 = 300;
/// A clock that is off by less does no harm.
const CLOCK_OFF: i64 = 120;

/// What a DTU on its own protocol says beyond its reading.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    pub(super) encrypts: Option<bool>,
    /// How many seconds its clock was ahead of ours.
    pub(super) clock_ahead: Option<i64>,
    /// Our time then, in Unix seconds.
    pub(super) asked_at: i64,
}

/// The steps that follow from a reading.
pub(super) fn steps(reading: &DtuReading, extras: Extras) -> Vec<Step> {
    let reached = reading.inverters.iter().filter(|inverter| inverter.is_live()).count();
    let mut listed = inverters(reading.inverters.len(), reading.port_count());
    if reached == 0 && listed.ok == Some(true) {
        listed = listed.hinting(
            "the DTU reaches none of them now; by day, look at the inverters and at the DTU's place",
        );
    }
    let mut steps = vec![serial(reading), listed, reach(&reading.inverters, reached)];
    match extras.encrypts {
        Some(true) => steps.push(Step::fine("encryption", "on")),
        Some(false) => steps.push(Step::fine("encryption", "off")),
        None => {}
    }
    steps.push(age(reading, extras));
    steps.push(clock(extras));
    steps
}

fn serial(reading: &DtuReading) -> Step {
    let Some(serial) = reading.dtu_serial else {
        return Step::untested("serial", "the DTU does not tell its serial number");
    };
    let model = model::dtu_name(serial).map(|name| format!(", {name}")).unwrap_or_default();
    let firmware = reading.dtu_firmware.as_deref();
    let firmware = firmware.map(|version| format!(", firmware {version}")).unwrap_or_default();
    Step::fine("serial", format!("{serial}{model}{firmware}"))
}

/// How many inverters and ports there are.
pub(super) fn inverters(inverters: usize, ports: usize) -> Step {
    let inverters_told = words::count(inverters, "inverter", "inverters");
    let ports = words::count(ports, "port", "ports");
    if inverters == 0 {
        return Step::wrong("inverters", "the DTU lists no inverter", NONE_LISTED);
    }
    Step::fine("inverters", format!("{inverters_told} with {ports}"))
}

fn reach(inverters: &[InverterReading], reached: usize) -> Step {
    Step::fine("reach", format!("{reached} of {} answer the DTU", inverters.len()))
}

fn age(reading: &DtuReading, extras: Extras) -> Step {
    let (Some(taken), Some(ahead)) = (reading.dtu_time, extras.clock_ahead) else {
        return Step::untested("age", "this protocol does not tell how old the values are");
    };
    // Both times are of the DTU's clock, so it may be wrong without being in the way.
    let age = extras.asked_at.saturating_add(ahead).saturating_sub(taken).max(0);
    let detail = format!("the values are {} old", words::seconds(age));
    if age <= OLD {
        Step::fine("age", detail)
    } else {
        Step::wrong(
            "age",
            detail,
            "somebody asks the DTU more often than every 35 s, which keeps it from reading its \
             inverters, or it does not reach them: stop other programs, restart the DTU",
        )
    }
}

fn clock(extras: Extras) -> Step {
    let Some(ahead) = extras.clock_ahead else {
        return Step::untested("clock", "this protocol does not tell the DTU's time");
    };
    let off = words::seconds(ahead.saturating_abs());
    if ahead.saturating_abs() <= CLOCK_OFF {
        return Step::fine("clock", format!("the DTU's clock and ours differ by {off}"));
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    Step::fine("clock", format!("the DTU's clock is {off} {side} ours")).hinting(
        "the bridge does not rely on it, but the DTU's daily counter does: let the DTU reach the \
         internet or the S-Miles app for a moment, which set its clock",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks of the steps `age` and `clock` for values taken and a clock ahead by so many seconds.
    #[track_caller]
    fn check(taken_before: i64, ahead: i64, old: Option<bool>, is_off: bool) {
        let now = 1_780_000_000;
        let reading =
            DtuReading { dtu_time: Some(now + ahead - taken_before), ..DtuReading::default() };
        let extras = Extras { encrypts: Some(true), clock_ahead: Some(ahead), asked_at: now };
        let steps = steps(&reading, extras);
        let of = |name: &str| steps.iter().find(|step| step.step == name).unwrap();
        assert_eq!(of("age").ok, old, "{:?}", of("age"));
        assert_eq!(!of("clock").cure.is_empty(), is_off, "{:?}", of("clock"));
        assert_eq!(of("inverters").ok, Some(false), "an empty list is not a plant");
    }

    #[test]
    fn old_values_and_a_wrong_clock_are_told_apart() {
        check(20, 1, Some(true), false);
        check(20, -1_780_000_000, Some(true), true);
        check(3_600, 0, Some(false), false);
        check(0, 3_600, Some(true), true);
    }
}
