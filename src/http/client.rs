//! Who sends a request: the client itself, or the one that a trusted proxy names.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName};
use hyper::http::request::Parts;
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// Home Assistant's ingress names its path so.
const INGRESS_PATH: HeaderName = HeaderName::from_static("x-ingress-path");

const LONGEST_PREFIX: usize = 200;

/// The client of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Host and port as the client wrote them: what a browser shows in its address bar.
    pub(super) host: Option<String>,
    pub(super) is_https: bool,
    /// The path below which a proxy serves the bridge, such as `/hoymiles`; empty without one.
    pub(super) prefix: String,
    /// Whether it has passed the login of Home Assistant, whose add-on this is.
    pub(super) is_logged_in: bool,
}

impl Client {
    /// The client of a request that arrived from `peer`. Forwarded headers count only if they come
    /// from one of the `trusted` proxies.
    pub(super) fn of(head: &Parts, peer: IpAddr, trusted: &[IpNet]) -> Self {
        let headers = &head.headers;
        let host = head.uri.authority().map(ToString::to_string).or_else(|| first(headers, &HOST));
        let peer = peer.to_canonical();
        let direct = Self {
            address: peer,
            host,
            is_https: false,
            prefix: String::new(),
            is_logged_in: false,
        };
        if !is_trusted(peer, trusted) {
            return direct;
        }
        let prefix = first(headers, &INGRESS_PATH).or_else(|| first(headers, &FORWARDED_PREFIX));
        Self {
            address: forwarded_for(headers, peer, trusted),
            host: first(headers, &FORWARDED_HOST).or(direct.host),
            is_https: first(headers, &FORWARDED_PROTO)
                .is_some_and(|proto| proto.eq_ignore_ascii_case("https")),
            prefix: prefix.and_then(|prefix| usable_prefix(&prefix)).unwrap_or_default(),
            is_logged_in: false,
        }
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The last address that is no trusted proxy: whatever stands before it, the client may have made up.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let values: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    let mut nearest = peer;
    for entry in values.iter().rev().flat_map(|value| value.rsplit(',')) {
        let Some(address) = address(entry.trim()) else { break };
        nearest = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    nearest
}

/// Some proxies add the port.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The first entry of a header: the proxy next to the client wrote it.
fn first(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    let entry = value.split(',').next().unwrap_or_default().trim();
    (!entry.is_empty()).then(|| entry.to_owned())
}

/// It becomes a part of pages and cookies, so it is a plain path or nothing.
fn usable_prefix(prefix: &str) -> Option<String> {
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let is_usable = prefix.starts_with('/')
        && !prefix.starts_with("//")
        && prefix.len() <= LONGEST_PREFIX
        && prefix.bytes().all(is_plain);
    is_usable.then(|| prefix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn client(peer: &str, headers: &[(&str, &str)]) -> Client {
        let trusted: Vec<IpNet> =
            ["10.0.0.0/8", "172.30.32.2/32"].map(|net| net.parse().unwrap()).into();
        let mut request = hyper::Request::get("/").header("host", "10.0.0.5:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Client::of(&head, peer.parse().unwrap(), &trusted)
    }

    #[track_caller]
    fn check_address(peer: &str, forwarded: &[&str], expected: &str) {
        let headers: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
        assert_eq!(client(peer, &headers).address.to_string(), expected, "{forwarded:?}");
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        check_address("192.168.1.9", &["1.2.3.4"], "192.168.1.9");
        check_address("10.0.0.1", &["1.2.3.4"], "1.2.3.4");
        check_address("::ffff:10.0.0.1", &["1.2.3.4:5678"], "1.2.3.4");
        check_address("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4");
        check_address("10.0.0.1", &["6.6.6.6", "1.2.3.4", "10.0.0.2"], "1.2.3.4");
        check_address("10.0.0.1", &["10.0.0.3"], "10.0.0.3");
        check_address("10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1");
        check_address("10.0.0.1", &["[fd00::7]:443"], "fd00::7");
        check_address("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn host_scheme_and_prefix_come_from_the_trusted_proxy() {
        let headers = [
            ("x-forwarded-host", "solar.example, inner"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/hoymiles/"),
        ];
        let behind = client("10.0.0.1", &headers);
        assert_eq!(behind.host.as_deref(), Some("solar.example"));
        assert!(behind.is_https);
        assert_eq!(behind.prefix, "/hoymiles");
        let direct = client("192.168.1.9", &headers);
        assert_eq!((direct.host.as_deref(), direct.is_https), (Some("10.0.0.5:8080"), false));
        assert_eq!(direct.prefix, "");
        let ingress = client("172.30.32.2", &[("x-ingress-path", "/api/hassio_ingress/aB3_-x")]);
        assert_eq!(ingress.prefix, "/api/hassio_ingress/aB3_-x");
    }

    #[test]
    fn a_prefix_that_is_no_plain_path_is_ignored() {
        for prefix in ["hoymiles", "//evil.example", "/a b", "/a\"><script>", "/", "/;x", ""] {
            assert_eq!(
                client("10.0.0.1", &[("x-forwarded-prefix", prefix)]).prefix,
                "",
                "{prefix}"
            );
        }
    }
}
