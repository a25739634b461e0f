//! HTTP responses that are not an upgrade.

use super::Row;
use crate::targets::certificates::Shows;
use crate::targets::step::Step;

/// An answer with this status line, and further headers.
macro_rules! answer {
    ($status:literal) => {
        answer!($status, "")
    };
    ($status:literal, $headers:literal) => {{
        const ANSWER: &[Step] = &[
            Step::Request,
            Step::Send(
                concat!("HTTP/1.1 ", $status, "\r\nContent-Length: 5\r\n", $headers, "\r\nhello")
                    .as_bytes(),
            ),
        ];
        ANSWER
    }};
}

pub(super) fn rows() -> Vec<Row> {
    [statuses(), dropped_headers(), redirections(), strange_answers()].concat()
}

fn statuses() -> Vec<Row> {
    let status = |status: u16, script: &'static [Step], label| {
        let cause = format!("HTTP {status} instead of a WebSocket");
        Row::fails(format!("http-{status}"), script, label, cause)
    };
    vec![
        status(200, answer!("200 OK"), "http_2xx"),
        status(400, answer!("400 Bad Request"), "http_400"),
        status(401, answer!("401 Unauthorized"), "http_401"),
        status(403, answer!("403 Forbidden"), "http_403"),
        status(404, answer!("404 Not Found"), "http_404"),
        status(409, answer!("409 Conflict"), "http_other"),
        status(413, answer!("413 Payload Too Large"), "http_other"),
        status(418, answer!("418 I'm a teapot"), "http_other"),
        status(426, answer!("426 Upgrade Required"), "http_426"),
        status(429, answer!("429 Too Many Requests", "Retry-After: 2\r\n"), "http_429").waiting(2),
        status(500, answer!("500 Internal Server Error"), "http_500"),
        status(502, answer!("502 Bad Gateway"), "http_502"),
        status(503, answer!("503 Service Unavailable", "Retry-After: 3\r\n"), "http_503")
            .waiting(3),
        status(504, answer!("504 Gateway Timeout"), "http_504"),
        Row::fails(
            "http-503-for-ever",
            answer!("503 Service Unavailable", "Retry-After: 99999999999999999999\r\n"),
            "http_503",
            "HTTP 503 instead of a WebSocket",
        )
        .waiting(300),
        status(505, answer!("505 HTTP Version Not Supported"), "http_505"),
        status(599, answer!("599 Whatever", "Retry-After: soon\r\n"), "http_other"),
    ]
}

/// A proxy forwards the request without the headers that ask for a WebSocket. nginx passes on
/// Home Assistant's answer, which is aiohttp's, with its own `Server` header.
fn dropped_headers() -> Vec<Row> {
    macro_rules! answer_400 {
        ($length:literal, $page:literal) => {{
            const ANSWER: &[Step] = &[
                Step::Request,
                Step::Send(
                    concat!(
                        "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.26.3\r\n",
                        "Date: Sat, 20 Jun 2026 10:00:00 GMT\r\n",
                        "Content-Type: text/plain; charset=utf-8\r\n",
                        "Content-Length: ",
                        $length,
                        "\r\nConnection: keep-alive\r\n\r\n",
                        $page
                    )
                    .as_bytes(),
                ),
            ];
            ANSWER
        }};
    }
    let dropped = |name: &str, script: &'static [Step]| {
        let cause = "HTTP 400: the WebSocket headers did not reach the target";
        Row::fails(name, script, "headers_dropped", cause)
    };
    vec![
        dropped(
            "proxy-drops-upgrade",
            answer_400!(
                "66",
                "No WebSocket UPGRADE hdr: None\n Can \"Upgrade\" only to \"WebSocket\"."
            ),
        ),
        dropped("proxy-drops-upgrade-briefly", answer_400!("24", "No WebSocket UPGRADE hdr")),
        dropped("proxy-drops-connection", answer_400!("32", "No CONNECTION upgrade hdr: close")),
        Row::fails(
            "proxy-is-not-trusted",
            answer_400!("16", "400: Bad Request"),
            "http_400",
            "HTTP 400 instead of a WebSocket",
        ),
    ]
}

