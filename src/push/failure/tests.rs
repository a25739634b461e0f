//! Every failure has its words, its label, its patience, and its place in docs/troubleshooting.md.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::SignedDuration;

use super::*;
use crate::link::state::Patience;

const DOCUMENT: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md"));

fn all() -> Vec<Failure> {
    let text = |words: &str| words.to_owned();
    let address = "192.168.1.23:8123".parse().unwrap();
    let ip: IpAddr = "8.8.8.8".parse().unwrap();
    let limit = Duration::from_secs(10);
    let mut all = vec![
        Failure::NameUnknown { host: text("ha.invalid"), detail: text("unknown") },
        Failure::Forbidden(Forbidden::NotListed(ip)),
        Failure::Forbidden(Forbidden::Never(ip)),
        Failure::Refused(address),
        Failure::NoRoute(address),
        Failure::Tcp { address, detail: text("out of luck") },
        Failure::UnknownIssuer,
        Failure::CertificateExpired(None),
        Failure::CertificateExpired(Some(Timestamp::UNIX_EPOCH)),
        Failure::CertificateNotYet(Some(Timestamp::UNIX_EPOCH)),
        Failure::WantsCertificate,
        Failure::WantsTls { status: 400 },
        Failure::OldHttp,
        Failure::NoRoute("[2001:db8::1]:8123".parse().unwrap()),
        Failure::CertificateOfAnother { host: text("ha.example") },
        Failure::CertificateIsAuthority,
        Failure::NotTls,
        Failure::Tls(text("alert")),
        Failure::CaFile(text("not there")),
        Failure::NotHttp,
        Failure::NotWebSocket(text("no key")),
        Failure::HungUp(Stage::Tls),
        Failure::HungUp(Stage::Upgrade),
        Failure::TokenRefused(text("no")),
        Failure::ClosedBadly { code: 999, reason: String::new() },
        Failure::Broken(text("reset")),
        Failure::Silent(limit),
        Failure::NotReading(limit),
        Failure::TooBig(1 << 20),
        Failure::Endless(3_000),
        Failure::Protocol(text("masked")),
        Failure::Replaced,
        Failure::Reconfigured,
        Failure::Removed,
        Failure::Stopping,
    ];
    all.extend(redirections());
    for stage in [Stage::Name, Stage::Tcp, Stage::Tls, Stage::Upgrade] {
        all.push(Failure::TimedOut { stage, limit, place: text("ha.example:8123") });
    }
    for status in [
        200, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 413, 418, 426, 429, 500, 502, 503,
        504,
    ] {
        all.push(Failure::Http { status, location: None, retry_after: None });
    }
    for code in (1000..=1013).filter(|code| ![1004, 1006].contains(code)) {
        all.push(Failure::Closed { code, reason: String::new() });
    }
    all
}

fn redirections() -> Vec<Failure> {
    let place = |port: u16| format!("wss://ha:{port}/...");
    let endless = [false, true].map(|is_circle| Failure::RedirectedOnAndOn {
        from: place(1),
        to: place(2),
        is_circle,
    });
    let ended = [1, 2].map(|port| Failure::Redirected {
        from: place(1),
        to: place(port),
        failure: Box::new(Failure::NotHttp),
    });
    [endless, ended].concat()
}

/// What of a cause is always the same, and so what users search for.
fn fixed_words(failure: &Failure) -> String {
    let words = match failure {
        Failure::NameUnknown { .. } => "does not resolve",
        Failure::Forbidden(Forbidden::NotListed(_)) => "is not allowed for registered targets",
        Failure::Forbidden(Forbidden::Never(_)) => "is no address of a target",
        Failure::Refused(_) => "connection refused by",
        Failure::NoRoute(_) => "no route to",
        Failure::Tcp { .. } => "cannot connect to",
        Failure::TimedOut { stage: Stage::Name, .. } => "was not resolved within",
        Failure::TimedOut { stage: Stage::Tcp, .. } => "no answer from",
        Failure::TimedOut { stage: Stage::Tls, .. } => "did not complete TLS within",
        Failure::TimedOut { stage: Stage::Upgrade, .. } => {
            "did not answer the WebSocket upgrade within"
        }
        Failure::UnknownIssuer => "the certificate's issuer is not trusted here",
        Failure::CertificateExpired(_) => "the certificate has expired",
        Failure::CertificateNotYet(_) => "the certificate is not valid yet",
        Failure::WantsCertificate => "the server wants a certificate of its clients",
        Failure::WantsTls { .. } => "from a port that speaks TLS",
        Failure::OldHttp => "the answer is HTTP/1.0",
        Failure::CertificateOfAnother { .. } => "the certificate is not for",
        Failure::CertificateIsAuthority => "the certificate is an authority's, not a server's",
        Failure::NotTls => "the other side does not speak TLS",
        Failure::Tls(_) => "TLS failed",
        Failure::CaFile(_) => "ca_file cannot be used",
        Failure::Http { status, .. } => return format!("HTTP {status}"),
        Failure::Redirected { .. } => "redirected by ",
        Failure::RedirectedOnAndOn { is_circle: true, .. } => "redirected in a circle",
        Failure::RedirectedOnAndOn { is_circle: false, .. } => "redirected too often",
        Failure::NotHttp => "the answer is not HTTP",
        Failure::NotWebSocket(_) => "the answer is not a WebSocket's",
        Failure::HungUp(Stage::Upgrade) => "hung up during the WebSocket upgrade",
        Failure::HungUp(_) => "hung up during the TLS handshake",
        Failure::TokenRefused(_) => "the target refused",
        Failure::Closed { code, .. } => return format!("code {code}"),
        Failure::ClosedBadly { .. } => "closed by the target with the invalid code",
        Failure::Broken(_) => "the connection broke (1006)",
        Failure::Silent(_) => "no answer to pings for",
        Failure::NotReading(_) => "the target took nothing for",
        Failure::TooBig(_) => "the target sent a message of more than",
        Failure::Endless(_) => "the target sent a message in more than",
        Failure::Protocol(_) => "the target broke the WebSocket protocol",
        Failure::Replaced => "the target was registered anew or deleted",
        Failure::Reconfigured => "its configuration changed",
        Failure::Removed => "it was removed from the configuration",
        Failure::Stopping => "the bridge stops (1001)",
    };
    words.to_owned()
}

