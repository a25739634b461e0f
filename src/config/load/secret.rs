//! Tokens that stand in files of their own, and certificates: read once, when the bridge starts,
//! so that a missing file is told then and not at the first connection.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::fault::Faults;
use crate::config::Config;

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
}

fn fill(section: &str, file: Option<&Path>, token: &mut Option<SecretString>, faults: &mut Faults) {
    if let Some(file) = file {
        match text(file) {
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

/// The token without the line break that editors put at its end.
fn text(file: &Path) -> Result<SecretString, String> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .map_err(|error| format!("{name} cannot be read: {error}; expected a file with a token"))?;
    let token = text.trim_end_matches(['\r', '\n']);
    if token.trim().is_empty() {
        return Err(format!("{name} is empty; expected a file with a token"));
    }
    Ok(SecretString::from(token))
}

fn certificates(file: &Path) -> Result<(), String> {
    let name = file.display();
    let expected = "expected a certificate in PEM form (-----BEGIN CERTIFICATE-----)";
    let pem =
        fs::read(file).map_err(|error| format!("{name} cannot be read: {error}; {expected}"))?;
    let mut count = 0_usize;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate.map_err(|_| format!("{name} is damaged; {expected}"))?;
        count += 1;
    }
    if count == 0 {
        return Err(format!("{name} holds no certificate; {expected}"));
    }
    Ok(())
}
