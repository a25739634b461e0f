//! Who may do what: the token and sessions, web pages of other origins, and names that anybody could own.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HOST,
    HeaderName, HeaderValue, ORIGIN,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method, StatusCode, Version};
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::client::Client;
use super::request_log::Window;
use super::respond::{self, Response};
use super::session::{Sessions, WrongTokens};
use crate::config::HttpConfig;

/// Endings of names that exist in home networks only (RFC 6762, RFC 8375, ICANN, custom).
const LOCAL_NAMES: [&str; 5] = ["local", "home.arpa", "internal", "lan", "fritz.box"];
const SESSION_COOKIE: &str = "hoymiles_session";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Refusals logged per minute.
const MOST_LOGGED: u32 = 60;

/// The rules of `[http]`, with the sessions and wrong tokens of this process.
#[derive(Debug)]
pub(super) struct Access {
    token: Option<SecretString>,
    allowed_origins: Vec<String>,
    hosts: Vec<String>,
    trusted_proxies: Vec<IpNet>,
    /// The proxy of Home Assistant's add-ons, which has asked for a login.
    ingress_proxy: Option<IpAddr>,
    /// This machine's name.
    machine: String,
    sessions: Sessions,
    wrong_tokens: WrongTokens,
    logged: Mutex<Window>,
}

/// Whether a request has shown the token.
#[derive(Debug)]
pub(super) enum Authorization {
    /// It has, or none is configured. If it came with a session, what is cancelled at its end.
    Granted(Option<CancellationToken>),
    Missing,
    Wrong,
    /// Too many wrong ones came from its address; for how long the right one is refused, too.
    Throttled(Duration),
}

/// What a session cookie needs.
pub(super) enum SessionError {
    Wrong,
    Throttled(Duration),
    /// The system has no random numbers.
    Unavailable,
}

impl Access {
    /// The rules of this configuration. Requests that arrive from `ingress_proxy` have passed the
    /// login of Home Assistant.
    pub(super) fn new(config: &HttpConfig, ingress_proxy: Option<IpAddr>) -> Self {
        let mut trusted_proxies = config.trusted_proxies.clone();
        trusted_proxies.extend(ingress_proxy.map(IpNet::from));
        let machine = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        Self {
            token: config.token.clone(),
            allowed_origins: config.allowed_origins.clone(),
            hosts: config.hosts.clone(),
            trusted_proxies,
            ingress_proxy,
            machine,
            sessions: Sessions::default(),
            wrong_tokens: WrongTokens::default(),
            logged: Mutex::default(),
        }
    }

    /// The client of a request that arrived from `peer`.
    pub(super) fn client(&self, head: &Parts, peer: IpAddr) -> Client {
        let is_logged_in = self.ingress_proxy == Some(peer.to_canonical());
        Client { is_logged_in, ..Client::of(head, peer, &self.trusted_proxies) }
    }

    /// Whether the request may have what the token protects. Counts wrong tokens, so it is called
    /// once for each request. `may_be_in_query`: browsers cannot send a header with a stream.
    pub(super) fn authorize(
        &self,
        head: &Parts,
        client: &Client,
        may_be_in_query: bool,
    ) -> Authorization {
        if self.token.is_none() || client.is_logged_in {
            return Authorization::Granted(None);
        }
        let in_query = || token_in_query(head.uri.query().unwrap_or_default());
        let given = match only(&head.headers, &AUTHORIZATION).map(HeaderValue::as_bytes) {
            Some(value) => bearer(value).map(<[u8]>::to_vec),
            None if may_be_in_query => in_query(),
            None => None,
        };
        if let Some(given) = given {
            return self.check(&given, client.address);
        }
        match session_cookie(&head.headers).and_then(|value| self.sessions.find(value)) {
            Some(ended) => Authorization::Granted(Some(ended)),
            None => Authorization::Missing,
        }
    }

