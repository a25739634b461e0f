//! Frames that a DTU sends although nobody asked: what it means for its maker's cloud.

use super::frame::written;
use super::message::Message;

const HEARTBEAT: u16 = 0x2202;
const WARNINGS: u16 = 0x220B;

/// An inverter does not answer.
const OFFLINE: i64 = 130;

/// A sign of life. Real ones carry a negative number in a field that nobody knows.
pub(super) fn heartbeat(sequence: u16, dtu: &str, time: i64) -> Vec<u8> {
    let message = Message::default()
        .int(1, 3600)
        .int(2, time)
        .int(3, 78)
        .bytes(4, dtu.as_bytes())
        .int(6, -254);
    written(HEARTBEAT, sequence, &message.into_bytes(), &[])
}

/// A list of one warning.
pub(super) fn warnings(sequence: u16, dtu: &str, time: i64) -> Vec<u8> {
    let warning = Message::default().int(2, OFFLINE).int(3, 1).int(4, time);
    let message =
        Message::default().bytes(1, dtu.as_bytes()).int(2, time).int(3, 1).message(6, &warning);
    written(WARNINGS, sequence, &message.into_bytes(), &[])
}
