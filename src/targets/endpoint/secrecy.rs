//! What may be shown of a target's URL.

use std::fmt;

use super::Endpoint;

/// The path at which Home Assistant's component listens; it is no secret.
const KNOWN_PATH: &str = "/api/hoymiles_smiles/ws";

impl Endpoint {
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
    fn what_a_stranger_quotes_of_the_url_is_hidden() {
        let at = Endpoint::parse("ws://h:1/hook?token=s3%20cret&x=1").unwrap();
        let hidden = at.redacted("/hook: bad token s3 cret, written s3%20cret, x=1");
        assert_eq!(hidden, "***: bad token ***, written ***, x=1");
    }
}
