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
                 it fails, use a longer interval or try records_per_read = \"auto\"";
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

#[test]
fn a_port_of_mqtt_that_does_not_fit_tls_causes_a_warning() {
    for (lines, expected) in [
        ("port = 8883", Some("mqtt.port: 8883 is the port for TLS, which is off; set tls = true")),
        ("port = 1883\ntls = true", Some("mqtt.port: 1883 is the port without TLS, which is on")),
        ("port = 8883\ntls = true", None),
        ("port = 1883", None),
        ("tls = true", None),
    ] {
        let toml = format!("{DTU}[mqtt]\nhost = \"h\"\n{lines}\n");
        let warnings = loaded(&toml, &[]).unwrap().warnings;
        let found = warnings.iter().any(|it| expected.is_some_and(|text| it.starts_with(text)));
        assert_eq!(
            (found, warnings.len()),
            (expected.is_some(), expected.iter().len()),
            "{warnings:?}"
        );
    }
}

#[test]
fn unknown_variables_cause_a_warning() {
    for (name, value, expected) in [
        ("HOYMILES_HTTP__LISTEN", "x", "did you mean HOYMILES__HTTP__LISTEN?"),
        ("HOYMILES_HTTP_LISTEN", "x", "did you mean HOYMILES__HTTP__LISTEN?"),
        ("HOYMILES_CONFG", "x", "did you mean HOYMILES_CONFIG?"),
        ("HOYMILES_DTU_HOST", "x", "keys have two underscores, as in HOYMILES__LOG__LEVEL"),
    ] {
        let warnings = loaded(DTU, &[(name, value)]).unwrap().warnings;
        let start = format!("environment: {name}: has no effect; {expected}");
        assert!(warnings.len() == 1 && warnings[0].starts_with(&start), "{warnings:?}");
    }
    for (name, value) in [
        ("HOYMILES_CONFIG", "x"),
        ("HOYMILES__LOG__LEVEL", "debug"),
        ("HOYMILES_SUPERVISOR", "http://127.0.0.1:1"),
        ("HOYMILES_UID", "1000"),
        ("HOYMILES_CONFG", ""),
        // Kubernetes and Docker, for a service or container called hoymiles-bridge.
        ("HOYMILES_BRIDGE_PORT", "tcp://10.0.0.1:8080"),
        ("HOYMILES_BRIDGE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("HOYMILES_BRIDGE_SERVICE_HOST", "10.0.0.1"),
    ] {
        assert_eq!(loaded(DTU, &[(name, value)]).unwrap().warnings, [""; 0], "{name}");
    }
}
