//! Files that the configuration names: tokens, passwords and certificates. They are read at the
//! start, so that a missing one is noticed then and not at the first connection.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::Config;
use super::load::Fault;
use super::types::check_token;
use crate::files::{LARGEST_SECRET, read};
use crate::net::tls;

/// Puts what each `token_file` and `password_file` holds into `token` and `password`; checks that
/// each certificate can be used.
pub(super) fn read_files(config: &mut Config) -> Result<(), Fault> {
    let http = &mut config.http;
    read_secret("http.token_file", http.token_file.as_deref(), &mut http.token, check_token)?;
    let registered = http.registration.ca_file.as_ref();
    check_file("http.registration.ca_file", registered, certificates)?;
    for (index, target) in config.targets.iter_mut().enumerate() {
        let path = |key| format!("target[{index}].{key}");
        let (file, token) = (target.token_file.as_deref(), &mut target.token);
        read_secret(&path("token_file"), file, token, check_token)?;
        check_file(&path("ca_file"), target.ca_file.as_ref(), certificates)?;
    }
    let Some(mqtt) = &mut config.mqtt else { return Ok(()) };
    let (file, password) = (mqtt.password_file.as_deref(), &mut mqtt.password);
    read_secret("mqtt.password_file", file, password, |_| Ok(()))?;
    check_file("mqtt.ca_file", mqtt.ca_file.as_ref(), certificates)?;
    check_file("mqtt.client_cert", mqtt.client_cert.as_ref(), certificates)?;
    check_file("mqtt.client_key", mqtt.client_key.as_ref(), private_key)
}

fn read_secret(
    path: &str,
    file: Option<&Path>,
    value: &mut Option<SecretString>,
    check: fn(&str) -> Result<(), String>,
) -> Result<(), Fault> {
    if let Some(file) = file {
        let text = secret(file).and_then(|text| check(&text).map(|()| text));
        *value = Some(text.map_err(|wrong| Fault::new(path, wrong))?.into());
    }
    Ok(())
}

/// Without the line break that editors put at its end.
fn secret(file: &Path) -> Result<String, String> {
    let wrong = |text: &str| {
        format!("{} {text}; expected a file with a token or password in UTF-8", file.display())
    };
    let bytes = read(file, LARGEST_SECRET).map_err(|error| wrong(&error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| wrong("is not text"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() { Err(wrong("is empty")) } else { Ok(secret.to_owned()) }
}

fn check_file(
    path: &str,
    file: Option<&PathBuf>,
    check: fn(&Path) -> Result<(), String>,
) -> Result<(), Fault> {
    file.map_or(Ok(()), |file| check(file)).map_err(|wrong| Fault::new(path, wrong))
}

fn private_key(file: &Path) -> Result<(), String> {
    let expected = "expected a private key in PEM form (-----BEGIN PRIVATE KEY-----)";
    tls::private_key(file).map(drop).map_err(|error| format!("{error}; {expected}"))
}

fn certificates(file: &Path) -> Result<(), String> {
    let expected = "expected a certificate in PEM form (-----BEGIN CERTIFICATE-----)";
    tls::certificates(file).map(drop).map_err(|error| format!("{error}; {expected}"))
}
