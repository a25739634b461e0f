//! Devices that were announced and are not any more: they left the configuration, or have other
//! topics now.

use std::collections::{BTreeMap, BTreeSet};

use super::retained::{Message, message};
use crate::snapshot::Snapshot;
use crate::store::{AnnouncedDevices, DeviceTopics};

/// Successful polls after which a DTU has listed all its inverters: a new one needs two.
const ENOUGH_POLLS: u64 = 3;

/// The messages about orphans, and the orphans that are removed by them. `present` holds what is
/// announced now, with the ids of the devices; `excluded` the ids of those that no DTU may list.
pub(super) fn orphans(
    announced: &AnnouncedDevices,
    present: &BTreeMap<DeviceTopics, String>,
    excluded: &BTreeSet<String>,
    snapshot: &Snapshot,
) -> (Vec<Message>, Vec<DeviceTopics>) {
    let is_complete =
        snapshot.dtus().all(|dtu| dtu.query_count.saturating_sub(dtu.error_count) >= ENOUGH_POLLS);
    let is_in_use = |topic: &String| {
        let mut topics = present.keys().flat_map(DeviceTopics::all);
        topics.any(|present| present == *topic)
    };
    let (mut messages, mut removed) = (Vec::new(), Vec::new());
    for (topics, device) in announced.iter().filter(|(topics, _)| !present.contains_key(topics)) {
        let has_moved = present.values().any(|id| *id == device.id);
        let is_listed_by_a_dtu =
            matches!(topics.base.rsplit('/').nth(1), Some("inverter" | "meter"));
        let is_gone = is_complete || has_moved || excluded.contains(&device.id);
        if is_listed_by_a_dtu && !is_gone {
            // Another DTU may list it yet, and Home Assistant should not forget its names.
            messages.push(message(topics.availability(), "offline"));
        } else {
            let unused = topics.all().into_iter().filter(|topic| !is_in_use(topic));
            messages.extend(unused.map(|topic| message(topic, "")));
            removed.push(topics.clone());
        }
    }
    (messages, removed)
}
