//! Faults before the first byte. Those that need a network namespace are in `targets::network`.

use super::Row;
use crate::targets::step::Step;

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            listens: false,
            ..Row::fails("refused", &[], "refused", "connection refused by {address}")
        },
        Row::fails(
            "says-nothing",
            &[],
            "upgrade_timeout",
            "{address} did not answer the WebSocket upgrade within 1s",
        ),
        Row::fails(
            "reads-nothing",
            &[Step::Freeze],
            "upgrade_timeout",
            "{address} did not answer the WebSocket upgrade within 1s",
        ),
        Row::fails(
            "hangs-up-at-once",
            &[Step::Disconnect],
            "upgrade_hung_up",
            "the connection was closed during the WebSocket upgrade",
        ),
        Row::fails(
            "hangs-up-on-the-request",
            &[Step::Request, Step::Disconnect],
            "upgrade_hung_up",
            "the connection was closed during the WebSocket upgrade",
        ),
        Row::fails(
            "resets-the-request",
            &[Step::Request, Step::Reset],
            "upgrade_hung_up",
            "the connection was closed during the WebSocket upgrade",
        ),
    ]
}
