//! Faults of TLS.

use super::Row;
use crate::targets::certificates::Shows;
use crate::targets::step::Step;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    let certificate = |name: &str, shows, label, cause: &str| {
        Row::fails(name, &[Step::Request], label, cause).showing(shows)
    };
    let plain = |name: &str, script, label, cause: &str| Row {
        speaks_tls: false,
        ..Row::fails(name, script, label, cause).showing(Shows::Good)
    };
    let late = |name: &str, script, cause: &str| {
        Row::breaks(name, script, "broken", cause).showing(Shows::Good)
    };
    let untrusted = "TLS: the certificate's issuer is not trusted";
    let wants_ours = "TLS: the server requires a client certificate";
    let in_the_clear = |name: &str, script| {
        let cause = "HTTP 400: the port expects TLS, but the URL begins with ws://";
        Row::fails(name, script, "wants_tls", cause)
    };
    let no_tls = "the other side does not speak TLS";
    vec![
        Row { connections: 0, ..Row::well("tls-known", &[]).showing(Shows::Good) },
        certificate("tls-unknown", Shows::UnknownAuthority, "tls_unknown_issuer", untrusted),
        certificate(
            "tls-expired",
            Shows::Expired,
            "tls_expired",
            "TLS: the certificate has expired (on 2020-01-01)",
        ),
        certificate(
            "tls-not-yet",
            Shows::NotYet,
            "tls_not_yet",
            "TLS: the certificate is not valid yet (before 2200-01-01)",
        ),
        certificate(
            "tls-wrong-host",
            Shows::OtherHost,
            "tls_wrong_host",
            "TLS: the certificate is not for 127.0.0.1",
        ),
        certificate(
            "tls-own-authority",
            Shows::ItsOwnAuthority,
            "tls_authority",
            "TLS: the certificate is that of an authority, not of a server",
        ),
        plain(
            "tls-spoken-to-http",
            &[Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n")],
            "not_tls",
            no_tls,
        ),
        plain("tls-spoken-to-ssh", &[Step::Send(b"SSH-2.0-OpenSSH_9.6\r\n")], "not_tls", no_tls),
        plain("tls-silent", &[], "tls_timeout", "{address} did not complete TLS within 1s"),
        plain(
            "tls-hangs-up",
            &[Step::Disconnect],
            "tls_hung_up",
            "the connection was closed during the TLS handshake",
        ),
        plain(
            "tls-too-old",
            &[Step::Send(&[21, 3, 1, 0, 2, 2, 70])],
            "tls",
            "TLS failed: received fatal alert: protocol version",
        ),
        Row::fails(
            "tls-then-silent",
            &[Step::Request],
            "upgrade_timeout",
            "{address} did not answer the WebSocket upgrade within 1s",
        )
        .showing(Shows::Good),
        Row::fails(
            "tls-then-403",
            &[Step::Request, Step::Send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")],
            "http_403",
            "HTTP 403 instead of a WebSocket",
        )
        .showing(Shows::Good),
        certificate("tls-wants-ours", Shows::WantsOurs, "tls_wants_certificate", wants_ours),
        Row::fails("tls-nginx-wants-ours", NGINX_WANTS_OURS, "tls_wants_certificate", wants_ours)
            .showing(Shows::Good),
        in_the_clear("tls-nginx-asked-without", NGINX_IN_THE_CLEAR),
        in_the_clear("tls-apache-asked-without", APACHE_IN_THE_CLEAR),
        Row::fails(
            "tls-go-asked-without",
            GO_IN_THE_CLEAR,
            "old_http",
            "the answer is HTTP/1.0, which does not support WebSockets",
        ),
        late("tls-then-hangs-up", HANGS_UP, "the connection broke (1006): the target closed it"),
        late("tls-then-cut", CUTS, "the connection broke (1006): the target closed it"),
        late(
            "tls-then-reset",
            RESETS,
            "the connection broke (1006): Connection reset by peer (os error 104)",
        ),
    ]
}

macro_rules! page {
    ($page:literal) => {
        &[
            Step::Request,
            Step::Send(
                concat!("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", $page).as_bytes(),
            ),
            Step::Disconnect,
        ]
    };
}
const NGINX_WANTS_OURS: &[Step] = page!("<center>No required SSL certificate was sent</center>");
const NGINX_IN_THE_CLEAR: &[Step] =
    page!("<center>The plain HTTP request was sent to HTTPS port</center>");
const APACHE_IN_THE_CLEAR: &[Step] =
    page!("Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />");
const GO_IN_THE_CLEAR: &[Step] = &[
    Step::Request,
    Step::Send(
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
    ),
    Step::Disconnect,
];
const HANGS_UP: &[Step] = &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Disconnect];
const CUTS: &[Step] = &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Cut];
const RESETS: &[Step] = &[Step::Upgrade, Step::Welcome, Step::Take(2_000), Step::Reset];
