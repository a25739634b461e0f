//! The dashboard: the page that browsers get at `/`, and its files under `/assets/`.
//!
//! `build.rs` takes them from `web/`. Home Assistant shows the page as the add-on's panel, below a
//! path of its own: it refers to everything by relative paths.

use bytes::Bytes;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, HeaderName, HeaderValue, VARY};
use hyper::{HeaderMap, StatusCode};
use serde_json::json;

use super::Api;
use super::access::Authorization;
use super::cache::accepts;
use super::request::Context;
use super::respond::{self, Response};

include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// One file, whose name changes with its content.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
    brotli: &'static [u8],
}

/// Where the page takes its first values from, so that it needs no further request to show them.
const START: &str = r#"<script type="application/json" id="start">{}</script>"#;

/// Nothing is loaded from elsewhere, and no text of a device can become code.
const POLICY: &str = "default-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; frame-ancestors 'self'; \
                      form-action 'self'";

/// Whether the client is a browser: browsers name what they can show, programs do not.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    all.any(|value| value.contains("text/html"))
}

/// The page; with the plant in it, if this client may see it.
pub(super) fn page(context: &Context) -> Response {
    let Context { api, head, client, .. } = context;
    let start = match api.access.authorize(head, client, false) {
        Authorization::Granted(session) => start(api, session.is_some()),
        // The login says the rest.
        Authorization::Missing | Authorization::Wrong | Authorization::Throttled(_) => {
            r#"{"is_locked":true}"#.to_owned()
        }
    };
    let start = format!(r#"<script type="application/json" id="start">{start}</script>"#);
    let mut response = respond::page(PAGE.replacen(START, &start, 1));
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-cache"),
        (VARY, "Accept"),
        (HeaderName::from_static("content-security-policy"), POLICY),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the page starts with: the newest update and the targets.
fn start(api: &Api, has_session: bool) -> String {
    let update = api.snapshot.latest().update_json();
    let update = String::from_utf8_lossy(&update);
    let targets = json!(api.targets.statuses(&api.zone));
    let zone = json!(api.zone.iana_name());
    let start = format!(
        r#"{{"has_session":{has_session},"timezone":{zone},"targets":{targets},"update":{update}}}"#
    );
    // JSON has this letter in texts only. There it must not end the script.
    start.replace('<', r"\u003c")
}

/// `GET /assets/{name}`.
pub(super) fn asset(context: &Context) -> Response {
    let name = &*context.parameter;
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let Some(asset) = found else {
        let message = "no such file; reload the page, which belongs to another version";
        return respond::problem(StatusCode::NOT_FOUND, message);
    };
    let headers = &context.head.headers;
    let forms = [(Some("br"), asset.brotli), (Some("gzip"), asset.gzip), (None, asset.plain)];
    let is_taken = |encoding: Option<&str>| encoding.is_none_or(|name| accepts(headers, name));
    let smaller = |bytes: &[u8]| bytes.len() < asset.plain.len();
    let (encoding, bytes) = forms
        .into_iter()
        .find(|&(encoding, bytes)| is_taken(encoding) && (encoding.is_none() || smaller(bytes)))
        .unwrap_or((None, asset.plain));
    let mut response =
        respond::with_type(StatusCode::OK, asset.content_type, Bytes::from_static(bytes));
    let headers = response.headers_mut();
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    for (name, value) in [
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (VARY, "Accept-Encoding"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