    /// Whether that is the token. Counts and logs wrong ones.
    pub(super) fn check(&self, given: &[u8], address: IpAddr) -> Authorization {
        let Some(token) = &self.token else { return Authorization::Granted(None) };
        if let Some(wait) = self.wrong_tokens.wait(address) {
            return Authorization::Throttled(wait);
        }
        let token = token.expose_secret().as_bytes();
        if !token.is_empty() && bool::from(given.ct_eq(token)) {
            return Authorization::Granted(None);
        }
        let is_last = self.wrong_tokens.note(address);
        self.log(&format_args!(
            "a wrong token came from {address}; send the token of [http] in the configuration"
        ));
        if is_last {
            warn!(
                "[HTTP] ten wrong tokens within a minute came from {address}: it is refused for up \
                 to a minute; correct the program that sends them"
            );
        }
        Authorization::Wrong
    }

    /// Begins a browser session for the right token; the value of its cookie, or `None` if no token
    /// is configured.
    pub(super) fn begin_session(
        &self,
        token: &str,
        client: &Client,
    ) -> Result<Option<String>, SessionError> {
        match self.check(token.as_bytes(), client.address) {
            Authorization::Granted(_) if self.token.is_none() => Ok(None),
            Authorization::Granted(_) => {
                let value = self.sessions.begin().ok_or(SessionError::Unavailable)?;
                Ok(Some(cookie(&value, client)))
            }
            Authorization::Throttled(wait) => Err(SessionError::Throttled(wait)),
            Authorization::Missing | Authorization::Wrong => Err(SessionError::Wrong),
        }
    }

    /// Ends the session of this request and its streams; the cookie that removes the browser's.
    pub(super) fn end_session(&self, head: &Parts, client: &Client) -> String {
        if let Some(value) = session_cookie(&head.headers) {
            self.sessions.end(value);
        }
        format!("{}; Max-Age=0", cookie("", client))
    }

    /// Refuses what no route may have: malformed requests, and without a token browsers that were
    /// led here by a name that anybody could own.
    pub(super) fn refuse(&self, head: &Parts, client: &Client) -> Option<Response> {
        if let Err((status, why)) = validate_request(head) {
            return Some(respond::problem(status, why));
        }
        let is_browser =
            head.headers.contains_key(ORIGIN) || head.headers.contains_key(SEC_FETCH_SITE);
        let needs_own_host = self.token.is_none() && !client.is_logged_in && is_browser;
        if !needs_own_host || self.is_own_host(client.host.as_deref()) {
            return None;
        }
        let name = shown(client.host.as_deref());
        self.log(&format_args!(
            "a browser was refused that used the name {name}; if it is the bridge's, add it to \
             http.hosts, or set http.token"
        ));
        let message = format!(
            "{name} is not known as a name of this bridge; add it to http.hosts in the \
             configuration, or open the bridge by its IP address"
        );
        Some(respond::problem(StatusCode::MISDIRECTED_REQUEST, &message))
    }

    /// Refuses a change that a web page of another origin asks for.
    pub(super) fn refuse_foreign_change(&self, head: &Parts, client: &Client) -> Option<Response> {
        if let Some(origin) = foreign_origin(head, client) {
            let (origin, host) = (shown(origin.to_str().ok()), shown(client.host.as_deref()));
            self.log(&format_args!(
                "{} {} was refused: it came from a web page of {origin}, but this is {host}; only \
                 the bridge's own pages may change anything",
                head.method,
                head.uri.path()
            ));
            let message = "web pages of other origins may only read";
            return Some(respond::problem(StatusCode::FORBIDDEN, message));
        }
        None
    }

    /// Refuses a WebSocket from a web page of a foreign origin. Programs send no origin.
    pub(super) fn refuse_upgrade(&self, head: &Parts, client: &Client) -> Option<Response> {
        let origin = foreign_origin(head, client)?;
        if self.allowed_origin(head).is_some() {
            return None;
        }
        let (origin, host) = (shown(origin.to_str().ok()), shown(client.host.as_deref()));
        self.log(&format_args!(
            "a WebSocket was refused: its page is of {origin}, but the bridge was asked as {host}; \
             add the origin to http.allowed_origins, or let the proxy pass the Host header and name \
             it in http.trusted_proxies"
        ));
        let message =
            format!("the page's origin {origin} is neither {host} nor in http.allowed_origins");
        Some(respond::problem(StatusCode::FORBIDDEN, &message))
    }

