//! A whole poll of a DTU with answers that need repair or cannot be repaired.

use std::collections::BTreeSet;
use std::time::Duration;

use hoymiles_bridge::config::{DtuConfig, Protocol, RecordsPerRead};
use hoymiles_bridge::dtu::Dtu;
use hoymiles_bridge::dtu::modbus::ModbusDtu;

use super::script::Script;
use super::stream::ScriptedDtu;
use super::without_waiting;

/// Far more than the length of the list, time limits and retries allow.
const DAY: Duration = Duration::from_secs(86_400);

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let config = DtuConfig {
        retries: u32::from(script.byte() % 3),
        records_per_read: match script.byte() % 7 {
            0 => RecordsPerRead::Auto,
            records => RecordsPerRead::Number(records),
        },
        ..DtuConfig::new("DTU", Protocol::Modbus, "unused")
    };
    without_waiting(async {
        let mut dtu = ModbusDtu::with_dialer(&config, ScriptedDtu::new(script, answer));
        let polled = tokio::time::timeout(DAY, dtu.poll()).await.expect("a poll ends");
        let reading = polled.unwrap_or_else(|failed| failed.partial);
        let serials: BTreeSet<_> = reading.inverters.iter().map(|one| one.serial).collect();
        assert_eq!(serials.len(), reading.inverters.len(), "each inverter is there once");
    });
}

fn answer(script: &mut Script, request: &[u8]) -> Vec<u8> {
    let kind = script.byte();
    let piece = script.piece();
    match (kind % 4, request.get(..2)) {
        // Arbitrary bytes.
        (0, _) | (_, None) => piece.to_vec(),
        // With the announced length.
        (1, Some(transaction)) => {
            let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
            [transaction, &[0, 0], &length.to_be_bytes(), &piece].concat()
        }
        // With any amount of data.
        (_, Some(transaction)) => {
            let length = u16::try_from(piece.len()).unwrap_or(u16::MAX).saturating_add(3);
            let head = [1, 3, if kind & 4 == 0 { piece.len().to_le_bytes()[0] } else { kind }];
            [transaction, &[0, 0], &length.to_be_bytes(), &head, &piece].concat()
        }
    }
}
