//! Who may send which request: the token of `/api`, and no changes from other origins' web pages.

use std::net::Ipv4Addr;

use hyper::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName,
    HeaderValue, ORIGIN,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, StatusCode, Version};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::request::Context;
use super::respond::{self, Response};
use super::router::is_api;

/// Endings of names that exist in home networks only (RFC 6762, RFC 8375, ICANN, custom).
const LOCAL_NAMES: [&str; 5] = ["local", "home.arpa", "internal", "lan", "fritz.box"];

pub(super) fn refuse(context: &Context) -> Option<Response> {
    let Context { head, .. } = context;
    if let Err((status, why)) = validate_request(head) {
        return Some(respond::problem(status, why));
    }
    // A browser's preflight request never carries the token.
    if head.method == Method::OPTIONS || !is_api(head.uri.path()) {
        return None;
    }
    if !context.is_authorized {
        return Some(respond::unauthorized());
    }
    let is_refused = !is_reading(&head.method) && is_from_other_origin(&head.headers);
    is_refused.then(|| {
        respond::problem(StatusCode::FORBIDDEN, "web pages of other origins may only read")
    })
}

/// What HTTP demands and the library does not check.
fn validate_request(head: &Parts) -> Result<(), (StatusCode, &'static str)> {
    let Parts { headers, version, .. } = head;
    let hosts = headers.get_all(HOST).iter().count();
    let is_encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if hosts > 1 || (hosts == 0 && *version == Version::HTTP_11) {
        Err((StatusCode::BAD_REQUEST, "an HTTP/1.1 request needs exactly one Host header"))
    } else if headers.get_all(CONTENT_ENCODING).iter().any(is_encoded) {
        Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must not have a Content-Encoding"))
    } else {
        Ok(())
    }
}

pub(super) fn is_reading(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

pub(super) fn is_authorized(headers: &HeaderMap, token: Option<&SecretString>) -> bool {
    token.is_none_or(|token| bears(headers, token))
}

fn bears(headers: &HeaderMap, token: &SecretString) -> bool {
    only(headers, &AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()))
        .is_some_and(|given| given.ct_eq(token.expose_secret().as_bytes()).into())
}

/// Whether a browser sent the request for a page of another origin.
///
/// Browsers send some POST requests from any page without a preflight; programs send no `Origin`.
fn is_from_other_origin(headers: &HeaderMap) -> bool {
    if !headers.contains_key(ORIGIN) {
        return false;
    }
    let text = |name| only(headers, name).and_then(|value| value.to_str().ok());
    let page = text(&ORIGIN).and_then(|origin| origin.split_once("://"));
    match (page, text(&HOST)) {
        (Some((_, page)), Some(host)) => !page.eq_ignore_ascii_case(host) || !is_local(host),
        (_, _) => true,
    }
}

/// Whether the host is an address or a name that nobody can own on the internet: the owner of any
/// other name could point it at the bridge, and a page from there would seem to be the bridge's own.
fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
    let ends_in = |suffix: &&str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    is_address || !name.contains('.') || LOCAL_NAMES.iter().any(ends_in)
}

pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether the body is declared as JSON. For a page of another origin a browser sends that only
/// after a preflight, which is denied.
pub(super) fn declares_json(headers: &HeaderMap) -> bool {
    let value = only(headers, &CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The value of a header that must not be repeated: of two, each reader could believe another one.
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
        assert_eq!(bears(&headers, &"secret".into()), expected, "{value}");
    }

    #[test]
    fn accepts_only_the_whole_token() {
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
        assert!(!bears(&HeaderMap::new(), &"secret".into()));
    }

    #[test]
    fn an_empty_configured_token_admits_nobody() {
        assert!(!bears(&headers(&[(AUTHORIZATION, "Bearer ")]), &"".into()));
    }

    #[test]
    fn recognizes_json_by_its_content_type() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("text/plain; application/json", false),
            ("application/x-www-form-urlencoded", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(declares_json(&headers(&[(CONTENT_TYPE, value)])), expected, "{value}");
        }
        assert!(!declares_json(&HeaderMap::new()));
    }

    #[test]
    fn ignores_repeated_headers() {
        let json = (CONTENT_TYPE, "application/json");
        for other in [json.clone(), (CONTENT_TYPE, "text/plain")] {
            assert!(!declares_json(&headers(&[json.clone(), other])));
        }
        let (origin, host) = ((ORIGIN, "http://127.0.0.1"), (HOST, "127.0.0.1"));
        assert!(!is_from_other_origin(&headers(&[origin.clone(), host.clone()])));
        for other in [(ORIGIN, "https://example.org"), (HOST, "example.org")] {
            assert!(is_from_other_origin(&headers(&[origin.clone(), host.clone(), other])));
        }
        let token = (AUTHORIZATION, "Bearer secret");
        assert!(!bears(&headers(&[token.clone(), token]), &"secret".into()));
    }

    #[test]
    fn recognizes_pages_of_other_origins() {
        for (origin, expected) in [
            ("http://192.168.1.5:8080", false),
            ("http://192.168.1.5", true),
            ("https://example.org", true),
            ("null", true),
            ("", true),
        ] {
            let headers = headers(&[(ORIGIN, origin), (HOST, "192.168.1.5:8080")]);
            assert_eq!(is_from_other_origin(&headers), expected, "{origin}");
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
            assert_eq!(is_from_other_origin(&headers), expected, "{host}");
        }
        assert!(!is_from_other_origin(&headers(&[(HOST, "192.168.1.5:8080")])));
    }

    #[track_caller]
    fn check_request(version: Version, headers: &[(&str, &str)], expected: Option<u16>) {
        let mut request = hyper::Request::get("/ready").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let status = validate_request(&head).err().map(|(status, _)| status.as_u16());
        assert_eq!(status, expected, "{version:?} {headers:?}");
    }

    #[test]
    fn rejects_requests_without_one_host_or_with_an_encoded_body() {
        let host = ("host", "bridge");
        check_request(Version::HTTP_11, &[host], None);
        check_request(Version::HTTP_11, &[], Some(400));
        check_request(Version::HTTP_10, &[], None);
        check_request(Version::HTTP_10, &[host, host], Some(400));
        check_request(Version::HTTP_11, &[host, host], Some(400));
        for (encoding, expected) in
            [("identity", None), ("gzip", Some(415)), ("", Some(415)), ("identity, br", Some(415))]
        {
            check_request(Version::HTTP_11, &[host, ("content-encoding", encoding)], expected);
        }
    }
}
