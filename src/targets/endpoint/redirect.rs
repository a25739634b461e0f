//! Where a redirection leads.

use url::Url;

use super::Endpoint;

impl Endpoint {
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
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

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
