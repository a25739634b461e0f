//! The URL of a target, from the configuration file or a registration, by the same rules.
//!
//! The library that reads URLs mends much in silence, as browsers do. Here what it would mend is
//! refused: who wrote it meant something else.

mod error;

use url::{Host, Url};

pub use self::error::UrlError;
use crate::letters::is_unsafe;

/// Longer URLs are not URLs of targets.
const LONGEST_URL: usize = 2_048;
/// Of a host name and of each of its parts, in the form that the DNS knows (RFC 1035).
const LONGEST_HOST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Reads the URL of a target. Nothing of it but host and port appears in an error.
pub fn parse(text: &str) -> Result<Url, UrlError> {
    if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(UrlError::ControlCharacter);
    }
    if let Some(invisible) = text.chars().find(|&letter| is_unsafe(letter)) {
        return Err(UrlError::Invisible(invisible));
    }
    written(text)?;
    let mut url = Url::parse(text).map_err(|error| UrlError::Malformed(error.to_string()))?;
    host(&url)?;
    if url.port() == Some(0) {
        return Err(UrlError::Malformed("port 0 cannot be dialled".to_owned()));
    }
    url.set_fragment(None);
    if url.as_str().len() > LONGEST_URL { Err(UrlError::TooLong) } else { Ok(url) }
}

/// What must hold for scheme, host and port as they stand there.
fn written(text: &str) -> Result<(), UrlError> {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "ws" | "wss" => {}
        "http" => return Err(UrlError::Scheme("http")),
        "https" => return Err(UrlError::Scheme("https")),
        // What stands before the first colon may be anything, a user name too.
        _ => return Err(UrlError::OtherScheme),
    }
    let before_query = rest.split(['?', '#']).next().unwrap_or_default();
    if before_query.contains('\\') {
        return Err(UrlError::Backslash);
    }
    let after = before_query.strip_prefix("//").ok_or(UrlError::NoSlashes)?;
    let (authority, path) = after.split_once('/').unwrap_or((after, ""));
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let is_scheme = ["ws:", "wss:", "http:", "https:"]
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(authority));
    if is_scheme && path.starts_with('/') {
        return Err(UrlError::TwoSchemes);
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(UrlError::NoHost);
    }
    if authority.ends_with(':') {
        return Err(UrlError::NoPort);
    }
    // A zone, which no URL may have, is of a link-local address always.
    if authority.starts_with('[') && authority.contains('%') {
        return Err(UrlError::LinkLocal);
    }
    Ok(())
}

/// What must hold for the host as it is looked up or dialled.
fn host(url: &Url) -> Result<(), UrlError> {
    match url.host() {
        Some(Host::Domain(name)) => domain(name.strip_suffix('.').unwrap_or(name)),
        // It means another machine on each network card.
        Some(Host::Ipv6(address)) if address.is_unicast_link_local() => Err(UrlError::LinkLocal),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Ok(()),
        None => Err(UrlError::NoHost),
    }
}

/// Nothing more: names of containers have underscores, and some names are of one part only.
fn domain(name: &str) -> Result<(), UrlError> {
    if name.is_empty() {
        return Err(UrlError::NoHost);
    }
    if name.split('.').any(str::is_empty) {
        return Err(UrlError::EmptyLabel);
    }
    if name.len() > LONGEST_HOST || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(UrlError::LongHost);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
