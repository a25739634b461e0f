//! What is taken for the URL of a target, what is not, and what is said of it.

use super::*;

#[test]
fn what_is_no_target_is_refused_with_a_reason() {
    for (url, expected) in [
        ("http://127.0.0.1/ws", UrlError::Scheme("http")),
        ("HTTPS://127.0.0.1/ws", UrlError::Scheme("https")),
        ("127.0.0.1", UrlError::OtherScheme),
        ("", UrlError::OtherScheme),
        ("ha.local:8123/ws", UrlError::OtherScheme),
        ("ws://user:s3cret@127.0.0.1/ws", UrlError::UserInfo),
        ("ws://127.0.0.1/w s", UrlError::ControlCharacter),
        ("ws://127.0.0.1/\n", UrlError::ControlCharacter),
        ("ws://ha\u{200b}.local/", UrlError::Invisible('\u{200b}')),
        ("ws://ha/\u{202e}sw", UrlError::Invisible('\u{202e}')),
        ("ws://ws://homeassistant.local:8123/ws", UrlError::TwoSchemes),
        ("ws://http://homeassistant.local:8123/ws", UrlError::TwoSchemes),
        // What the library would mend in silence.
        ("ws://@host", UrlError::UserInfo),
        ("ws://:@host", UrlError::UserInfo),
        ("ws://@", UrlError::UserInfo),
        ("ws:///host", UrlError::NoHost),
        ("ws:////host/ws", UrlError::NoHost),
        ("ws://", UrlError::NoHost),
        ("ws://?token=x", UrlError::NoHost),
        ("ws://:8123/", UrlError::NoHost),
        ("ws://./", UrlError::NoHost),
        ("wss:host/a", UrlError::NoSlashes),
        ("ws:/host/a", UrlError::NoSlashes),
        (r"ws:\\host", UrlError::Backslash),
        (r"ws:/\host", UrlError::Backslash),
        (r"ws://host\ws", UrlError::Backslash),
        ("ws://host:/ws", UrlError::NoPort),
        ("ws://ha..local/", UrlError::EmptyLabel),
        ("ws://.local/", UrlError::EmptyLabel),
        ("ws://host../", UrlError::EmptyLabel),
        // What can never be reached.
        ("ws://[fe80::1]/", UrlError::LinkLocal),
        ("ws://[fe80::1%25eth0]:8123/", UrlError::LinkLocal),
        ("ws://[febf::1]:8123/", UrlError::LinkLocal),
    ] {
        assert_eq!(parse(url), Err(expected), "{url}");
    }
    for url in ["ws://host:99999/", "ws://host:0/", "ws://[::1/", "ws://1.2.3.256/"] {
        assert!(matches!(parse(url), Err(UrlError::Malformed(_))), "{url}");
    }
}

#[test]
fn a_name_is_as_long_as_the_dns_has_them() {
    let label = |length| "x".repeat(length);
    let host = |last| [label(63), label(63), label(63), label(last)].join(".");
    for good in [label(63), host(61), host(61) + "."] {
        assert!(parse(&format!("ws://{good}/")).is_ok(), "{good}");
    }
    // An umlaut takes more room in the DNS than on paper.
    for long in [label(64), format!("a.{}.de", label(64)), host(62), "ü".repeat(60)] {
        assert_eq!(parse(&format!("ws://{long}/")), Err(UrlError::LongHost), "{long}");
    }
}

#[test]
fn what_people_really_have_is_taken() {
    for (url, read) in [
        ("ws://home_assistant:8123/api/ws", "ws://home_assistant:8123/api/ws"),
        ("ws://_ha/", "ws://_ha/"),
        ("ws://homeassistant", "ws://homeassistant/"),
        ("ws://homeassistant.local.:8123/ws", "ws://homeassistant.local.:8123/ws"),
        ("WS://HomeAssistant.Local:8123/Ws", "ws://homeassistant.local:8123/Ws"),
        ("wss://küche.example/ws", "wss://xn--kche-0ra.example/ws"),
        ("wss://xn--kche-0ra.example/ws", "wss://xn--kche-0ra.example/ws"),
        ("wss://ha.example:443?token=a@b", "wss://ha.example/?token=a@b"),
        ("ws://ha/a@b//c:", "ws://ha/a@b//c:"),
        (r"ws://ha/?path=C:\x", r"ws://ha/?path=C:\x"),
        ("ws://ws/", "ws://ws/"),
        ("ws://ha--1.lan/", "ws://ha--1.lan/"),
        ("ws://[fd00::1]:8123/", "ws://[fd00::1]:8123/"),
        ("ws://[::1]/", "ws://[::1]/"),
        ("ws://169.254.7.8/", "ws://169.254.7.8/"),
    ] {
        let parsed = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(parsed.as_str(), read);
        // It is stored as it is sent, and read again.
        assert_eq!(parse(parsed.as_str()), Ok(parsed));
    }
    for long in ["x".repeat(3_000), "\u{e9}".repeat(500)] {
        assert_eq!(parse(&format!("ws://h/{long}")), Err(UrlError::TooLong), "{long}");
    }
}

#[test]
fn no_error_quotes_what_may_be_secret() {
    for url in [
        "s3cret:s3cret@ha:8123/?token=s3cret",
        "ws://s3cret:s3cret@ha/?token=s3cret",
        "http://s3cret@ha/s3cret?token=s3cret",
        "ws://ha:s3cret/?s3cret",
        "ws://[s3cret]/",
        "ws://ws://s3cret/?token=s3cret",
        "ws://ha/?token=s3cret s3cret",
        r"ws:\\s3cret",
        "ws:s3cret",
        "s3cret",
    ] {
        let message = parse(url).unwrap_err().to_string();
        assert!(!message.contains("s3cret"), "{url}: {message}");
        assert!(message.contains("; "), "the cure follows: {message}");
    }
}
