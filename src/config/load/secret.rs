//! Tokens and passwords that stand in files of their own, and certificates: read once, when the bridge starts,
//! so that a missing file is told then and not at the first connection.

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::fault::Faults;
use crate::config::{Config, MqttConfig};
use crate::files::{self, LARGEST_SECRET};
use crate::net::tls;

/// Puts what each `token_file` holds into `token`; checks that each `ca_file` can be used.
pub(super) fn read_files(config: &mut Config, faults: &mut Faults) {
    let http = &mut config.http;
    fill("http", http.token_file.as_deref(), &mut http.token, faults);
    for (index, target) in config.targets.iter_mut().enumerate() {
        let section = format!("target[{index}]");
        fill(&section, target.token_file.as_deref(), &mut target.token, faults);
        if let Some(file) = &target.ca_file
            && let Err(wrong) = certificates(file)
        {
            faults.add(&format!("{section}.ca_file"), wrong);
        }
    }
    if let Some(mqtt) = &mut config.mqtt {
        read_mqtt_files(mqtt, faults);
    }
}

fn read_mqtt_files(mqtt: &mut MqttConfig, faults: &mut Faults) {
    if let Some(file) = &mqtt.password_file {
        match text(file, "a password") {
            Ok(password) => mqtt.password = Some(password),
            Err(wrong) => faults.add("mqtt.password_file", wrong),
        }
    }
    for (key, file) in [("ca_file", &mqtt.ca_file), ("client_cert", &mqtt.client_cert)] {
        if let Some(Err(wrong)) = file.as_deref().map(certificates) {
            faults.add(&format!("mqtt.{key}"), wrong);
        }
    }
    if let Some(Err(wrong)) = mqtt.client_key.as_deref().map(key) {
        faults.add("mqtt.client_key", wrong);
    }
}

fn fill(section: &str, file: Option<&Path>, token: &mut Option<SecretString>, faults: &mut Faults) {
    if let Some(file) = file {
        match text(file, "a token") {
            Ok(text) => *token = Some(text),
            Err(wrong) => return faults.add(&format!("{section}.token_file"), wrong),
        }
    }
    if token.as_ref().is_some_and(|token| token.expose_secret().contains(is_unusable)) {
        let key = if file.is_some() { "token_file" } else { "token" };
        let wrong = "the token has a blank, line break or control character; expected one word";
        faults.add(&format!("{section}.{key}"), wrong);
    }
}

/// Neither a URL nor a header carries it.
fn is_unusable(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// The token or password without the line break that editors put at its end.
fn text(file: &Path, what: &str) -> Result<SecretString, String> {
    let name = file.display();
    let bytes = files::read(file, LARGEST_SECRET)
        .map_err(|error| format!("{name} {error}; expected a file with {what}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("{name} is not text; expected a file with {what} in UTF-8"))?;
    let token = text.trim_end_matches(['\r', '\n']);
    if token.trim().is_empty() {
        return Err(format!("{name} is empty; expected a file with {what}"));
    }
    Ok(SecretString::from(token))
}

fn key(file: &Path) -> Result<(), String> {
    let expected = "expected a private key in PEM form (-----BEGIN PRIVATE KEY-----)";
    tls::private_key(file).map(drop).map_err(|error| format!("{error}; {expected}"))
}

fn certificates(file: &Path) -> Result<(), String> {
    let expected = "expected a certificate in PEM form (-----BEGIN CERTIFICATE-----)";
    tls::certificates(file).map(drop).map_err(|error| format!("{error}; {expected}"))
}
