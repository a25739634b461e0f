//! What a faulty target does on one connection, step by step.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// One step. After the last one the target reads what comes, answers nothing, and keeps the
/// connection open.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Reads the head of a request.
    Request,
    /// Reads a request and agrees to the upgrade.
    Upgrade,
    /// Accepts the bridge, as Home Assistant does.
    Welcome,
    /// Reads so many bytes that an update must be in transit.
    Take(usize),
    /// Sends these bytes.
    Send(&'static [u8]),
    /// Sends a text frame.
    Text(&'static str),
    /// Sends a frame: first byte, and a payload of so many zeros.
    Frame(u8, usize),
    /// Sends a close frame.
    Close(u16, &'static str),
    /// Sends a frame repeatedly: first byte, length of the payload, count. Reads meanwhile.
    Flood(u8, usize, usize),
    /// The same, and reads nothing.
    DeafFlood(u8, usize, usize),
    /// Sends one byte of a header repeatedly, without end.
    DripHeader,
    /// Reads single bytes at intervals, and sends pings.
    Sip,
    /// Reads nothing any more.
    Freeze,
    /// Closes the connection cleanly.
    Disconnect,
    /// Closes it without TLS `close_notify`.
    Cut,
    /// Ends it with a reset.
    Reset,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Cleanly, or by the bridge.
    Closed,
    /// The caller must close the connection.
    Cut,
    /// The caller must reset the connection.
    Reset,
}

/// Runs all steps. An error means that the bridge has disconnected, which is allowed.
pub(crate) async fn perform<S>(stream: &mut S, script: &[Step]) -> std::io::Result<End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for step in script {
        match *step {
            Step::Request => drop(request(stream).await?),
            Step::Upgrade => upgrade(stream).await?,
            Step::Welcome => text(stream, r#"{"type": "connected", "status": "ready"}"#).await?,
            Step::Take(count) => take(stream, count).await?,
            Step::Send(bytes) => stream.write_all(bytes).await?,
            Step::Text(words) => text(stream, words).await?,
            Step::Frame(first, length) => stream.write_all(&frame(first, &vec![0; length])).await?,
            Step::Close(code, reason) => {
                let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
                stream.write_all(&frame(0x88, &payload)).await?;
            }
            Step::Flood(first, length, times) => {
                let (mut reader, mut writer) = tokio::io::split(&mut *stream);
                let mut sink = tokio::io::sink();
                tokio::select! {
                    flooded = flood(&mut writer, first, length, times) => flooded?,
                    read = tokio::io::copy(&mut reader, &mut sink) => drop(read?),
                }
            }
            Step::DeafFlood(first, length, times) => flood(stream, first, length, times).await?,
            Step::DripHeader => loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            },
            Step::Sip => loop {
                take(stream, 1).await?;
                stream.write_all(&frame(0x89, b"still here")).await?;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            },
            Step::Freeze => std::future::pending().await,
            Step::Disconnect => {
                stream.shutdown().await?;
                return Ok(End::Closed);
            }
            Step::Cut => return Ok(End::Cut),
            Step::Reset => return Ok(End::Reset),
        }
    }
    let mut ignored = [0; 4_096];
    while stream.read(&mut ignored).await? > 0 {}
    Ok(End::Closed)
}

async fn request<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> std::io::Result<()> {
    let head = request(stream).await?;
    let key = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with("sec-websocket-key:"))
        .and_then(|line| line.split_once(": "))
        .expect("the bridge sends a key")
        .1;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(answer.as_bytes()).await
}

async fn flood<S: AsyncWrite + Unpin>(
    stream: &mut S,
    first: u8,
    length: usize,
    times: usize,
) -> std::io::Result<()> {
    let frame = frame(first, &vec![b'x'; length]);
    let at_once = (65_536 / frame.len()).max(1);
    let frames = frame.repeat(at_once);
    for _ in 0..times.div_ceil(at_once) {
        stream.write_all(&frames).await?;
    }
    Ok(())
}

async fn take<S: AsyncRead + Unpin>(stream: &mut S, count: usize) -> std::io::Result<()> {
    let mut taken = vec![0; count];
    stream.read_exact(&mut taken).await.map(drop)
}

async fn text<S: AsyncWrite + Unpin>(stream: &mut S, words: &str) -> std::io::Result<()> {
    stream.write_all(&frame(0x81, words.as_bytes())).await
}

/// A frame of a server: its first byte as it is, the length in the shortest form, no mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}
