//! Sends updates past the WebSocket library, which would keep a buffer of the largest one for as
//! long as a connection lasts: with many targets and a large plant, most of the bridge's memory.
//!
//! The library says all the rest. What it writes is taken whole, so that an update can begin behind
//! any of it; and what has begun ends before anything else is said. What is read stays as it is.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::overheard::{Listener, Overheard};

/// A whole text message, in the first byte of a frame.
const WHOLE_TEXT: u8 = 0x81;
/// The payload is masked, as a client's must be; in the second byte.
const MASKED: u8 = 0x80;
/// The length follows in two bytes, or in eight; in place of one below 126.
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;
/// The longest head: two bytes, a length of eight, the mask.
const HEAD: usize = 14;
/// So much is masked and written at once.
const PORTION: usize = 64 << 10;

/// The stream below a WebSocket.
#[derive(Debug)]
pub struct Outlet<S> {
    stream: S,
    /// Of what the library wrote last; empty while an update is being sent.
    rest: Bytes,
    update: Update,
    listener: Listener,
}

impl<S> Outlet<S> {
    /// Nothing waits to be sent, and an upgrade is still to be answered.
    pub fn new(stream: S) -> Self {
        let listener = Listener::of_answer();
        Self { stream, rest: Bytes::new(), update: Update::default(), listener }
    }

    /// The same behind an upgrade, where only frames come.
    pub fn upgraded(stream: S) -> Self {
        Self { listener: Listener::of_frames(), ..Self::new(stream) }
    }

    /// Where updates are put for it.
    pub(super) fn update(&self) -> Update {
        self.update.clone()
    }

    /// What the library does not tell of what is read.
    pub(super) fn overheard(&self) -> Overheard {
        self.listener.overheard()
    }
}

/// The update that is being sent, if there is one. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Update(Arc<Mutex<Option<Frame>>>);

impl Update {
    /// Sends `text`, which must be UTF-8, by the WebSocket whose outlet this belongs to.
    pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        writer: &mut SplitSink<WebSocketStream<Outlet<S>>, Message>,
        text: Bytes,
    ) -> Result<(), Error> {
        *self.frame() = Some(Frame::of(text)?);
        poll_fn(|cx| match writer.poll_flush_unpin(cx) {
            // The library may have more to say, which is none of our business.
            Poll::Pending if self.frame().is_some() => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
            Poll::Ready(flushed) => Poll::Ready(flushed),
        })
        .await
    }

    fn frame(&self) -> MutexGuard<'_, Option<Frame>> {
        // Nothing panics while it holds the frame.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left of a message.
#[derive(Debug)]
struct Frame {
    head: Bytes,
    payload: Bytes,
    /// Begins with the byte for the first one of the payload that is left.
    mask: [u8; 4],
}

