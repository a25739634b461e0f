//! Where a target is: its URL, which may carry a token and is as secret as one.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use url::{Host, Url};

/// Longer URLs are not URLs of targets.
const LONGEST_URL: usize = 2_048;
/// The path at which Home Assistant's component listens; it is no secret.
const KNOWN_PATH: &str = "/api/hoymiles_smiles/ws";

/// A `ws://` or `wss://` URL with its token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// Reads a URL. Nothing of it but host and port appears in an error.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.chars().any(|char| char.is_control() || char.is_whitespace()) {
            return Err(EndpointError::ControlCharacter);
        }
        let mut url =
            Url::parse(text).map_err(|error| EndpointError::Malformed(error.to_string()))?;
        match url.scheme() {
            "ws" | "wss" => {}
            "http" => return Err(EndpointError::Scheme("http")),
            "https" => return Err(EndpointError::Scheme("https")),
            // What stands before the first colon may be anything, a user name too.
            _ => return Err(EndpointError::OtherScheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo);
        }
        match url.host_str().filter(|host| !host.is_empty()) {
            None => return Err(EndpointError::NoHost),
            Some("ws" | "wss" | "http" | "https") if url.path().starts_with("//") => {
                return Err(EndpointError::TwoSchemes);
            }
            Some(_) => {}
        }
        if url.port() == Some(0) {
            return Err(EndpointError::Malformed("port 0 cannot be dialled".to_owned()));
        }
        url.set_fragment(None);
        if url.as_str().len() > LONGEST_URL {
            return Err(EndpointError::TooLong);
        }
        Ok(Self { url })
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

    /// The place that a redirection points to, if it is of the same host.
    pub fn redirected(&self, location: &str) -> Option<Self> {
        let mut url = self.url.join(location).ok()?;
        let scheme = match url.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return None,
        };
        // `set_scheme` refuses to go from http to ws, so the text is put together again.
        if url.scheme() != scheme {
            let rest = url.as_str().split_once(':').map(|(_, rest)| rest.to_owned())?;
            url = Url::parse(&format!("{scheme}:{rest}")).ok()?;
        }
        let mut endpoint = Self::parse(url.as_str()).ok()?;
        // Nor is the token sent in the clear to where it was meant to go encrypted.
        if endpoint.url.host() != self.url.host() || (self.is_tls() && !endpoint.is_tls()) {
            return None;
        }
        if endpoint.url.query().is_none() {
            endpoint.url.set_query(self.url.query());
        }
        Some(endpoint)
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

    /// `text` without what is secret of this URL: a stranger may quote it. Three letters are none.
    pub fn redacted(&self, text: &str) -> String {
        let (path, query) = (self.url.path(), self.url.query().unwrap_or_default());
        let decoded = self.url.query_pairs().map(|(_, value)| value.into_owned());
        let raw = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
        let path = (path != KNOWN_PATH).then(|| path.to_owned());
        let mut secrets: Vec<_> =
            decoded.chain(raw).chain(path).filter(|it| it.len() > 3).collect();
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    /// What a log may show: nothing beyond host and port.
    pub fn place(&self) -> String {
        format!("{}://{}/...", self.url.scheme(), self.authority())
    }

    /// What the API may show: a path that is no secret, and that there is a token.
    pub fn shown(&self) -> String {
        if self.url.path() != KNOWN_PATH {
            return self.place();
        }
        let token = if self.url.query().is_some() { "?token=***" } else { "" };
        format!("{}://{}{KNOWN_PATH}{token}", self.url.scheme(), self.authority())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

/// Why a URL is none of a target. The texts are for the one who wrote it and for the log: they quote
/// nothing of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// Not a URL.
    #[error("the URL cannot be read: {0}; expected ws://HOST:PORT/PATH")]
    Malformed(String),
    /// That of a web page.
    #[error("the URL begins with {0}:// but a target listens at ws:// or wss://")]
    Scheme(&'static str),
    /// Another scheme, or none.
    #[error("the URL does not begin with ws:// or wss://; expected ws://HOST:PORT/PATH")]
    OtherScheme,
    /// `user:password@`.
    #[error("the URL carries a user name or password; a token goes into the query instead")]
    UserInfo,
    /// A control character or a space.
    #[error("the URL contains a space or a control character")]
    ControlCharacter,
    /// No host.
    #[error("the URL names no host; expected ws://HOST:PORT/PATH")]
    NoHost,
    /// `ws://ws://...`: what Home Assistant makes of an internal URL that it does not accept.
    #[error(
        "the URL has two schemes; set Home Assistant's internal URL \
         (Settings, System, Network) to its address, as http://192.168.1.23:8123"
    )]
    TwoSchemes,
    /// Too long.
    #[error("the URL is longer than {LONGEST_URL} characters")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_are_shown_of_a_url_that_may_be_secret() {
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
    fn addresses_in_disguise_are_understood() {
        for url in ["ws://2130706433/", "ws://0x7f.1/", "ws://0177.0.0.1/", "ws://127.1/"] {
            assert_eq!(Endpoint::parse(url).unwrap().host(), "127.0.0.1", "{url}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_a_reason() {
        for (url, expected) in [
            ("http://127.0.0.1/ws", EndpointError::Scheme("http")),
            ("ws://user:s3cret@127.0.0.1/ws", EndpointError::UserInfo),
            ("ws://127.0.0.1/w s", EndpointError::ControlCharacter),
            ("ws://127.0.0.1/\n", EndpointError::ControlCharacter),
            ("ws://ws://homeassistant.local:8123/ws", EndpointError::TwoSchemes),
        ] {
            assert_eq!(Endpoint::parse(url), Err(expected), "{url}");
        }
        for url in [
            "s3cret:s3cret@ha:8123/?token=s3cret",
            "ws://s3cret:s3cret@ha/?token=s3cret",
            "http://s3cret@ha/s3cret?token=s3cret",
            "ws://ha:s3cret/?s3cret",
            "ws://[s3cret]/",
            "ws://ws://s3cret/?token=s3cret",
            "ws://ha/?token=s3cret s3cret",
            "s3cret",
        ] {
            let message = Endpoint::parse(url).unwrap_err().to_string();
            assert!(!message.contains("s3cret"), "{url}: {message}");
        }
        for url in ["", "127.0.0.1", "ws://", "ws://host:99999/", "ws://host:0/"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
        // What is taken in is stored as it is sent, three bytes for one, and read again.
        for long in ["x".repeat(3_000), "\u{e9}".repeat(500)] {
            let parsed = Endpoint::parse(&format!("ws://h/{long}"));
            assert_eq!(parsed, Err(EndpointError::TooLong), "{long}");
        }
    }

    #[test]
    fn a_token_is_put_into_the_query_and_is_no_part_of_the_key() {
        let token = SecretString::from("a b&c");
        let endpoint = Endpoint::parse("ws://h:1/p?x=1&token=old").unwrap().with_token(&token);
        assert_eq!(endpoint.secret_url().expose_secret(), "ws://h:1/p?x=1&token=a+b%26c");
        assert_eq!(endpoint.key(), "ws://h:1/p");
    }

    #[test]
    fn what_a_stranger_quotes_of_the_url_is_hidden() {
        let at = Endpoint::parse("ws://h:1/hook?token=s3%20cret&x=1").unwrap();
        let hidden = at.redacted("/hook: bad token s3 cret, written s3%20cret, x=1");
        assert_eq!(hidden, "***: bad token ***, written ***, x=1");
    }

    #[test]
    fn a_redirection_is_followed_within_the_host_only() {
        let endpoint = Endpoint::parse("ws://ha.local:8123/ws?token=t").unwrap();
        let to = |location| {
            endpoint.redirected(location).map(|to| to.secret_url().expose_secret().to_owned())
        };
        assert_eq!(to("/other").as_deref(), Some("ws://ha.local:8123/other?token=t"));
        assert_eq!(to("https://ha.local/ws").as_deref(), Some("wss://ha.local/ws?token=t"));
        assert_eq!(to("http://elsewhere/ws"), None);
        assert_eq!(to("//elsewhere/ws"), None);
        assert_eq!(to("http://ha.local@elsewhere/ws"), None);
        assert_eq!(to("ftp://ha.local/ws"), None);
        let encrypted = Endpoint::parse("wss://ha.local/ws?token=t").unwrap();
        assert!(encrypted.redirected("/other").is_some());
        assert!(encrypted.redirected("http://ha.local/ws").is_none());
    }
}
