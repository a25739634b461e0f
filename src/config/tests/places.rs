//! A fault is reported where its user can correct it.

use super::{DTU, loaded};

/// The whole message.
#[track_caller]
fn check(toml: &str, environment: &[(&str, &str)], expected: &str) {
    assert_eq!(loaded(toml, environment).unwrap_err(), expected);
}

#[test]
fn an_empty_host_is_refused_with_its_line() {
    let toml = "[[dtu]]\nname = \"A\"\nprotocol = \"modbus\"\nhost = \"\"\n";
    check(
        toml,
        &[],
        "a.toml: dtu[0].host: is empty; expected the DTU's IP address or host name (line 4)",
    );
}

#[test]
fn a_faulty_list_item_has_the_line_of_its_list() {
    let toml = format!("{DTU}[http.registration]\nenabled = true\nallow = [\"10.0.0.0/33\"]\n");
    let message = loaded(&toml, &[]).unwrap_err();
    assert!(message.starts_with("a.toml: http.registration.allow[0]: \"10.0.0.0/33\" is unknown"));
    assert!(message.ends_with("(line 7)"), "{message}");
}

#[test]
fn a_faulty_list_item_of_the_environment_names_the_variable() {
    let variable = "HOYMILES__HTTP__REGISTRATION__ALLOW";
    let message = loaded(DTU, &[(variable, "private,10.0.0.0/40")]).unwrap_err();
    let place = format!("environment: {variable}: http.registration.allow: \"10.0.0.0/40\" is");
    assert!(message.starts_with(&place), "{message}");
}

#[test]
fn a_variable_that_is_not_text_is_refused_without_its_value() {
    check(
        DTU,
        &[("HOYMILES__HTTP__TOKEN", "s3cret\u{fffd}"), ("PS1", "\u{fffd}")],
        "environment: HOYMILES__HTTP__TOKEN: http.token: is not text; expected UTF-8",
    );
}

#[test]
fn names_are_trimmed() {
    let with_blanks = DTU.replace("\"DTU\"", "\" DTU\\t\"");
    assert_eq!(loaded(&with_blanks, &[]).unwrap().config.dtus[0].name, "DTU");
    check(
        &format!("{DTU}{with_blanks}"),
        &[],
        "a.toml: dtu[1].name: \"DTU\" is also the name of dtu[0]; expected a unique name for each [[dtu]] (line 6)",
    );
    let target = "[[target]]\nname = \"  HA \"\nurl = \"ws://ha:8123/ws\"\n";
    assert_eq!(loaded(&format!("{DTU}{target}"), &[]).unwrap().config.targets[0].name, "HA");
}