impl Frame {
    fn of(payload: Bytes) -> io::Result<Self> {
        let mut mask = [0; 4];
        let drawn = SystemRandom::new().fill(&mut mask);
        drawn.map_err(|_| io::Error::other("the system has no random numbers"))?;
        let mut head = BytesMut::with_capacity(HEAD);
        head.put_u8(WHOLE_TEXT);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length), _) if length < TWO_BYTES => head.put_u8(MASKED | length),
            (_, Ok(length)) => {
                head.put_u8(MASKED | TWO_BYTES);
                head.put_u16(length);
            }
            (_, Err(_)) => {
                head.put_u8(MASKED | EIGHT_BYTES);
                head.put_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX));
            }
        }
        head.put_slice(&mask);
        Ok(Self { head: head.freeze(), payload, mask })
    }

    /// Puts what comes next into `portion`, masked; nothing at the end.
    fn fill(&self, portion: &mut Vec<u8>) {
        portion.clear();
        portion.extend_from_slice(&self.head);
        portion.extend_from_slice(self.payload.chunks(PORTION).next().unwrap_or_default());
        let (_, payload) = portion.split_at_mut(self.head.len());
        // Four at a time: this is done to every byte for every target.
        let (fours, rest) = payload.as_chunks_mut();
        let mask = u32::from_ne_bytes(self.mask);
        for four in fours {
            *four = (u32::from_ne_bytes(*four) ^ mask).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(self.mask) {
            *byte ^= mask;
        }
    }

    fn written(&mut self, count: usize) {
        let of_head = count.min(self.head.len());
        let of_payload = count.saturating_sub(of_head);
        self.head.advance(of_head);
        self.payload.advance(of_payload);
        self.mask.rotate_left(of_payload % 4);
    }
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Writes what has begun, and the update that waits.
    fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let count = ready!(poll_some(&mut self.stream, cx, &self.rest))?;
            self.rest.advance(count);
        }
        let mut portion = Vec::new();
        let mut update = self.update.frame();
        while let Some(frame) = &mut *update {
            frame.fill(&mut portion);
            if portion.is_empty() {
                // Only then nobody has to look after it any more.
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                *update = None;
            } else {
                let count = ready!(poll_some(&mut self.stream, cx, &portion))?;
                frame.written(count);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes something of `bytes`; how much.
fn poll_some(
    stream: &mut (impl AsyncWrite + Unpin),
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(stream).poll_write(cx, bytes))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        count => Poll::Ready(Ok(count)),
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.listener.poll_read(Pin::new(&mut this.stream), cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outlet<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_begun(cx))?;
        let count = ready!(poll_some(&mut self.stream, cx, bytes))?;
        self.rest = bytes.get(count..).map(Bytes::copy_from_slice).unwrap_or_default();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_begun(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use tokio::io::duplex;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    const GUARD: Duration = Duration::from_secs(3_600);
    const PINGS: usize = 20;

    fn update(length: usize) -> Bytes {
        (0..length).map(|nth| b'a' + u8::try_from(nth % 26).unwrap()).collect()
    }

    /// Sends updates while the target pings us and we ping it; so many bytes are on the way at most.
    async fn received(lengths: &[usize], on_the_way: usize) -> (Vec<Bytes>, usize, usize) {
        let (near, far) = duplex(on_the_way);
        let near = WebSocketStream::from_raw_socket(Outlet::new(near), Role::Client, None).await;
        let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let update_of = near.get_ref().update();
        let (mut writer, mut reader) = near.split();
        let (mut pinger, mut target) = far.split();
        let sending = async {
            for length in lengths {
                writer.feed(Message::Ping(Bytes::new())).await.unwrap();
                update_of.send(&mut writer, update(*length)).await.unwrap();
            }
            writer.send(Message::Close(None)).await.unwrap();
        };
        // Pings that come in the middle of an update are answered behind it.
        let pinging = async {
            for _ in 0..PINGS {
                pinger.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            }
        };
        let answering = async { while let Some(Ok(_)) = reader.next().await {} };
        let (mut texts, mut pings, mut answers) = (Vec::new(), 0, 0);
        let receiving = async {
            while let Some(Ok(message)) = target.next().await {
                match message {
                    Message::Text(text) => texts.push(text.into()),
                    Message::Ping(_) => pings += 1,
                    Message::Pong(_) => answers += 1,
                    Message::Close(_) => break,
                    Message::Binary(_) | Message::Frame(_) => panic!("{message:?}"),
                }
            }
        };
        let all = async {
            tokio::select! {
                _ = async { tokio::join!(sending, answering, pinging) } => {}
                () = receiving => {}
            }
        };
        tokio::time::timeout(GUARD, all).await.unwrap();
        (texts, pings, answers)
    }

    #[tokio::test(start_paused = true)]
    async fn updates_of_any_length_arrive_whole_among_what_else_is_said() {
        let mut answered = 0;
        let all = [0, 1, 3, 125, 126, 127, 1_000, 65_535, 65_536, 200_001];
        for (lengths, on_the_way) in
            [(&all[..7], 1), (&all[..7], 7), (&all, 4_096), (&all, 1 << 20)]
        {
            let (texts, pings, answers) = received(lengths, on_the_way).await;
            let expected: Vec<Bytes> = lengths.iter().copied().map(update).collect();
            assert!(texts == expected, "{on_the_way}: {:?}", texts.iter().map(Bytes::len));
            assert_eq!(pings, lengths.len(), "{on_the_way}");
            answered += answers;
        }
        assert!(answered > 0, "pings were answered in between");
    }
}
