//! Time zones: names, what somebody may have meant by another one, and the zone of the machine.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::{TimeZone, db};

use super::types::nearest;

/// The variable that names a process's time zone, in containers above all.
pub(super) const VARIABLE: &str = "TZ";

/// Where the time zone comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ZoneOrigin {
    /// The key `timezone`.
    Configuration,
    /// The variable `TZ`.
    Variable,
    /// The default, since `TZ` is not the name of a zone.
    Unusable(String),
    /// The default.
    Default,
}

/// Abbreviations that belong to places and are no names of zones, and one such place.
const ABBREVIATIONS: [(&str, &str); 17] = [
    ("ACST", "Australia/Adelaide"),
    ("AEDT", "Australia/Sydney"),
    ("AEST", "Australia/Sydney"),
    ("AKST", "America/Anchorage"),
    ("AWST", "Australia/Perth"),
    ("BRT", "America/Sao_Paulo"),
    ("BST", "Europe/London"),
    ("CDT", "America/Chicago"),
    ("CEST", "Europe/Berlin"),
    ("EDT", "America/New_York"),
    ("EEST", "Europe/Athens"),
    ("JST", "Asia/Tokyo"),
    ("NZST", "Pacific/Auckland"),
    ("PDT", "America/Los_Angeles"),
    ("PST", "America/Los_Angeles"),
    ("SAST", "Africa/Johannesburg"),
    ("WEST", "Europe/Lisbon"),
];

/// What is wrong with the name of a time zone.
pub(super) fn wrong_zone(name: &str) -> Option<String> {
    if TimeZone::get(name).is_ok() {
        return None;
    }
    Some(format!("is not a known time zone{}", hint(name).unwrap_or_default()))
}

fn hint(name: &str) -> Option<String> {
    if let Some(offset) = offset_name(name) {
        return Some(format!(
            " (did you mean \"{offset}\"? The sign in these names is inverted; the zone of a place also \
             follows its summer time)"
        ));
    }
    let abbreviation = ABBREVIATIONS.iter().find(|(short, _)| short.eq_ignore_ascii_case(name));
    if let Some((_, place)) = abbreviation {
        return Some(format!(" (did you mean a place that uses it, such as \"{place}\"?)"));
    }
    let known: Vec<String> = db().available().map(|name| name.to_string()).collect();
    // A zone of another offset is as near as the right one, unless it is the name of a place.
    let places = || known.iter().filter(|name| name.contains('/') && !name.starts_with("Etc/"));
    let meant = if name.contains('/') {
        nearest(name, places().map(String::as_str))
    } else {
        let city = |zone: &'_ String| zone.rsplit('/').next().map(ToOwned::to_owned);
        let cities: Vec<String> = places().filter_map(city).collect();
        let written = name.replace(' ', "_");
        // Too many cities are near a short word.
        let is_near = |city: &&str| written.len() > 5 || city.eq_ignore_ascii_case(&written);
        nearest(&written, cities.iter().map(String::as_str)).filter(is_near).and_then(|city| {
            let in_city = |zone: &&String| zone.rsplit('/').next() == Some(city);
            places().find(in_city).map(String::as_str)
        })
    };
    meant.map(|meant| format!(" (did you mean {meant:?}?)"))
}

/// `Etc/GMT-2` for `GMT+2`, `UTC+02:00` or `+2`: the sign of these names is inverted.
fn offset_name(name: &str) -> Option<String> {
    let upper = name.trim().to_ascii_uppercase();
    let bare =
        ["ETC/GMT", "ETC/UTC", "GMT", "UTC", "Z"].iter().find_map(|it| upper.strip_prefix(it));
    let offset = bare.unwrap_or(&upper).trim();
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => ('-', digits),
        ("-" | "−", digits) => ('+', digits),
        _ => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    let zone = if hours == 0 { "UTC".to_owned() } else { format!("Etc/GMT{sign}{hours}") };
    (minutes == 0 && TimeZone::get(&zone).is_ok()).then_some(zone)
}

/// The name in the variable `TZ`: as it is, or as POSIX has it with a colon or a path in front. Empty
/// if it names none.
pub(super) fn of_variable(text: &str) -> &str {
    let text = text.trim();
    let bare = text.strip_prefix(':').unwrap_or(text);
    let name = bare.split_once("zoneinfo/").map_or(bare, |(_, name)| name);
    // Another file, usually `/etc/localtime`, is the machine's own zone.
    if name.starts_with('/') { "" } else { name }
}

/// The zone of the variable, or else that of the machine whose `/etc` is in that folder, or else UTC.
pub(super) fn usual(variable: &str, etc: &Path) -> String {
    let of_variable = Some(of_variable(variable)).filter(|name| TimeZone::get(name).is_ok());
    let of_machine = || of_machine(etc).and_then(|(name, _)| name);
    of_variable.map(str::to_owned).or_else(of_machine).unwrap_or_else(|| "UTC".to_owned())
}

/// Warns that the machine, whose `/etc` is in that folder, has another zone than UTC. Without a
/// zone in the configuration, days begin there at another time than its owner's.
pub(super) fn warning(etc: &Path, now: Timestamp) -> Option<String> {
    let (name, zone) = of_machine(etc)?;
    // Half a year later, summer time has begun or ended.
    let later = now.checked_add(jiff::SignedDuration::from_hours(24 * 182)).unwrap_or(now);
    if [now, later].iter().all(|time| zone.to_offset(*time).seconds() == 0) {
        return None;
    }
    let (place, example) = match name {
        Some(name) => (format!("in {name}"), name),
        None => (format!("at UTC{}", zone.to_offset(now)), "Europe/Berlin".to_owned()),
    };
    Some(format!(
        "timezone: is not set, so a day begins at midnight UTC, but this machine is {place}; set \
         timezone = \"{example}\", or \"UTC\" to keep it so"
    ))
}

