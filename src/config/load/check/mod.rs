//! The rules that the kinds of single values do not express. Every fault is told. Pure.

mod dtu;
mod http;
mod mqtt;
mod target;

use std::collections::BTreeMap;

use jiff::tz::{TimeZone, db};

use super::Form;
use super::fault::Faults;
use super::kind::shown;
use super::nearest::nearest;
use crate::config::log::{EXPECTED_LEVEL, parse_level};
use crate::config::{Config, name};

/// Checks everything; returns the time zone if it is known.
pub(super) fn check(config: &Config, form: Form, faults: &mut Faults) -> Option<TimeZone> {
    names("dtu", config.dtus.iter().map(|dtu| dtu.name.as_str()), faults);
    names("target", config.targets.iter().map(|target| target.name.as_str()), faults);
    dtu::check(&config.dtus, form, faults);
    target::check(&config.targets, faults);
    if let Some(mqtt) = &config.mqtt {
        mqtt::check(mqtt, faults);
    }
    http::check(&config.http, faults);
    if let Err(wrong) = parse_level(&config.log.level) {
        faults.add("log.level", format!("{wrong}; expected {EXPECTED_LEVEL}"));
    }
    zone(&config.timezone, faults)
}

fn zone(name: &str, faults: &mut Faults) -> Option<TimeZone> {
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        let known: Vec<String> = db().available().map(|name| name.to_string()).collect();
        let hint = match nearest(name, known.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => "expected an IANA name like \"Europe/Berlin\" or \"UTC\"".to_owned(),
        };
        faults.add("timezone", format!("{} is no known time zone; {hint}", shown(name)));
    }
    zone
}

/// Each is a name, and no two are the same.
fn names<'a>(list: &str, names: impl Iterator<Item = &'a str>, faults: &mut Faults) {
    let mut seen = BTreeMap::new();
    for (index, name) in names.enumerate() {
        let path = format!("{list}[{index}].name");
        if let Err(wrong) = name::check(name) {
            faults.add(&path, wrong.to_string());
        }
        if let Some(first) = seen.insert(name, index) {
            faults.add(
                &path,
                format!(
                    "{} is also the name of {list}[{first}]; expected a name of its own for each \
                     [[{list}]]",
                    shown(name)
                ),
            );
        }
    }
}

/// A token or password, under `key`, is given in one way only.
fn token(section: &str, key: &str, has_token: bool, has_file: bool, faults: &mut Faults) {
    if has_token && has_file {
        faults.add(
            &format!("{section}.{key}_file"),
            format!("{section}.{key} is given too; expected only one of the two"),
        );
    }
}
