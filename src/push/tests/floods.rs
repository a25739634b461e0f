//! Targets that send more than can be of use.

use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::*;

/// So long a flood is listened to.
const AWHILE: Duration = Duration::from_secs(6);

/// A target that says this again and again: how the session ends, if soon, after
/// how many seconds, and how often it was told that the target floods.
async fn flooded(first: &[u8], again: &[u8]) -> (Option<Failure>, u64, u64) {
    let (near, mut far) = duplex(64 << 10);
    let config = Some(WebSocketConfig::default().read_buffer_size(4_096));
    let near = Outlet::upgraded(near);
    let near = WebSocketStream::from_raw_socket(near, Role::Client, config).await;
    let (_writer, reader) = snapshots();
    let (counted, stop) = (Counted::default(), CancellationToken::new());
    far.write_all(&[b"\x81\x14{\"type\":\"connected\"}", first].concat()).await.unwrap();
    let mut session = Session::accept(near, LIMIT).await.unwrap();
    let began = Instant::now();
    let (mut ears, mut mouth) = tokio::io::split(far);
    let (flood, mut sink) = (again.repeat(10_000), tokio::io::sink());
    let ended = tokio::select! {
        ended = session.run(reader, HEARTBEAT, &counted, &stop) => ended,
        _ = tokio::io::copy(&mut ears, &mut sink) => None,
        () = async { while mouth.write_all(&flood).await.is_ok() {} } => None,
        () = sleep(AWHILE) => None,
    };
    (ended, began.elapsed().as_secs(), counted.floods.into_inner())
}

#[tokio::test(start_paused = true)]
async fn a_message_in_parts_without_an_end_is_told_from_silence() {
    let endless = Some(Failure::TooManyParts(3_000));
    assert_eq!(flooded(&[1, 0], &[0, 0]).await, (endless.clone(), 1, 1));
    assert_eq!(flooded(&[1, 0], &[0, 1, b'x']).await, (endless.clone(), 2, 1));
    // What may come between the parts of a message does not make it a new one.
    assert_eq!(flooded(&[1, 0], &[0x89, 0, 0, 0, 0x8a, 0]).await, (endless, 4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_whole_messages_goes_on_and_is_told_once() {
    for again in [&[0x81, 0][..], &[0x89, 0], &[0x8a, 0], &[1, 0, 0, 0, 0x80, 1, b'x']] {
        assert_eq!(flooded(&[], again).await, (None, AWHILE.as_secs(), 1), "{again:?}");
    }
}
