//! Sends a reply, as whole and as soon as the faults allow.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::chance;
use super::fault::Fault;
use super::faults::ActiveFaults;

/// What became of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// All of it was sent.
    Whole,
    /// The connection shall close in the middle of it.
    Cut,
}

/// Sends `reply`. `nth` tells it from others, so that garbage is never the same twice; `is_answered`
/// is called before the last piece goes out, for after it the client may be quicker than we are.
pub(super) async fn deliver(
    to: &mut (impl AsyncWrite + Unpin),
    reply: &[u8],
    nth: u64,
    faults: &ActiveFaults,
    is_answered: impl FnOnce(),
) -> io::Result<Delivery> {
    let (first, rest) = reply.split_at(reply.len() / 2);
    if faults.has(Fault::CloseMidFrame) {
        send(to, first).await?;
        return Ok(Delivery::Cut);
    }
    let half =
        faults.value(|fault| if let Fault::HalfAnswer(by) = fault { Some(by) } else { None });
    let single =
        faults.value(|fault| if let Fault::OneByteAtATime(by) = fault { Some(by) } else { None });
    let garbage;
    let last = if faults.has(Fault::Garbage) {
        garbage = nonsense(nth, reply.len());
        garbage.as_slice()
    } else if let Some(pause) = half {
        send(to, first).await?;
        sleep(pause).await;
        rest
    } else if let (Some(pause), Some((last, others))) = (single, reply.split_last()) {
        send_slowly(to, others, pause).await?;
        std::slice::from_ref(last)
    } else {
        reply
    };
    is_answered();
    send(to, last).await?;
    Ok(Delivery::Whole)
}

async fn send(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

async fn send_slowly(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    pause: Duration,
) -> io::Result<()> {
    for byte in bytes {
        send(to, std::slice::from_ref(byte)).await?;
        if pause.is_zero() {
            // A sleep of no length would still wait for the timer's next tick.
            yield_now().await;
        } else {
            sleep(pause).await;
        }
    }
    Ok(())
}

fn nonsense(nth: u64, length: usize) -> Vec<u8> {
    (0..).flat_map(|word| chance::draw(nth, word).to_be_bytes()).take(length).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::clock::WallClock;
    use crate::sim::faults::Faults;

    /// What comes out under `fault`, how long the last byte takes, and what becomes of it.
    async fn delivered(fault: Fault) -> (Vec<u8>, Duration, Delivery) {
        let faults = Faults::new(WallClock::from_fn(|| jiff::Timestamp::UNIX_EPOCH));
        faults.set(fault);
        let (mut client, mut server) = duplex(64);
        let begun = Instant::now();
        let delivery =
            deliver(&mut server, b"ten bytes!", 1, &faults.active(), || ()).await.unwrap();
        let elapsed = begun.elapsed();
        drop(server);
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        (bytes, elapsed, delivery)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_arrives_as_broken_as_asked_for() {
        let (millis, whole) = (Duration::from_millis, b"ten bytes!".to_vec());
        let cases = [
            (Fault::Night, whole.clone(), 0, Delivery::Whole),
            (Fault::CloseMidFrame, b"ten b".to_vec(), 0, Delivery::Cut),
            (Fault::HalfAnswer(millis(500)), whole.clone(), 500, Delivery::Whole),
            (Fault::OneByteAtATime(millis(30)), whole, 270, Delivery::Whole),
        ];
        for (fault, bytes, elapsed, delivery) in cases {
            assert_eq!(delivered(fault).await, (bytes, millis(elapsed), delivery), "{fault:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn garbage_is_as_long_as_the_reply_and_nothing_like_it() {
        let (bytes, _, delivery) = delivered(Fault::Garbage).await;
        assert_eq!((bytes.len(), delivery), (10, Delivery::Whole));
        assert_ne!(bytes, b"ten bytes!");
        assert_ne!(nonsense(1, 10), nonsense(2, 10));
    }
}