    /// The origin of the page that sent the request, if it may read.
    pub(super) fn allowed_origin<'head>(&self, head: &'head Parts) -> Option<&'head HeaderValue> {
        let origin = only(&head.headers, &ORIGIN)?;
        let name = origin.to_str().ok().filter(|name| *name != "null")?;
        let allows = |entry: &String| entry == "*" || entry.eq_ignore_ascii_case(name);
        self.allowed_origins.iter().any(allows).then_some(origin)
    }

    /// Whether answers differ by the origin of the page that asks.
    pub(super) fn depends_on_origin(&self) -> bool {
        !self.allowed_origins.is_empty()
    }

    /// Logs a refusal, which the owner does not see in the response.
    pub(super) fn log(&self, refusal: &impl Display) {
        let count = self.logged.lock().unwrap_or_else(PoisonError::into_inner).next();
        if count <= MOST_LOGGED {
            warn!("[HTTP] {refusal}");
        } else if count == MOST_LOGGED + 1 {
            warn!("[HTTP] more requests were refused within this minute; they are not logged");
        }
    }

    /// Whether the host is an address or a name that nobody can own on the internet: the owner of
    /// any other name could point it at the bridge, and a page from there would seem to be the
    /// bridge's own.
    fn is_own_host(&self, host: Option<&str>) -> bool {
        let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else {
            return false;
        };
        let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok();
        let ends_in =
            |suffix: &&str| name.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
        is_address
            || !name.contains('.')
            || name == self.machine
            || LOCAL_NAMES.iter().any(ends_in)
            || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
    }
}

/// Refuses a change whose body is not declared as JSON: browsers send those from any page without
/// asking the bridge first.
pub(super) fn refuse_other_than_json(head: &Parts) -> Option<Response> {
    let has_body = head.method == Method::POST
        || (is_change(&head.method) && head.headers.contains_key(CONTENT_TYPE));
    (has_body && !declares_json(&head.headers)).then(|| {
        let message = "the body must be JSON and say so, with one header `Content-Type: \
                       application/json` (curl: -H 'Content-Type: application/json')";
        respond::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    })
}

fn cookie(value: &str, client: &Client) -> String {
    let (prefix, secure) = (&client.prefix, if client.is_https { "; Secure" } else { "" });
    format!("{SESSION_COOKIE}={value}; Path={prefix}/; HttpOnly; SameSite=Strict{secure}")
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(SESSION_COOKIE)?.strip_prefix('='))
}

fn token_in_query(query: &str) -> Option<Vec<u8>> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == "token").map(|(_, token)| token.as_bytes().to_vec())
}

/// A value of a header in the log: short and without control characters.
fn shown(value: Option<&str>) -> String {
    let value = value.unwrap_or("nothing");
    value.chars().take(100).flat_map(char::escape_debug).collect()
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

/// The origin of the page that sent the request, unless it is one of the bridge's own pages.
fn foreign_origin<'head>(head: &'head Parts, client: &Client) -> Option<&'head HeaderValue> {
    let mut origins = head.headers.get_all(ORIGIN).iter();
    origins.find(|origin| !is_of_host(origin, client.host.as_deref()))
}

/// Whether a page of this origin is one of the host that was asked.
fn is_of_host(origin: &HeaderValue, host: Option<&str>) -> bool {
    let page = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    page.zip(host).is_some_and(|((_, page), host)| page.eq_ignore_ascii_case(host))
}

/// Whether the method may change something.
pub(super) fn is_change(method: &Method) -> bool {
    !is_reading(method) && *method != Method::OPTIONS
}

pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether the body is declared as JSON. For a page of another origin a browser sends that only
/// after a preflight, which is denied.
fn declares_json(headers: &HeaderMap) -> bool {
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
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().cloned();
        pairs.map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    fn head(path: &str, pairs: &[(&str, &str)]) -> Parts {
        let mut request = hyper::Request::get(path);
        for (name, value) in pairs {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn access(config: &HttpConfig) -> Access {
        Access { machine: "garage-pi.example".to_owned(), ..Access::new(config, None) }
    }

    fn with_token(token: &str) -> Access {
        access(&HttpConfig { token: Some(token.into()), ..HttpConfig::default() })
    }

    fn client(host: &str) -> Client {
        Client {
            address: IpAddr::from([192, 168, 1, 9]),
            host: Some(host.to_owned()),
            is_https: false,
            prefix: String::new(),
            is_logged_in: false,
        }
    }

    fn status(response: Option<Response>) -> Option<u16> {
        response.map(|response| response.status().as_u16())
    }

    #[test]
    fn requests_from_the_ingress_proxy_need_no_token() {
        let config = HttpConfig { token: Some("secret".into()), ..HttpConfig::default() };
        let proxy = IpAddr::from([172, 30, 32, 2]);
        let head = head(
            "/api/plant",
            &[
                ("host", "172.30.33.5:8080"),
                ("origin", "https://home.example"),
                ("x-forwarded-host", "home.example"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-ingress-path", "/api/hassio_ingress/aB3"),
            ],
        );
        let is_granted = |access: &Access, peer: IpAddr| {
            let client = access.client(&head, peer);
            matches!(access.authorize(&head, &client, false), Authorization::Granted(None))
        };
        let in_addon = Access::new(&config, Some(proxy));
        assert!(is_granted(&in_addon, proxy));
        assert!(is_granted(&in_addon, "::ffff:172.30.32.2".parse().unwrap()));
        for other in [[172, 30, 32, 3], [172, 30, 33, 5], [127, 0, 0, 1]] {
            assert!(!is_granted(&in_addon, IpAddr::from(other)), "{other:?}");
        }
        // Elsewhere the address has no meaning, not even as a trusted proxy.
        let trusted_proxies = vec![IpNet::from(proxy)];
        let elsewhere = Access::new(&HttpConfig { trusted_proxies, ..config.clone() }, None);
        assert!(!is_granted(&elsewhere, proxy));

        let client = in_addon.client(&head, proxy);
        assert_eq!(client.address, IpAddr::from([1, 2, 3, 4]));
        assert_eq!(client.prefix, "/api/hassio_ingress/aB3");
        assert!(in_addon.refuse_upgrade(&head, &client).is_none());
        // Without a token, too: the name is that of Home Assistant, not of a stranger.
        let open = Access::new(&HttpConfig::default(), Some(proxy));
        assert!(open.refuse(&head, &open.client(&head, proxy)).is_none());
    }

    #[track_caller]
    fn check_token(value: &str, expected: bool) {
        let head = head("/api/plant", &[("authorization", value)]);
        let authorization = with_token("secret").authorize(&head, &client("bridge"), false);
        let is_granted = matches!(authorization, Authorization::Granted(None));
        assert_eq!(is_granted, expected, "{value}: {authorization:?}");
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
    }

    #[test]
    fn the_query_has_a_token_for_streams_only() {
        let head = head("/api/ws?since=1&token=s%2Bcret", &[]);
        let access = with_token("s+cret");
        let ask = |may_be_in_query| access.authorize(&head, &client("bridge"), may_be_in_query);
        assert!(matches!(ask(true), Authorization::Granted(None)));
        assert!(matches!(ask(false), Authorization::Missing));
    }

    #[test]
    fn an_empty_configured_token_admits_nobody() {
        let authorization = with_token("").check(b"", IpAddr::from([1, 2, 3, 4]));
        assert!(matches!(authorization, Authorization::Wrong));
    }

    #[tokio::test]
    async fn after_ten_wrong_tokens_the_right_one_is_refused_too() {
        let access = with_token("secret");
        let address = IpAddr::from([1, 2, 3, 4]);
        for _ in 0..10 {
            assert!(matches!(access.check(b"wrong", address), Authorization::Wrong));
        }
        assert!(matches!(access.check(b"secret", address), Authorization::Throttled(_)));
        let other = IpAddr::from([1, 2, 3, 5]);
        assert!(matches!(access.check(b"secret", other), Authorization::Granted(None)));
    }

    #[tokio::test]
    async fn a_session_stands_for_the_token_until_it_ends() {
        let access = with_token("secret");
        let behind = Client { is_https: true, prefix: "/hoymiles".to_owned(), ..client("bridge") };
        assert!(matches!(access.begin_session("x", &behind), Err(SessionError::Wrong)));
        let cookie = access.begin_session("secret", &behind).ok().flatten().unwrap();
        let (pair, attributes) = cookie.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/hoymiles/; HttpOnly; SameSite=Strict; Secure");
        let head = head("/api/plant", &[("cookie", &format!("a=b; {pair}"))]);
        let Authorization::Granted(Some(ended)) = access.authorize(&head, &behind, false) else {
            panic!("the session is known");
        };
        let removal = access.end_session(&head, &behind);
        assert!(removal.starts_with("hoymiles_session=; ") && removal.ends_with("; Max-Age=0"));
        assert!(ended.is_cancelled());
        let again = access.authorize(&head, &behind, false);
        assert!(matches!(again, Authorization::Missing));
    }

    #[test]
    fn a_name_that_anybody_could_own_opens_nothing() {
        let access = access(&HttpConfig {
            hosts: vec!["solar.example".to_owned()],
            ..HttpConfig::default()
        });
        for (host, expected) in [
            ("192.168.1.5:8080", None),
            ("[fd00::5]:8080", None),
            ("localhost:8080", None),
            ("hoymiles-smiles:8080", None),
            ("bridge.local", None),
            ("bridge.fritz.box:8080", None),
            ("Solar.example", None),
            ("garage-pi.example:8080", None),
            ("rebound.example:8080", Some(421)),
            ("notlocal.example", Some(421)),
            ("evil.notlocal", Some(421)),
        ] {
            let browser = head("/", &[("host", host), ("sec-fetch-site", "none")]);
            assert_eq!(status(access.refuse(&browser, &client(host))), expected, "{host}");
            let program = head("/", &[("host", host)]);
            assert_eq!(status(access.refuse(&program, &client(host))), None, "{host}");
        }
        let browser = head("/", &[("host", "rebound.example"), ("sec-fetch-site", "none")]);
        assert_eq!(status(with_token("x").refuse(&browser, &client("rebound.example"))), None);
    }

    #[track_caller]
    fn check_origin(allowed: &[&str], origin: &str, reads: bool, upgrades: bool, changes: bool) {
        let allowed_origins = allowed.iter().map(|&entry| entry.to_owned()).collect();
        let access = access(&HttpConfig { allowed_origins, ..HttpConfig::default() });
        let (head, client) = (
            head("/api/ws", &[("origin", origin), ("content-type", "application/json")]),
            client("192.168.1.5:8080"),
        );
        assert_eq!(access.allowed_origin(&head).is_some(), reads, "{allowed:?} {origin}");
        let refused = access.refuse_upgrade(&head, &client);
        assert_eq!(status(refused), (!upgrades).then_some(403), "{allowed:?} {origin}");
        let refused = access.refuse_foreign_change(&head, &client);
        assert_eq!(status(refused), (!changes).then_some(403), "{allowed:?} {origin}");
    }

    #[test]
    fn pages_of_other_origins_read_only_if_they_are_listed() {
        let own = "http://192.168.1.5:8080";
        check_origin(&[], own, false, true, true);
        check_origin(&[], "http://192.168.1.5", false, false, false);
        check_origin(&[], "https://panel.example", false, false, false);
        check_origin(&["https://panel.example"], "https://panel.example", true, true, false);
        check_origin(&["https://panel.example"], "http://panel.example", false, false, false);
        check_origin(&["*"], "https://panel.example", true, true, false);
        check_origin(&["*"], "null", false, false, false);
    }

    #[test]
    fn a_change_declares_its_body_as_json() {
        let ask = |method: Method, pairs: &[(&str, &str)]| {
            let mut head = head("/api/x", pairs);
            head.method = method;
            status(refuse_other_than_json(&head))
        };
        assert_eq!(ask(Method::POST, &[("content-type", "application/json")]), None);
        assert_eq!(ask(Method::POST, &[("content-type", "text/plain")]), Some(415));
        assert_eq!(ask(Method::POST, &[]), Some(415));
        assert_eq!(ask(Method::DELETE, &[]), None);
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
