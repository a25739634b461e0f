//! WebSocket faults, before and after the target has accepted the bridge.

use super::Row;
use crate::targets::step::Step;

/// More than the first message and less than an update.
const SOME: usize = 2_000;

pub(super) fn rows() -> Vec<Row> {
    [closes(), refusals(), broken_connections(), broken_protocol()].concat()
}

/// A close frame before and one after the target has accepted, each with the meaning of its code.
fn closes() -> Vec<Row> {
    macro_rules! close {
        ($code:literal, $reason:literal, $label:literal, $meaning:literal, $waits:literal) => {{
            const EARLY: &[Step] = &[Step::Upgrade, Step::Close($code, $reason)];
            const LATE: &[Step] =
                &[Step::Upgrade, Step::Welcome, Step::Take(SOME), Step::Close($code, $reason)];
            let words = if $reason.is_empty() { String::new() } else { format!(": {}", $reason) };
            let cause = format!("closed by the target with code {} ({}){words}", $code, $meaning);
            [
                Row::fails(format!("closes-early-{}", $code), EARLY, $label, &cause)
                    .waiting($waits),
                Row::breaks(format!("closes-late-{}", $code), LATE, $label, &cause).waiting($waits),
            ]
        }};
    }
    [
        close!(1000, "", "closed_1000", "normal", 1),
        close!(1001, "shutdown", "closed_1001", "the target is shutting down", 1),
        close!(1002, "", "closed_1002", "protocol error", 1),
        close!(1003, "", "closed_1003", "data not accepted", 1),
        close!(1007, "", "closed_1007", "invalid data", 1),
        close!(1008, "not you", "closed_1008", "policy violation", 1),
        close!(1009, "", "closed_1009", "message too big", 1),
        close!(1010, "", "closed_1010", "extension missing", 1),
        close!(1011, "", "closed_1011", "internal error of the target", 1),
        close!(1012, "", "closed_1012", "the target is restarting", 5),
        close!(1013, "", "closed_1013", "the target is overloaded", 30),
        close!(4000, "", "closed_other", "defined by the target", 1),
    ]
    .concat()
}

