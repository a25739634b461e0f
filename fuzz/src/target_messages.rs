//! What a target sends once its WebSocket is open, before and after it accepted.

use std::time::Duration;

use bytes::Bytes;
use hoymiles_bridge::push::session::{Event, Session};
use hoymiles_bridge::push::throttle::Throttled;
use hoymiles_bridge::snapshot::{Contents, Snapshot, SnapshotReader, channel};
use jiff::Timestamp;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::sync::CancellationToken;

use super::script::Script;
use super::stream::Scripted;
use super::without_waiting;

const DAY: Duration = Duration::from_secs(86_400);
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Runs this fuzz target once.
pub fn run(data: &[u8]) {
    let mut script = Script::new(data);
    let first = message(&mut script);
    without_waiting(async {
        let stream = Scripted::new(script, |script, _| message(script), &first);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(1 << 20))
            .max_frame_size(Some(1 << 20));
        let socket = WebSocketStream::from_raw_socket(
            Throttled::new(stream, "target"),
            Role::Client,
            Some(limits),
        )
        .await;
        let life = async {
            let mut session = Session::accept(socket).await.ok()?;
            let stop = CancellationToken::new();
            let end = session.run(snapshots(), HEARTBEAT, &check_printable, &stop).await;
            Some(end.failure.map(|failure| failure.problem().to_string()))
        };
        drop(tokio::time::timeout(DAY, life).await.expect("it disconnects in the end"));
    });
}

/// Raw bytes, or the text of a message in a sound frame.
fn message(script: &mut Script) -> Vec<u8> {
    let (kind, piece) = (script.byte(), script.piece());
    if kind % 2 == 0 {
        return piece.to_vec();
    }
    let length = u16::try_from(piece.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head: &[u8] =
        if piece.len() < 126 { &[0x81, length[1]] } else { &[0x81, 126, length[0], length[1]] };
    [head, &piece].concat()
}

fn snapshots() -> SnapshotReader {
    let update = Bytes::from_static(br#"{"type":"update"}"#);
    let contents = Contents::empty(Timestamp::UNIX_EPOCH);
    let snapshot = Snapshot::new(contents).with_update_json(update);
    let (writer, reader) = channel(snapshot.clone());
    writer.publish(snapshot);
    reader
}

fn check_printable(event: Event<'_>) {
    if let Event::Message { text, .. } = event {
        assert!(!text.chars().any(char::is_control), "fit for a log line: {text:?}");
    }
}
