//! What makes the head of a request ambiguous, or its body unreadable: refused whatever it asks for. Pure.
//!
//! A proxy before the bridge could understand such a request in another way than the bridge does,
//! and take the rest of it for the request of somebody else.

use hyper::header::{CONTENT_ENCODING, HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{StatusCode, Version};

/// Marks a request that does not tell clearly where it ends, which its headers hide.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnclearEnd;

/// The status and the reason with which a request is refused.
pub(super) fn fault(request: &Parts) -> Option<(StatusCode, &'static str)> {
    let Parts { headers, version, extensions, .. } = request;
    let hosts = headers.get_all(HOST).iter().count();
    let is_only = |value: &str, word: &str| value.trim().eq_ignore_ascii_case(word);
    let mut coded = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str());
    let mut sent = headers.get_all(TRANSFER_ENCODING).iter().map(|value| value.to_str());
    let is_sent_plainly = match (sent.next(), sent.next()) {
        (None, _) => true,
        (Some(Ok(value)), None) => is_only(value, "chunked"),
        (Some(_), _) => false,
    };
    if hosts > 1 || (hosts == 0 && *version == Version::HTTP_11) {
        Some((
            StatusCode::BAD_REQUEST,
            "a request of HTTP/1.1 has one Host header, not more or less",
        ))
    } else if extensions.get::<UnclearEnd>().is_some() {
        let why = "a request tells where it ends in one way: a Content-Length or \
                   `Transfer-Encoding: chunked`, in plain digits";
        Some((StatusCode::BAD_REQUEST, why))
    } else if !is_sent_plainly {
        Some((StatusCode::BAD_REQUEST, "of all Transfer-Encodings only `chunked` is taken, once"))
    } else if coded.any(|value| !value.is_ok_and(|value| is_only(value, "identity"))) {
        let why = "the body is taken as it is, without a Content-Encoding";
        Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, why))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[track_caller]
    fn check(version: Version, headers: &[(&str, &str)], expected: Option<u16>) {
        let mut request = Request::get("/ready").version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (request, ()) = request.body(()).unwrap().into_parts();
        let status = fault(&request).map(|(status, _)| status.as_u16());
        assert_eq!(status, expected, "{version:?} {headers:?}");
    }

    #[test]
    fn a_head_that_two_readers_could_take_differently_is_refused() {
        let host = ("host", "bridge");
        check(Version::HTTP_11, &[host], None);
        check(Version::HTTP_11, &[], Some(400));
        check(Version::HTTP_10, &[], None);
        for version in [Version::HTTP_10, Version::HTTP_11] {
            check(version, &[host, host], Some(400));
        }
        for (name, value, expected) in [
            ("transfer-encoding", "chunked", None),
            ("transfer-encoding", "Chunked ", None),
            ("transfer-encoding", "gzip, chunked", Some(400)),
            ("transfer-encoding", "chunked, chunked", Some(400)),
            ("transfer-encoding", "identity", Some(400)),
            ("content-encoding", "gzip", Some(415)),
            ("content-encoding", "", Some(415)),
            ("content-encoding", "identity", None),
            ("content-encoding", "identity, br", Some(415)),
        ] {
            check(Version::HTTP_11, &[host, (name, value)], expected);
        }
        let chunked = ("transfer-encoding", "chunked");
        check(Version::HTTP_11, &[host, chunked, chunked], Some(400));
        let coded = [host, ("content-encoding", "identity"), ("content-encoding", "gzip")];
        check(Version::HTTP_11, &coded, Some(415));
    }
}