fn refusals() -> Vec<Row> {
    const WORDS: &str = r#"{"error": "Invalid authentication token"}"#;
    let cause = "the target refused: Invalid authentication token";
    vec![
        Row::fails(
            "refuses-the-token",
            &[Step::Upgrade, Step::Text(WORDS), Step::Close(1000, "")],
            "token_refused",
            cause,
        ),
        Row::fails(
            "refuses-and-stays",
            &[Step::Upgrade, Step::Text(WORDS)],
            "token_refused",
            cause,
        ),
        Row::fails(
            "refuses-and-goes",
            &[Step::Upgrade, Step::Text(WORDS), Step::Disconnect],
            "token_refused",
            cause,
        ),
        // Home Assistant's own API at /api/websocket.
        Row::fails(
            "asks-for-a-login",
            &[Step::Upgrade, Step::Text(r#"{"type": "auth_required", "ha_version": "2026.6.1"}"#)],
            "other_api",
            "the URL leads to Home Assistant's own WebSocket API, which asks for a login",
        ),
        Row::breaks(
            "asks-for-a-login-late",
            &[
                Step::Upgrade,
                Step::Welcome,
                Step::Take(SOME),
                Step::Text(r#"{"type": "auth_required", "ha_version": "2026.6.1"}"#),
                Step::Close(1000, ""),
            ],
            "other_api",
            "the URL leads to Home Assistant's own WebSocket API, which asks for a login",
        ),
    ]
}

fn broken_connections() -> Vec<Row> {
    let broke = |why: &str| format!("the connection broke (1006): {why}");
    let reset = broke("Connection reset by peer (os error 104)");
    let hung_up = broke("the target closed it");
    vec![
        Row::fails(
            "closes-without-code",
            &[Step::Upgrade, Step::Frame(0x88, 0)],
            "closed_1005",
            "closed by the target with code 1005 (no code given)",
        ),
        Row::fails("hangs-up-early", &[Step::Upgrade, Step::Disconnect], "broken", &hung_up),
        Row::breaks(
            "hangs-up-late",
            &[Step::Upgrade, Step::Welcome, Step::Take(SOME), Step::Disconnect],
            "broken",
            &hung_up,
        ),
        Row::breaks(
            "resets-late",
            &[Step::Upgrade, Step::Welcome, Step::Take(SOME), Step::Reset],
            "broken",
            &reset,
        ),
        Row::breaks(
            "no-pong",
            &[Step::Upgrade, Step::Welcome, Step::Take(SOME), Step::Freeze],
            "silent",
            "no answer to pings for 2s",
        ),
        Row::breaks(
            "no-pong-but-reads",
            &[Step::Upgrade, Step::Welcome],
            "silent",
            "no answer to pings for 2s",
        ),
    ]
}

/// Invalid WebSocket frames, and more messages than a target needs to send.
#[expect(clippy::too_many_lines, reason = "a table")]
fn broken_protocol() -> Vec<Row> {
    let invalid_code = "closed by the target with code 1002 (protocol error): Protocol violation";
    let too_big = "the target sent a message of more than 1048576 bytes";
    let broke = |why: &str| format!("the target broke the WebSocket protocol: {why}");
    macro_rules! both {
        ($name:literal, $step:expr, $label:literal, $cause:expr) => {{
            const EARLY: &[Step] = &[Step::Upgrade, $step];
            const LATE: &[Step] = &[Step::Upgrade, Step::Welcome, Step::Take(SOME), $step];
            [
                Row::fails(concat!($name, "-early"), EARLY, $label, $cause),
                Row::breaks(concat!($name, "-late"), LATE, $label, $cause),
            ]
        }};
    }
    let mut limited = Row::fails(
        "too-big-for-its-limit",
        &[Step::Upgrade, Step::Frame(0x82, 2_001)],
        "too_big",
        "the target sent a message of more than 2000 bytes",
    );
    limited.settings = "max_message_bytes = 2000";
    // Only the read rate limits empty fragments.
    let endless = Row::breaks(
        "in-endless-parts",
        &[Step::Upgrade, Step::Welcome, Step::Frame(0x01, 0), Step::Flood(0, 0, 100_000_000)],
        "silent",
        "no answer to pings for 2s",
    );
    let both = [
        both!("too-big", Step::Frame(0x82, (1 << 20) + 1), "too_big", too_big),
        both!(
            "announces-gigabytes",
            Step::Send(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]),
            "too_big",
            too_big
        ),
        both!(
            "not-utf-8",
            Step::Send(&[0x81, 2, 0xff, 0xfe]),
            "protocol",
            broke("a text message that is not UTF-8")
        ),
        both!(
            "masked",
            Step::Send(&[0x81, 0x81, 1, 2, 3, 4, 5]),
            "protocol",
            broke("Received a masked frame from server")
        ),
        both!(
            "reserved-bits",
            Step::Frame(0xc1, 1),
            "protocol",
            broke("Reserved bits are non-zero")
        ),
        both!(
            "unknown-opcode",
            Step::Frame(0x83, 1),
            "protocol",
            broke("Encountered invalid opcode: 3")
        ),
        both!(
            "unknown-control",
            Step::Frame(0x8b, 1),
            "protocol",
            broke("Encountered invalid opcode: 11")
        ),
        both!(
            "fragmented-ping",
            Step::Frame(0x09, 1),
            "protocol",
            broke("Fragmented control frame")
        ),
        both!(
            "long-ping",
            Step::Frame(0x89, 126),
            "protocol",
            broke("Control frame too big (payload must be 125 bytes or less)")
        ),
        both!(
            "continues-nothing",
            Step::Frame(0x80, 1),
            "protocol",
            broke("Continue frame but nothing to continue")
        ),
        both!(
            "close-of-one-byte",
            Step::Frame(0x88, 1),
            "protocol",
            broke("Invalid close sequence")
        ),
        both!("close-0", Step::Close(0, ""), "closed_1002", invalid_code),
        both!("close-999", Step::Close(999, "so long"), "closed_1002", invalid_code),
        both!("close-1005", Step::Close(1005, ""), "closed_1002", invalid_code),
        both!("close-1006", Step::Close(1006, ""), "closed_1002", invalid_code),
        both!("close-2999", Step::Close(2999, ""), "closed_1002", invalid_code),
        both!("close-65535", Step::Close(65_535, ""), "closed_1002", invalid_code),
    ];
    [both.concat(), vec![limited, endless]].concat()
}
