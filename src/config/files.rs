//! Files that the configuration names: tokens, passwords and certificates. They are read at the
//! start, so that a missing one is noticed then and not at the first connection.

use std::path::Path;

use secrecy::SecretString;

use super::load::Fault;
use super::types::check_token;
use super::{Config, MqttConfig};
use crate::files::{LARGEST_SECRET, read};
use crate::net::tls;

/// Puts what each `token_file` holds into `token`; checks that each certificate can be used.
pub(super) fn read_files(config: &mut Config) -> Result<(), Fault> {
    let http = &mut config.http;
    read_token("http", http.token_file.as_deref(), &mut http.token)?;
    for (index, target) in config.targets.iter_mut().enumerate() {
        let section = format!("target[{index}]");
        read_token(&section, target.token_file.as_deref(), &mut target.token)?;
        check_file(&format!("{section}.ca_file"), target.ca_file.as_deref(), certificates)?;
    }
    config.mqtt.as_mut().map_or(Ok(()), read_mqtt_files)
}

fn read_mqtt_files(mqtt: &mut MqttConfig) -> Result<(), Fault> {
    if let Some(file) = &mqtt.password_file {
        let password = secret(file, "a password");
        let password = password.map_err(|wrong| Fault::new("mqtt.password_file", wrong))?;
        mqtt.password = Some(password.into());
    }
    check_file("mqtt.ca_file", mqtt.ca_file.as_deref(), certificates)?;
    check_file("mqtt.client_cert", mqtt.client_cert.as_deref(), certificates)?;
    check_file("mqtt.client_key", mqtt.client_key.as_deref(), key)
}

fn read_token(
    section: &str,
    file: Option<&Path>,
    token: &mut Option<SecretString>,
) -> Result<(), Fault> {
    if let Some(file) = file {
        let text = secret(file, "a token").and_then(|text| check_token(&text).map(|()| text));
        let text = text.map_err(|wrong| Fault::new(format!("{section}.token_file"), wrong))?;
        *token = Some(text.into());
    }
    Ok(())
}

fn check_file(
    path: &str,
    file: Option<&Path>,
    check: fn(&Path) -> Result<(), String>,
) -> Result<(), Fault> {
    file.map_or(Ok(()), check).map_err(|wrong| Fault::new(path, wrong))
}

/// The token or password without the line break that editors put at its end.
fn secret(file: &Path, what: &str) -> Result<String, String> {
    let name = file.display();
    let bytes = read(file, LARGEST_SECRET)
        .map_err(|error| format!("{name} {error}; expected a file with {what}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| format!("{name} is not text; expected a file with {what} in UTF-8"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(format!("{name} is empty; expected a file with {what}"));
    }
    Ok(secret.to_owned())
}

fn key(file: &Path) -> Result<(), String> {
    let expected = "expected a private key in PEM form (-----BEGIN PRIVATE KEY-----)";
    tls::private_key(file).map(drop).map_err(|error| format!("{error}; {expected}"))
}

fn certificates(file: &Path) -> Result<(), String> {
    let expected = "expected a certificate in PEM form (-----BEGIN CERTIFICATE-----)";
    tls::certificates(file).map(drop).map_err(|error| format!("{error}; {expected}"))
}