/// No redirect is followed.
fn redirections() -> Vec<Row> {
    let redirected = |name: &str, status: u16, script: &'static [Step], place: &str| {
        Row::fails(name, script, "http_redirect", format!("HTTP {status}{place}"))
    };
    let elsewhere = " to http://elsewhere.invalid/...";
    let here = " to another path of the same host";
    vec![
        redirected("http-301-elsewhere", 301, ELSEWHERE_301, elsewhere),
        redirected("http-302-elsewhere", 302, ELSEWHERE_302, elsewhere),
        redirected("http-307-elsewhere", 307, ELSEWHERE_307, elsewhere),
        redirected("http-308-elsewhere", 308, ELSEWHERE_308, elsewhere),
        redirected("http-302-nowhere", 302, answer!("302 Found"), ""),
        redirected("http-303", 303, answer!("303 See Other", "Location: /login\r\n"), here),
        redirected(
            "http-307-here",
            307,
            answer!("307 Temporary", "Location: /again?token=s3cret\r\n"),
            here,
        ),
        redirected(
            "http-301-to-nobody",
            301,
            answer!("301 Moved", "Location: http://127.0.0.1:9/s3cret?token=s3cret\r\n"),
            " to http://127.0.0.1:9/...",
        ),
        redirected(
            "http-into-the-clear",
            301,
            answer!("301 Moved", "Location: http://127.0.0.1:9/ws\r\n"),
            " to http://127.0.0.1:9/...",
        )
        .showing(Shows::Good),
    ]
}

fn strange_answers() -> Vec<Row> {
    let not_http =
        |name: &str, script| Row::fails(name, script, "not_http", "the answer is not HTTP");
    let no_socket = |name: &str, script, why: &str| {
        let cause = format!("the answer is not that of a WebSocket server ({why})");
        Row::fails(name, script, "not_websocket", cause)
    };
    let key = "Key mismatch in \"Sec-WebSocket-Accept\" header";
    vec![
        not_http("speaks-ssh", &[Step::Send(b"SSH-2.0-OpenSSH_9.6\r\n")]),
        not_http("speaks-tls", &[Step::Request, Step::Send(&[21, 3, 1, 0, 2, 2, 22])]),
        not_http("speaks-garbage", &[Step::Send(&[0, 159, 146, 150, 13, 10, 13, 10, 255])]),
        no_socket("accepts-another-key", &[Step::Request, Step::Send(OTHER_KEY)], key),
        no_socket("accepts-without-key", &[Step::Request, Step::Send(NO_KEY)], key),
        Row::fails(
            "speaks-http-1-0",
            &[Step::Request, Step::Send(b"HTTP/1.0 404 Not Found\r\n\r\n")],
            "old_http",
            "the answer is HTTP/1.0, which does not support WebSockets",
        ),
        no_socket(
            "endless-header",
            &[Step::Request, Step::Send(b"HTTP/1.1 101 OK\r\nX: "), Step::Flood(b'x', 100, 2_000)],
            "its header does not end",
        ),
        Row::fails(
            "header-byte-by-byte",
            &[Step::Request, Step::Send(b"HTTP/1.1 101 OK\r\nX: "), Step::DripHeader],
            "upgrade_timeout",
            "{address} did not answer the WebSocket upgrade within 1s",
        ),
        Row::fails(
            "header-cut-off",
            &[Step::Request, Step::Send(b"HTTP/1.1 101 Switching Proto"), Step::Disconnect],
            "upgrade_hung_up",
            "the connection was closed during the WebSocket upgrade",
        ),
    ]
}

const OTHER_KEY: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
const NO_KEY: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\n\r\n";
const ELSEWHERE_301: &[Step] =
    answer!("301 Moved", "Location: http://elsewhere.invalid/ws?token=s3cret\r\n");
const ELSEWHERE_302: &[Step] =
    answer!("302 Found", "Location: http://elsewhere.invalid/ws?token=s3cret\r\n");
const ELSEWHERE_307: &[Step] =
    answer!("307 Temporary", "Location: http://elsewhere.invalid/ws?token=s3cret\r\n");
const ELSEWHERE_308: &[Step] =
    answer!("308 Permanent", "Location: http://elsewhere.invalid/ws?token=s3cret\r\n");
