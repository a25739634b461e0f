//! Where a target is: its URL, which may carry a token and is as secret as one.

mod secrecy;

use ::secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use crate::config::websocket_url::{UrlError, parse};

/// A `ws://` or `wss://` URL with its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// Reads a URL. Nothing of it but host and port appears in an error.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        parse(text).map(|url| Self { url })
    }

    /// The same place, with `token` as the query parameter `token`.
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

    /// What tells one target from another: the URL without its query.
    pub fn key(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        url.to_string()
    }

    /// The whole URL, token included.
    pub fn secret_url(&self) -> SecretString {
        SecretString::from(self.url.as_str())
    }

    /// The host as a look-up wants it: an IPv6 address without brackets.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_disguise_are_understood() {
        for url in ["ws://2130706433/", "ws://0x7f.1/", "ws://0177.0.0.1/", "ws://127.1/"] {
            assert_eq!(Endpoint::parse(url).unwrap().host(), "127.0.0.1", "{url}");
        }
    }

    #[test]
    fn a_token_is_put_into_the_query_and_is_no_part_of_the_key() {
        let token = SecretString::from("a b&c");
        let endpoint = Endpoint::parse("ws://h:1/p?x=1&token=old").unwrap().with_token(&token);
        assert_eq!(endpoint.secret_url().expose_secret(), "ws://h:1/p?x=1&token=a+b%26c");
        assert_eq!(endpoint.key(), "ws://h:1/p");
    }
}
