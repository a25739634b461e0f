//! Figures of the bridge itself, of its DTUs and of its targets.

use std::fmt;

use super::page::{Figure, Labels, Page, Value, seconds};
use crate::entities::Subject::{Bridge, Dtu};
use crate::entities::about;
use crate::snapshot::Snapshot;
use crate::snapshot::state::{DtuState, DtuStatus};
use crate::targets::TargetStatus;

const BRIDGE: [Figure<Snapshot>; 3] = [
    Figure {
        name: "start_time_seconds",
        help: about(Bridge, "start_time"),
        value: Value::Gauge(|snapshot| Some(seconds(snapshot.start().last_told()))),
    },
    Figure {
        name: "database_size_bytes",
        help: about(Bridge, "database_size_bytes"),
        value: Value::Gauge(|snapshot| exact(snapshot.stats().database_size_bytes)),
    },
    Figure {
        name: "inverters",
        help: about(Bridge, "inverters_count"),
        value: Value::Gauge(|snapshot| exact(snapshot.stats().inverters_count)),
    },
];

const HEALTH: [Figure<bool>; 1] = [Figure {
    name: "healthy",
    help: about(Bridge, "healthy"),
    value: Value::Gauge(|is_healthy| Some(f64::from(u8::from(*is_healthy)))),
}];

const DTU: [Figure<DtuState>; 7] = [
    Figure {
        name: "dtu_up",
        help: "Whether the last poll of the DTU succeeded; absent before the first.",
        value: Value::Gauge(|dtu| match dtu.status {
            DtuStatus::Unknown => None,
            DtuStatus::Online => Some(1.0),
            DtuStatus::Asleep | DtuStatus::Error => Some(0.0),
        }),
    },
    Figure {
        name: "dtu_last_success_timestamp_seconds",
        help: about(Dtu, "last_successful_query"),
        value: Value::Gauge(|dtu| dtu.last_success.map(seconds)),
    },
    Figure {
        name: "dtu_failures_in_a_row",
        help: "Polls of the DTU that failed since the last one that did not.",
        value: Value::Gauge(|dtu| exact(dtu.failing.map_or(0, |failing| failing.polls))),
    },
    Figure {
        name: "dtu_failing_since_timestamp_seconds",
        help: "When the first of these polls failed; absent while the DTU answers.",
        value: Value::Gauge(|dtu| dtu.failing.map(|failing| seconds(failing.since))),
    },
    Figure {
        name: "dtu_stale_since_timestamp_seconds",
        help: "When the values that the DTU repeats were new; absent while they are.",
        value: Value::Gauge(|dtu| dtu.stale_since.map(seconds)),
    },
    Figure {
        name: "dtu_listed_inverters",
        help: "Inverters that the last good poll of the DTU listed.",
        value: Value::Gauge(|dtu| dtu.listed.and_then(|listed| few(listed.inverters))),
    },
    Figure {
        name: "dtu_missing_inverters",
        help: "Inverters of the DTU that it has not listed for long, although it is day.",
        value: Value::Gauge(|dtu| few(dtu.missing.len())),
    },
];

const DTU_STATUS: [Figure<DtuState>; 1] =
    [Figure { name: "dtu_status", help: about(Dtu, "status"), value: Value::Gauge(|_| Some(1.0)) }];

const DTU_INFO: [Figure<DtuState>; 1] = [Figure {
    name: "dtu_info",
    help: "What the DTU said about itself, always 1; absent before it did.",
    value: Value::Gauge(|dtu| (dtu.serial.is_some() || dtu.firmware.is_some()).then_some(1.0)),
}];

const TARGET: [Figure<TargetStatus>; 5] = [
    Figure {
        name: "target_connected",
        help: "Whether the target is connected and has accepted the bridge.",
        value: Value::Gauge(|target| Some(f64::from(u8::from(target.connected_since.is_some())))),
    },
    Figure {
        name: "target_connection_attempts",
        help: "Attempts to connect to the target.",
        value: Value::Counter(|target| Some(target.attempts)),
    },
    Figure {
        name: "target_updates_sent",
        help: "Updates that were sent to the target.",
        value: Value::Counter(|target| Some(target.updates_sent)),
    },
    Figure {
        name: "target_updates_skipped",
        help: "Updates that the target did not get because a newer one was there.",
        value: Value::Counter(|target| Some(target.updates_skipped)),
    },
    Figure {
        name: "target_last_sent_timestamp_seconds",
        help: "When the last update was sent to the target, in Unix time.",
        value: Value::Gauge(|target| target.last_sent.map(seconds)),
    },
];

const TARGET_STATE: [Figure<TargetStatus>; 1] = [Figure {
    name: "target_state",
    help: "State of the connection to the target, always 1.",
    value: Value::Gauge(|_| Some(1.0)),
}];

const TARGET_FAILURES: [Figure<u64>; 1] = [Figure {
    name: "target_failures",
    help: "Attempts and connections to the target that ended, by cause.",
    value: Value::Counter(|count| Some(*count)),
}];

/// Writes what concerns the bridge as a whole.
pub(super) fn write(page: &mut Page<'_>, snapshot: &Snapshot, is_healthy: bool) -> fmt::Result {
    page.write(&HEALTH, &[(Labels::new(), &is_healthy)])?;
    page.write(&BRIDGE, &[(Labels::new(), snapshot)])
}

/// Writes how each DTU is.
pub(super) fn write_dtus(page: &mut Page<'_>, snapshot: &Snapshot) -> fmt::Result {
    let name = |dtu: &DtuState| ("dtu", dtu.name.to_string());
    page.write(&DTU, &labelled(snapshot.dtus(), |dtu| vec![name(dtu)]))?;
    let status = |dtu: &DtuState| vec![name(dtu), ("status", dtu.status.as_str().to_owned())];
    page.write(&DTU_STATUS, &labelled(snapshot.dtus(), status))?;
    let info = |dtu: &DtuState| {
        let serial = dtu.serial.map(|serial| ("serial", serial.to_string()));
        let firmware = dtu.firmware.clone().map(|firmware| ("firmware", firmware));
        [Some(name(dtu)), serial, firmware].into_iter().flatten().collect()
    };
    page.write(&DTU_INFO, &labelled(snapshot.dtus(), info))
}

/// Writes how each target fares. There are no more than the configuration allows.
pub(super) fn write_targets(page: &mut Page<'_>, targets: &[TargetStatus]) -> fmt::Result {
    let name = |target: &TargetStatus| ("target", target.name.clone());
    page.write(&TARGET, &labelled(targets, |target| vec![name(target)]))?;
    let state = |target: &TargetStatus| vec![name(target), ("state", target.state.to_owned())];
    page.write(&TARGET_STATE, &labelled(targets, state))?;
    let failures = targets.iter().flat_map(|target| {
        let labels = |cause: &str| vec![name(target), ("cause", cause.to_owned())];
        target.failures.iter().map(move |(cause, count)| (labels(cause), count))
    });
    page.write(&TARGET_FAILURES, &failures.collect::<Vec<_>>())
}

fn labelled<'a, T: 'a>(
    things: impl IntoIterator<Item = &'a T>,
    labels: impl Fn(&T) -> Labels,
) -> Vec<(Labels, &'a T)> {
    things.into_iter().map(|thing| (labels(thing), thing)).collect()
}

fn few(count: usize) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}

/// A count as a gauge, while it is small enough for one: 2^32 bytes are far above what we keep.
fn exact(count: u64) -> Option<f64> {
    u32::try_from(count).ok().map(f64::from)
}
