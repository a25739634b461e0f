//! Who may ask: the bearer token of `/api`, and no changes from foreign web pages. Pure.

use std::hint::black_box;
use std::net::Ipv4Addr;

use hyper::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    ORIGIN,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method};
use secrecy::{ExposeSecret as _, SecretString};

/// What names end in that mean something at home only (RFC 6762, RFC 8375, ICANN, custom).
const LOCAL_NAMES: [&str; 5] = ["local", "home.arpa", "internal", "lan", "fritz.box"];

/// Whether the request carries the token.
pub(super) fn has_token(headers: &HeaderMap, token: &SecretString) -> bool {
    only(headers, &AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()))
        .is_some_and(|given| is_equal(given, token.expose_secret().as_bytes()))
}

/// Whether a browser sent the request for a page that did not come from here.
///
/// Browsers send some POST requests without asking first, from any page; programs send no `Origin`.
pub(super) fn is_from_foreign_page(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return false;
    }
    let text = |name| only(headers, name).and_then(|value| value.to_str().ok());
    let page = text(&ORIGIN).and_then(|origin| origin.split_once("://"));
    let here = text(&HOST);
    match (page, here) {
        (Some((_, page)), Some(here)) => !page.eq_ignore_ascii_case(here) || !is_of_house(here),
        (_, _) => true,
    }
}

/// Whether the host is an address, or a name that nobody can own on the internet: a page from there
/// could have its own name point to us, and would then seem to come from here.
fn is_of_house(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    let is_local =
        |suffix: &&str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    is_address || !name.contains('.') || LOCAL_NAMES.iter().any(is_local)
}

/// Whether a browser asks what it may send for a page of another origin.
pub(super) fn asks_first(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether the body is announced as JSON. A browser sends that for a foreign page only after it has asked, and is
/// told no; what it sends without asking may also come without any type.
pub(super) fn announces_json(headers: &HeaderMap) -> bool {
    let value = only(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The value of a header that means something only if it stands there once: of two, each reader
/// could believe another one.
fn only<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> Option<&'headers HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    let token = rest.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && rest.starts_with(b" ");
    (is_bearer && !token.is_empty()).then_some(token)
}

/// Takes as long for a wrong first byte as for a wrong last one, so that a token cannot be found
/// byte by byte with a clock.
fn is_equal(given: &[u8], secret: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != secret.len());
    for (place, byte) in secret.iter().enumerate() {
        difference |= byte ^ given.get(place).copied().unwrap_or_default();
    }
    black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[track_caller]
    fn check_token(value: &'static str, expected: bool) {
        let headers = headers(&[(AUTHORIZATION, value)]);
        assert_eq!(has_token(&headers, &"secret".into()), expected, "{value}");
    }

    #[test]
    fn only_the_whole_token_opens() {
        check_token("Bearer secret", true);
        check_token("bearer  secret ", true);
        for value in [
            "",
            "secret",
            "Bearer",
            "Bearer ",
            "Bearersecret",
            "Bearer Secret",
            "Bearer secre",
            "Bearer secret1",
            "Bearer secret\tx",
            "Basic secret",
        ] {
            check_token(value, false);
        }
        assert!(!has_token(&HeaderMap::new(), &"secret".into()));
    }

    #[test]
    fn an_empty_token_in_the_configuration_opens_to_nobody() {
        assert!(!has_token(&headers(&[(AUTHORIZATION, "Bearer ")]), &"".into()));
    }

    #[test]
    fn a_body_is_not_json_if_it_says_something_else() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("application/x-www-form-urlencoded", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(announces_json(&headers(&[(CONTENT_TYPE, value)])), expected, "{value}");
        }
        assert!(!announces_json(&HeaderMap::new()), "says nothing");
    }

    #[test]
    fn of_two_headers_none_is_believed() {
        let json = (CONTENT_TYPE, "application/json");
        for other in [json.clone(), (CONTENT_TYPE, "text/plain")] {
            assert!(!announces_json(&headers(&[json.clone(), other])));
        }
        let (origin, host) = ((ORIGIN, "http://127.0.0.1"), (HOST, "127.0.0.1"));
        assert!(!is_from_foreign_page(&headers(&[origin.clone(), host.clone()])));
        for other in [(ORIGIN, "https://example.org"), (HOST, "example.org")] {
            assert!(is_from_foreign_page(&headers(&[origin.clone(), host.clone(), other])));
        }
        let token = (AUTHORIZATION, "Bearer secret");
        assert!(!has_token(&headers(&[token.clone(), token]), &"secret".into()));
    }

    #[test]
    fn a_page_is_foreign_unless_it_came_from_here() {
        for (origin, expected) in [
            ("http://192.168.1.5:8080", false),
            ("http://192.168.1.5", true),
            ("https://example.org", true),
            ("null", true),
            ("", true),
        ] {
            let headers = headers(&[(ORIGIN, origin), (HOST, "192.168.1.5:8080")]);
            assert_eq!(is_from_foreign_page(&headers), expected, "{origin}");
        }
        for (host, expected) in [
            ("192.168.1.5:8080", false),
            ("[fd00::5]:8080", false),
            ("localhost:8080", false),
            ("hoymiles-smiles:8080", false),
            ("bridge.local", false),
            ("bridge.fritz.box:8080", false),
            ("rebound.example:8080", true),
            ("notlocal.example", true),
            ("evillocal", false),
            ("evil.notlocal", true),
        ] {
            let origin = format!("http://{host}").leak();
            let headers = headers(&[(ORIGIN, origin), (HOST, host)]);
            assert_eq!(is_from_foreign_page(&headers), expected, "{host}");
        }
        assert!(!is_from_foreign_page(&headers(&[(HOST, "192.168.1.5:8080")])));
    }
}
