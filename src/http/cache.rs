//! Bodies that are made once per snapshot: plain, compressed, and with an `ETag`.

use std::hash::{DefaultHasher, Hasher as _};
use std::io::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    VARY,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::Api;
use super::respond::{self, Content, Response};
use crate::snapshot::Snapshot;

/// Smaller bodies are sent as they are: compressed they would hardly be smaller.
const LEAST_COMPRESSED: usize = 1_024;

/// A list or object of the API that is the same until the next snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource {
    Inverters,
    Ports,
    Meters,
    Plant,
}

/// The bodies of the newest snapshot that was asked for.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<Arc<Bodies>>>);

#[derive(Debug)]
struct Bodies {
    snapshot: Arc<Snapshot>,
    bodies: [OnceLock<Cached>; 4],
}

#[derive(Debug)]
struct Cached {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    etag: String,
}

impl Cache {
    /// The response with `resource`, whose body `make` makes of the snapshot once.
    pub(super) fn respond(
        &self,
        api: &Api,
        head: &Parts,
        resource: Resource,
        make: fn(&Snapshot, &Api) -> Bytes,
    ) -> Response {
        let bodies = self.bodies(&api.snapshot.latest());
        let Some(slot) = bodies.bodies.get(resource as usize) else {
            return respond::json(make(&bodies.snapshot, api));
        };
        let cached = slot.get_or_init(|| Cached::new(make(&bodies.snapshot, api)));
        cached.respond(head)
    }

    fn bodies(&self, latest: &Arc<Snapshot>) -> Arc<Bodies> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bodies) = cached.as_ref().filter(|one| Arc::ptr_eq(&one.snapshot, latest)) {
            return Arc::clone(bodies);
        }
        let snapshot = Arc::clone(latest);
        let bodies = Arc::new(Bodies { snapshot, bodies: Default::default() });
        *cached = Some(Arc::clone(&bodies));
        bodies
    }
}

impl Cached {
    fn new(plain: Bytes) -> Self {
        let etag = etag(&plain);
        Self { plain, gzip: OnceLock::new(), etag }
    }

    fn respond(&self, head: &Parts) -> Response {
        let is_known = if_none_match(&head.headers, &self.etag);
        let mut response = if is_known {
            respond::empty(StatusCode::NOT_MODIFIED)
        } else if self.plain.len() >= LEAST_COMPRESSED && accepts(&head.headers, "gzip") {
            let gzip = self.gzip.get_or_init(|| gzip(&self.plain)).clone();
            respond::with(respond::json(gzip), CONTENT_ENCODING, "gzip")
        } else {
            respond::json(self.plain.clone())
        };
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            response.headers_mut().insert(ETAG, etag);
        }
        let response = respond::with(response, CACHE_CONTROL, "no-cache");
        respond::with(response, VARY, "Accept-Encoding")
    }
}

/// A weak tag of this body.
pub(super) fn etag(body: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(body);
    format!("W/\"{:016x}\"", hasher.finish())
}

pub(super) fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    // Weak comparison (RFC 9110, 8.8.3.2).
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let own = opaque(etag);
    values.flat_map(|value| value.split(',')).any(|tag| tag.trim() == "*" || opaque(tag) == own)
}

/// Whether the client takes this encoding.
pub(super) fn accepts(headers: &HeaderMap, encoding: &str) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any = None;
    for entry in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = parameters.trim().strip_prefix("q=").map(str::trim);
        let is_wanted = weight.and_then(|q| q.parse::<f32>().ok()).is_none_or(|q| q > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case(encoding) => return is_wanted,
            "*" => any = Some(is_wanted),
            _ => {}
        }
    }
    any.unwrap_or(false)
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _written = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

/// Compresses a larger answer that was made for this request only, such as the metrics.
pub(super) fn compress(mut response: Response, method: &Method, request: &HeaderMap) -> Response {
    let is_candidate = match response.body() {
        Content::Whole(body) => body.len() >= LEAST_COMPRESSED,
        Content::Stream(_) => false,
    };
    if !is_candidate || response.headers().contains_key(CONTENT_ENCODING) {
        return response;
    }
    add_vary(&mut response, "Accept-Encoding");
    if *method == Method::HEAD || !accepts(request, "gzip") || is_compressed(&response) {
        return response;
    }
    let compressed = match response.body() {
        Content::Whole(body) => gzip(body),
        Content::Stream(_) => return response,
    };
    *response.body_mut() = Content::Whole(compressed);
    respond::with(response, CONTENT_ENCODING, "gzip")
}

/// Pictures, fonts and archives.
fn is_compressed(response: &Response) -> bool {
    let kind = response.headers().get(hyper::header::CONTENT_TYPE);
    let kind = kind.and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["image/png", "font/", "application/zip"].iter().any(|known| kind.starts_with(known))
}

/// Says that the answer depends on this header of the request, too.
pub(super) fn add_vary(response: &mut Response, name: &'static str) {
    let has = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').any(|one| one.trim() == name))
    };
    if !response.headers().get_all(VARY).iter().any(has) {
        response.headers_mut().append(VARY, HeaderValue::from_static(name));
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn an_encoding_is_used_only_if_the_client_takes_it() {
        for (value, expected) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5, br", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("*", true),
            ("*;q=0, br", false),
            ("br, identity", false),
            ("", false),
        ] {
            assert_eq!(accepts(&headers(ACCEPT_ENCODING, value), "gzip"), expected, "{value}");
        }
        assert!(!accepts(&HeaderMap::new(), "gzip"));
    }

    #[test]
    fn tags_are_compared_weakly() {
        for (value, expected) in [
            ("W/\"1f\"", true),
            ("\"1f\"", true),
            ("\"0\", W/\"1f\"", true),
            ("*", true),
            ("\"1F\"", false),
            ("1f", false),
            ("", false),
        ] {
            let found = if_none_match(&headers(IF_NONE_MATCH, value), "W/\"1f\"");
            assert_eq!(found, expected, "{value}");
        }
    }
}