#[test]
fn every_cause_stands_in_the_document() {
    for failure in all() {
        let (cause, words) = (failure.cause(), fixed_words(&failure));
        assert!(cause.contains(&words), "{words:?} is not in {cause:?}");
        let is_there = DOCUMENT.lines().any(|line| line.starts_with('|') && line.contains(&words));
        assert!(is_there, "the document has no row about {words:?}");
    }
}

#[test]
fn every_cause_but_our_own_doing_has_a_cure() {
    for failure in all() {
        let is_ours = matches!(
            failure,
            Failure::Replaced | Failure::Reconfigured | Failure::Removed | Failure::Stopping
        );
        let tells_itself = matches!(failure, Failure::Forbidden(_));
        assert_eq!(failure.cure().is_some(), !is_ours && !tells_itself, "{failure:?}");
        let text = failure.to_string();
        assert!(!text.contains('\n') && !text.ends_with('.') && !text.contains("  "), "{text}");
    }
}

#[test]
fn who_has_no_way_to_an_ipv6_address_is_told_of_ipv6() {
    let no_route = |address: &str| Failure::NoRoute(address.parse().unwrap()).to_string();
    assert!(no_route("[2001:db8::1]:8123").contains("use the IPv4 address"));
    assert!(!no_route("192.0.2.1:8123").contains("IPv"));
}

#[test]
fn what_home_assistant_itself_answers_is_told_from_a_proxy() {
    for (status, is_its_own) in [(404, true), (503, true), (502, false), (504, false)] {
        let failure = Failure::Http { status, location: None, retry_after: None };
        let cure = failure.cure().unwrap();
        assert_eq!(cure.contains("Hoymiles Smiles"), is_its_own, "{status}: {cure}");
        assert_eq!(cure.contains("a proxy answers"), status != 404, "{status}: {cure}");
    }
}

#[test]
fn labels_are_few_and_fit_a_metric() {
    let labels: BTreeSet<&str> = all().iter().map(Failure::label).collect();
    for label in &labels {
        assert!(label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    }
    let strange: BTreeSet<&str> = (0..=u16::MAX)
        .flat_map(|number| {
            let http = Failure::Http { status: number, location: None, retry_after: None };
            let closed = Failure::Closed { code: number, reason: String::new() };
            [http.label(), closed.label()]
        })
        .collect();
    assert!(labels.len() < 70 && strange.len() < 30, "{} {}", labels.len(), strange.len());
}

#[test]
fn a_target_is_left_alone_as_long_as_it_asks_within_reason() {
    let now = Timestamp::constant(1_790_000_000, 0);
    let asking = |retry_after| {
        let failure = Failure::Http { status: 429, location: None, retry_after: Some(retry_after) };
        let (from, to) = ("ws://ha:1/...".to_owned(), "ws://ha:2/...".to_owned());
        Failure::Redirected { from, to, failure: Box::new(failure) }
    };
    let http = |seconds| asking(RetryAfter::For(Duration::from_secs(seconds)));
    let until = |seconds| asking(RetryAfter::Until(now + SignedDuration::from_secs(seconds)));
    let closed = |code| Failure::Closed { code, reason: String::new() };
    let at_least = |seconds| Patience::AtLeast(Duration::from_secs(seconds));
    let refused = Failure::TokenRefused(String::new());
    let five_minutes = Patience::Exactly(Duration::from_secs(300));
    for (failure, is_registered, expected) in [
        (http(7), true, at_least(7)),
        (http(u64::MAX), true, at_least(300)),
        (until(7), true, at_least(7)),
        (until(-7), true, at_least(0)),
        (until(1_000_000), true, at_least(300)),
        (closed(1011), true, Patience::Usual),
        (closed(1012), true, at_least(5)),
        (closed(1013), true, at_least(30)),
        (refused.clone(), true, five_minutes),
        (refused, false, Patience::Usual),
        (Failure::UnknownIssuer, true, Patience::Usual),
    ] {
        assert_eq!(failure.patience(is_registered, now), expected, "{failure:?} {is_registered}");
    }
}
