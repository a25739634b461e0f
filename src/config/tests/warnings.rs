//! What is allowed but probably not wanted.

use super::{DTU, describe, loaded};

/// A DTU of that protocol with these lines causes these warnings.
#[track_caller]
fn check(protocol: &str, lines: &str, expected: &[&str]) {
    let toml = format!("[[dtu]]\nname = \"Roof\"\nprotocol = \"{protocol}\"\n{lines}\n");
    let loaded = loaded(&toml, &[]).unwrap();
    assert_eq!(loaded.warnings, expected, "{toml}");
    for warning in expected {
        let line = format!("# warning: {warning}\n");
        assert!(describe(&loaded).contains(&line), "{}", describe(&loaded));
    }
}

#[test]
fn a_key_without_effect_is_named() {
    check(
        "modbus",
        "host = \"h\"\nperformance_mode = true\navoid_cloud_upload = false",
        &[
            "dtu[0].performance_mode: has no effect on Roof, whose protocol is \"modbus\"; remove \
             it (line 5)",
            "dtu[0].avoid_cloud_upload: has no effect on Roof, whose protocol is \"modbus\"; \
             remove it (line 6)",
        ],
    );
    check(
        "protobuf",
        "host = \"h\"\nunit_id = 1\nrecords_per_read = 6",
        &[
            "dtu[0].unit_id: has no effect on Roof, whose protocol is \"protobuf\"; remove it \
             (line 5)",
            "dtu[0].records_per_read: has no effect on Roof, whose protocol is \"protobuf\"; \
             remove it (line 6)",
        ],
    );
    check(
        "simulated",
        "port = 502",
        &[
            "dtu[0].port: has no effect on Roof, whose protocol is \"simulated\"; remove it (line 4)",
        ],
    );
}

#[test]
fn keys_of_the_protocol_cause_no_warning() {
    check("modbus", "host = \"h\"\nunit_id = 101\nrecords_per_read = 6\nrequest_gap = \"1s\"", &[]);
    let modes = "performance_mode = true\navoid_cloud_upload = true\nrequest_gap = \"2s\"";
    check("protobuf", &format!("host = \"h\"\nport = 10082\n{modes}"), &[]);
    check("simulated", "records_per_read = 6\nexclude = []", &[]);
}

#[test]
fn requests_that_disturb_the_cloud_cause_a_warning() {
    check(
        "protobuf",
        "host = \"h\"\nrequest_gap = \"1999ms\"",
        &[
            "dtu[0].request_gap: requests this close together disturb the manufacturer's cloud and app; remove it, or set it to \"2s\" or more (line 5)",
        ],
    );
}

#[test]
fn a_short_interval_is_named_where_it_is_set() {
    let hasty = "DTU Roof: an interval below 30s with records_per_read = 1 strains a DTU; if \
                 it fails, use a longer interval or try records_per_read = 6";
    let floor = "DTU Roof: is polled at most once every 35s: over protobuf, more frequent requests return \
                 old values and stop its uploads to the manufacturer's cloud; set `interval` to \"35s\" or \
                 more";
    let own = |text: &str| format!("dtu[0].interval: {text} (line 5)");
    check("modbus", "host = \"h\"\ninterval = \"20s\"", &[&own(hasty)]);
    check("protobuf", "host = \"h\"\ninterval = \"20s\"", &[&own(floor)]);
    let common = |text: &str| format!("poll.interval: {text} (line 6)");
    let lines = "host = \"h\"\n[poll]\ninterval = \"20s\"";
    check("modbus", lines, &[&common(hasty)]);
    check("protobuf", lines, &[&common(floor)]);
}

#[test]
fn the_port_of_the_other_protocol_causes_a_warning() {
    check(
        "modbus",
        "host = \"h\"\nport = 10081",
        &[
            "dtu[0].port: on port 10081 a DTU speaks \"protobuf\", not \"modbus\"; remove `port`, or set \
           protocol = \"protobuf\" (line 5)",
        ],
    );
    check(
        "protobuf",
        "host = \"h\"\nport = 502",
        &[
            "dtu[0].port: on port 502 a DTU speaks \"modbus\", not \"protobuf\"; remove `port`, or set \
           protocol = \"modbus\" (line 5)",
        ],
    );
}

/// These lines after a DTU cause these warnings.
#[track_caller]
fn check_rest(lines: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let loaded = loaded(&format!("{DTU}{lines}"), environment).unwrap();
    assert_eq!(loaded.warnings, expected, "{lines}");
}

#[test]
fn two_sections_for_one_dtu_cause_a_warning() {
    let other = DTU.replace("\"DTU\"", "\"Barn\"");
    check_rest(
        &format!("{other}port = 502\n"),
        &[],
        &["dtu[1].host: is also the host of dtu[0], with the same port; a DTU serves one client \
             at a time: remove one of the two sections (line 8)"],
    );
    check_rest(&format!("{other}port = 503\n"), &[], &[]);
    check_rest(&other.replace("modbus", "protobuf"), &[], &[]);
}

#[test]
fn a_mistyped_word_of_allow_causes_a_warning() {
    let variable = "HOYMILES__HTTP__REGISTRATION__ALLOW";
    check_rest(
        "[http.registration]\nallow = [\"10.0.0.0/8\", \"privat\"]\n",
        &[],
        &["http.registration.allow[1]: \"privat\" counts as a host name; did you mean \
           \"private\"? (line 6)"],
    );
    check_rest(
        "",
        &[(variable, "Any")],
        &["environment: HOYMILES__HTTP__REGISTRATION__ALLOW: http.registration.allow[0]: \"Any\" \
           counts as a host name; did you mean \"any\"?"],
    );
    check_rest("", &[(variable, "any,private,homeassistant,ha.lan,10.0.0.0/8")], &[]);
}
