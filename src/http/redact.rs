//! Makes a report fit to be published: serial numbers keep their first four digits; addresses, host
//! names and the names of targets are replaced, each always by the same word.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The words that were replaced, for one report.
#[derive(Debug, Default)]
pub(super) struct Redactor {
    /// Names to hide, longest first, with what stands for each.
    names: Vec<(String, String)>,
    addresses: BTreeMap<IpAddr, String>,
    serials: BTreeMap<String, String>,
}

impl Redactor {
    /// Hides these host names and names of targets, besides what looks like an address or a serial
    /// number. Neither addresses nor names of one letter are names.
    pub(super) fn new(hosts: &[String], targets: &[String]) -> Self {
        let mut redactor = Self::default();
        let numbered = |kind: &'static str, names: &[String]| {
            let mut names: Vec<String> = names
                .iter()
                .filter(|name| name.chars().count() > 1 && name.parse::<IpAddr>().is_err())
                .cloned()
                .collect();
            names.sort();
            names.dedup();
            let stand_in = move |(place, name)| (name, format!("{kind}-{}", place + 1));
            names.into_iter().enumerate().map(stand_in).collect::<Vec<_>>()
        };
        redactor.names = numbered("host", hosts);
        redactor.names.extend(numbered("target", targets));
        redactor.names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        redactor
    }

    /// The text without what must not be published.
    pub(super) fn redact(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, stand_in) in &self.names {
            text = replace_word(&text, name, stand_in);
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || ".:%-_".contains(c);
        let mut redacted = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(begin) = rest.find(is_word) {
            let (before, tail) = rest.split_at(begin);
            let end = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
            let (word, after) = tail.split_at(end);
            redacted.push_str(before);
            redacted.push_str(&self.word(word));
            rest = after;
        }
        redacted.push_str(rest);
        redacted
    }

    /// A word may be an address, an address with a port, or have punctuation behind it.
    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':', '-']);
        let (_, punctuation) = word.split_at_checked(bare.len()).unwrap_or((word, ""));
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.address(address) + punctuation;
        }
        if let Some((host, port)) = bare.rsplit_once(':')
            && let Ok(address) = host.parse::<IpAddr>()
        {
            return format!("{}:{port}{punctuation}", self.address(address));
        }
        let parts = bare.split_inclusive(['.', ':', '-', '_', '%']);
        let parts: String = parts.map(|part| self.serial(part)).collect();
        parts + punctuation
    }

    /// Addresses that every machine has say nothing.
    fn address(&mut self, address: IpAddr) -> String {
        if address.is_loopback() || address.is_unspecified() {
            return address.to_string();
        }
        let next = self.addresses.len() + 1;
        self.addresses.entry(address).or_insert_with(|| format!("address-{next}")).clone()
    }

    fn serial(&mut self, part: &str) -> String {
        let bare = part.trim_end_matches(['.', ':', '-', '_', '%']);
        let is_serial = bare.len() == 12
            && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
            && bare.bytes().take(2).all(|byte| byte.is_ascii_digit());
        let (Some(family), true) = (bare.get(..4), is_serial) else { return part.to_owned() };
        let next = self.serials.len() + 1;
        let stand_in = self
            .serials
            .entry(bare.to_ascii_lowercase())
            .or_insert_with(|| format!("{family}-inverter-{next}"));
        part.replacen(bare, stand_in, 1)
    }
}

/// Replaces `word` where it does not stand within another one.
fn replace_word(text: &str, word: &str, stand_in: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(word) {
        let (before, tail) = rest.split_at(begin);
        let after = tail.strip_prefix(word).unwrap_or_default();
        let is_letter = |c: char| c.is_alphanumeric();
        let is_within = replaced.chars().chain(before.chars()).next_back().is_some_and(is_letter)
            || after.chars().next().is_some_and(is_letter);
        replaced.push_str(before);
        replaced.push_str(if is_within { word } else { stand_in });
        rest = after;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_consistently_and_keeps_the_rest() {
        let hosts = ["roof.example", "10.0.0.9", "ha"].map(str::to_owned);
        let targets = ["Home Assistant".to_owned()];
        let mut redactor = Redactor::new(&hosts, &targets);
        for (text, expected) in [
            ("GET /api/inverters from 192.168.1.23", "GET /api/inverters from address-1"),
            ("192.168.1.23:502, 192.168.1.24.", "address-1:502, address-2."),
            ("dtu at [fd00::5]:502", "dtu at [address-3]:502"),
            ("listen 0.0.0.0:8080 and 127.0.0.1", "listen 0.0.0.0:8080 and 127.0.0.1"),
            ("ws://roof.example:8123/... ha chart", "ws://host-2:8123/... host-1 chart"),
            ("Connected to: Home Assistant", "Connected to: target-1"),
            (r#""1161A0000001" 1161a0000001"#, r#""1161-inverter-1" 1161-inverter-1"#),
            ("at 2026-06-10T12:00:00+02:00 v0.1.0", "at 2026-06-10T12:00:00+02:00 v0.1.0"),
            ("1234567890123 12345678901", "1234567890123 12345678901"),
        ] {
            assert_eq!(redactor.redact(text), expected);
        }
    }
}
