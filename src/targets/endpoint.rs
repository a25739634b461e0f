//! The URL of a target. It may carry a token, and is as secret as one.

use std::cmp::Reverse;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use crate::config::websocket_url::{UrlError, parse};

/// The path at which Home Assistant's component listens; it is no secret.
const KNOWN_PATH: &str = "/api/hoymiles_smiles/ws";
/// Shorter parts of a URL are no secrets.
const SHORTEST_SECRET: usize = 4;

/// A `ws://` or `wss://` URL with its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// Reads a URL. Only its host and port appear in an error.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse(text).map(|url| Self { url })
    }

    /// The same URL, with `token` as the query parameter `token`.
    #[must_use]
    pub fn with_token(mut self, token: &SecretString) -> Self {
        let others: Vec<(String, String)> = self
            .url
            .query_pairs()
            .filter(|(key, _)| key != "token")
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect();
        self.url
            .query_pairs_mut()
            .clear()
            .extend_pairs(others)
            .append_pair("token", token.expose_secret());
        self
    }

    /// What distinguishes targets: the URL without its query.
    pub fn key(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    /// The whole URL, token included.
    pub fn secret_url(&self) -> SecretString {
        SecretString::from(self.url.as_str())
    }

    /// The host, an IPv6 address without brackets.
    pub fn host(&self) -> String {
        match self.url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    /// The TCP port, that of the scheme if none is given.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// Host and port, as people write them.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.url.host_str().unwrap_or_default(), self.port())
    }

    /// What a log may show: nothing beyond host and port.
    pub fn place(&self) -> String {
        format!("{}://{}/...", self.url.scheme(), self.authority())
    }

    /// What the API may show: also a path that is no secret, and that there is a token.
    pub fn shown(&self) -> String {
        if self.url.path() != KNOWN_PATH {
            return self.place();
        }
        let token = if self.url.query().is_some() { "?token=***" } else { "" };
        format!("{}://{}{KNOWN_PATH}{token}", self.url.scheme(), self.authority())
    }

    /// `text` without the secrets of this URL, which a target may quote.
    pub fn redacted(&self, text: &str) -> String {
        let (path, query) = (self.url.path(), self.url.query().unwrap_or_default());
        let decoded = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let raw = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
        let path = (path != KNOWN_PATH).then(|| path.to_owned());
        let mut secrets: Vec<_> =
            decoded.chain(raw).chain(path).filter(|it| it.len() >= SHORTEST_SECRET).collect();
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_in_the_query_and_not_in_the_key() {
        let token = SecretString::from("a b&c");
        let endpoint = Endpoint::parse("ws://h:1/p?x=1&token=old").unwrap().with_token(&token);
        assert_eq!(endpoint.secret_url().expose_secret(), "ws://h:1/p?x=1&token=a+b%26c");
        assert_eq!(endpoint.key(), "ws://h:1/p");
    }

    #[test]
    fn shows_only_host_and_port_of_a_url_that_may_be_secret() {
        for (url, place, shown) in [
            (
                "ws://192.168.1.23:8123/api/hoymiles_smiles/ws?token=s3cret",
                "ws://192.168.1.23:8123/...",
                "ws://192.168.1.23:8123/api/hoymiles_smiles/ws?token=***",
            ),
            (
                "wss://ha.example/hook/s3cret",
                "wss://ha.example:443/...",
                "wss://ha.example:443/...",
            ),
            (
                "ws://[fd00::1]/s3cret?x=s3cret#s3cret",
                "ws://[fd00::1]:80/...",
                "ws://[fd00::1]:80/...",
            ),
        ] {
            let endpoint = Endpoint::parse(url).unwrap();
            assert_eq!((endpoint.place(), endpoint.shown()), (place.to_owned(), shown.to_owned()));
            assert!(!format!("{endpoint:?}").contains("s3cret"));
        }
    }

    #[test]
    fn hides_what_a_target_quotes_of_its_url() {
        let at = Endpoint::parse("ws://h:1/hook?token=s3%20cret&x=1").unwrap();
        let hidden = at.redacted("/hook: bad token s3 cret, written s3%20cret, x=1");
        assert_eq!(hidden, "***: bad token ***, written ***, x=1");
    }
}