/// The zone of the machine and, where it can be told, its name. `None` if it has no zone.
fn of_machine(etc: &Path) -> Option<(Option<String>, TimeZone)> {
    let file = etc.join("localtime");
    let link = fs::read_link(&file).ok();
    let linked = link.as_ref().and_then(|path| path.to_str()?.split_once("zoneinfo/"));
    // Debian has the name there too, also where a container gets the file and not the link.
    let written = fs::read_to_string(etc.join("timezone")).ok();
    let names = [linked.map(|(_, name)| name), written.as_deref().map(str::trim)];
    let by_name = |name: &str| Some((Some(name.to_owned()), TimeZone::get(name).ok()?));
    // The file decides where the two differ.
    if let Some(found) = names.first().copied().flatten().and_then(by_name) {
        return Some(found);
    }
    let bytes = crate::files::read(&file, LARGEST).ok()?;
    let zone = TimeZone::tzif("local", &bytes).ok()?;
    let name = names
        .iter()
        .flatten()
        .find(|name| TimeZone::get(name).is_ok_and(|named| is_alike(&named, &zone)));
    Some((name.map(|name| (*name).to_owned()), zone))
}

/// In bytes; the largest of the zone database has some 4 kB.
const LARGEST: u64 = 64 << 10;

fn is_alike(one: &TimeZone, other: &TimeZone) -> bool {
    let months = (0..24).map(|month| 1_735_689_600 + month * 2_629_800);
    let mut times = months.filter_map(|time| Timestamp::from_second(time).ok());
    times.all(|time| one.to_offset(time) == other.to_offset(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_zone_of_another_offset_is_proposed() {
        for (name, says) in [
            ("GMT+2", " (did you mean \"Etc/GMT-2\"? The sign in these names is inverted;"),
            ("GMT-3", " (did you mean \"Etc/GMT+3\"? The sign"),
            ("UTC+1", " (did you mean \"Etc/GMT-1\"? The sign"),
            ("utc+02:00", " (did you mean \"Etc/GMT-2\"? The sign"),
            ("+0200", " (did you mean \"Etc/GMT-2\"? The sign"),
            ("AEST", " (did you mean a place that uses it, such as \"Australia/Sydney\"?)"),
            ("CEST", " (did you mean a place that uses it, such as \"Europe/Berlin\"?)"),
            ("Europe/Berln", " (did you mean \"Europe/Berlin\"?)"),
            ("Europe/berlim", " (did you mean \"Europe/Berlin\"?)"),
            ("Berlin", " (did you mean \"Europe/Berlin\"?)"),
            ("new york", " (did you mean \"America/New_York\"?)"),
            ("IST", ""),
            ("XST", ""),
            ("GMT+5:30", ""),
            ("Etc/GMT+20", ""),
            ("home", ""),
        ] {
            let wrong = wrong_zone(name).unwrap();
            let rest = wrong.strip_prefix("is not a known time zone").unwrap();
            assert!(
                rest.starts_with(says) && rest.is_empty() == says.is_empty(),
                "{name}: {wrong}"
            );
        }
        for name in ["UTC", "Europe/Berlin", "europe/berlin", "EST", "Etc/GMT-2"] {
            assert_eq!(wrong_zone(name), None);
        }
    }

    #[test]
    fn the_variable_may_have_the_forms_of_posix() {
        for text in ["Europe/Berlin", ":Europe/Berlin", ":/usr/share/zoneinfo/Europe/Berlin"] {
            assert_eq!(of_variable(text), "Europe/Berlin");
        }
        assert_eq!(of_variable(":/etc/localtime"), "");
    }

    #[test]
    fn a_machine_that_is_not_on_utc_causes_a_warning() {
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("localtime");
        assert_eq!(warning(folder.path(), now), None, "without a zone");
        for (zone, warns) in [
            ("Europe/Berlin", true),
            ("Europe/London", true),
            ("Etc/UTC", false),
            ("Africa/Abidjan", false),
        ] {
            std::os::unix::fs::symlink(format!("/usr/share/zoneinfo/{zone}"), &file).unwrap();
            let warning = warning(folder.path(), now);
            assert_eq!(warning.is_some(), warns, "{zone}: {warning:?}");
            let remedy = format!("but this machine is in {zone}; set timezone = \"{zone}\"");
            assert!(warning.is_none_or(|warning| warning.contains(&remedy)));
            fs::remove_file(&file).unwrap();
        }
        fs::write(&file, "no zone").unwrap();
        assert_eq!(warning(folder.path(), now), None);
    }

    #[test]
    fn a_file_without_a_name_is_a_zone_too() {
        // Version 1 of RFC 9636 with one offset, two hours east of UTC.
        let mut bytes = b"TZif".to_vec();
        bytes.extend([0; 16]);
        for count in [0_u32, 0, 0, 0, 1, 5] {
            bytes.extend(count.to_be_bytes());
        }
        bytes.extend(7_200_i32.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(b"+02\0\0");
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("localtime"), bytes).unwrap();
        let now = Timestamp::from_second(1_780_000_000).unwrap();
        let warning = |name: &str| {
            fs::write(folder.path().join("timezone"), name).unwrap();
            super::warning(folder.path(), now).unwrap()
        };
        assert!(warning("Etc/GMT-2\n").contains("in Etc/GMT-2; set timezone = \"Etc/GMT-2\""));
        let unnamed = warning("Asia/Tokyo\n");
        assert!(unnamed.contains("at UTC+02; set timezone = \"Europe/Berlin\""), "{unnamed}");
    }
}
