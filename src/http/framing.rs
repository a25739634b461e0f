//! A stream that sees whether a request tells its length in two ways: the HTTP library believes one
//! of them and hides the other.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncRead;
use tokio_util::io::InspectReader;

/// What of a line is kept: each that matters is shorter.
const KEPT: usize = 64;

/// The stream to one client. `is_unclear` becomes true before the request can be read that does not
/// tell clearly where it ends.
pub(super) fn watched<S: AsyncRead>(
    stream: S,
    is_unclear: Arc<AtomicBool>,
) -> InspectReader<S, impl FnMut(&[u8])> {
    let mut reader = Reader::default();
    InspectReader::new(stream, move |bytes| {
        reader.read(bytes);
        if reader.place == Place::Unclear {
            is_unclear.store(true, Ordering::Relaxed);
        }
    })
}

/// Where in its requests a client is.
#[derive(Debug, Default)]
struct Reader {
    place: Place,
    /// The beginning of the line that is being read.
    line: Vec<u8>,
    is_chunked: bool,
    length: Option<u64>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Empty lines, or the first line of a request.
    #[default]
    Start,
    Head,
    Body {
        left: u64,
    },
    ChunkLength,
    /// With the end of its line.
    Chunk {
        left: u64,
    },
    Trailer,
    /// Nobody can tell.
    Unclear,
}

impl Reader {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.place != Place::Unclear {
            bytes = match self.place {
                Place::Body { left } => {
                    self.skip(bytes, left, Place::Start, |left| Place::Body { left })
                }
                Place::Chunk { left } => {
                    self.skip(bytes, left, Place::ChunkLength, |left| Place::Chunk { left })
                }
                Place::Start
                | Place::Head
                | Place::ChunkLength
                | Place::Trailer
                | Place::Unclear => self.read_line(bytes),
            };
        }
    }

    fn skip<'bytes>(
        &mut self,
        bytes: &'bytes [u8],
        left: u64,
        then: Place,
        still: impl FnOnce(u64) -> Place,
    ) -> &'bytes [u8] {
        let there = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.place = if there < left { still(left - there) } else { then };
        usize::try_from(left).ok().and_then(|left| bytes.get(left..)).unwrap_or_default()
    }

    fn read_line<'bytes>(&mut self, bytes: &'bytes [u8]) -> &'bytes [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (line, rest) = bytes.split_at(end);
        self.line.extend(line.iter().take(KEPT.saturating_sub(self.line.len())));
        let Some((_, rest)) = rest.split_first() else { return rest };
        let line = mem::take(&mut self.line);
        self.place = self.after(line.trim_ascii()).unwrap_or(Place::Unclear);
        rest
    }

    /// What comes after a line; `None` if that is not clear.
    fn after(&mut self, line: &[u8]) -> Option<Place> {
        match (self.place, line) {
            (Place::ChunkLength, _) => Some(match chunk_length(line)? {
                0 => Place::Trailer,
                // Its line end belongs to it.
                length => Place::Chunk { left: length.checked_add(2)? },
            }),
            (Place::Head, []) => match (mem::take(&mut self.is_chunked), self.length.take()) {
                (true, None) => Some(Place::ChunkLength),
                (false, Some(left @ 1..)) => Some(Place::Body { left }),
                (false, Some(0) | None) => Some(Place::Start),
                (true, Some(_)) => None,
            },
            (Place::Head, _) => {
                self.look_at_header(line)?;
                Some(Place::Head)
            }
            (Place::Start | Place::Trailer, []) => Some(Place::Start),
            (Place::Start, _) => Some(Place::Head),
            (place, _) => Some(place),
        }
    }

    fn look_at_header(&mut self, line: &[u8]) -> Option<()> {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next()?;
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.is_chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.length = Some(number(parts.next()?.trim_ascii(), 10)?);
        }
        Some(())
    }
}

/// Without the extensions after it.
fn chunk_length(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    number(line.get(..end)?.trim_ascii(), 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let is_whole = digits.len() < 20;
    is_whole.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

    /// Where the reader is after `text`, in one piece and byte by byte.
    #[track_caller]
    fn check(text: &str, expected: Place) {
        for size in [text.len(), 1, 7] {
            let mut reader = Reader::default();
            text.as_bytes().chunks(size).for_each(|bytes| reader.read(bytes));
            assert_eq!(reader.place, expected, "{text:?}");
        }
    }

    /// A request with these headers and this body, before and after others.
    #[track_caller]
    fn check_request(headers: &str, body: &str, is_clear: bool) {
        let expected = if is_clear { Place::Start } else { Place::Unclear };
        let request = format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n{body}");
        check(&format!("{GET}\r\n\n{request}{GET}"), expected);
        check(&request.replace("\r\n", "\n"), if body.contains('\r') { return } else { expected });
    }

    #[test]
    fn what_comes_after_a_body_is_known_unless_it_has_two_lengths() {
        let decoy = "Transfer-Encoding: chunked\nContent-Length: 1\n\n";
        assert_eq!(decoy.len(), 46);
        check_request("Content-Length: 46", decoy, true);
        check_request("content-length:046\r\nContent-Length: 46", decoy, true);
        check_request("Content-Length: 0", "", true);
        let chunks = format!("2e;name=value\r\n{decoy}\r\n00\r\nContent-Length: 3\r\n\r\n");
        check_request("Transfer-Encoding: chunked", &chunks, true);
        check_request("transfer-encoding:chunked", "A\r\n0123456789\r\n0\r\n\r\n", true);
        let name = "x".repeat(100);
        check_request("Transfer-Encoding: chunked", &format!("1;{name}\r\nx\r\n0\r\n\r\n"), true);
        check_request(&format!("{name}: y\r\nX-Content-Length: 9"), "", true);

        check_request("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n", false);
        check_request("TRANSFER-ENCODING: chunked\r\nX: y\r\nCONTENT-LENGTH: 3", "", false);
        check_request("Transfer-Encoding: gzip\r\nContent-Length: 0", "", false);
        check_request(&format!("Content-Length: {}1", "0".repeat(99)), "x", false);
        check_request("Transfer-Encoding: chunked", &format!("{}1\r\n", "0".repeat(99)), false);
        check_request("Transfer-Encoding: chunked", "ffffffffffffffff\r\n", false);
    }

    #[test]
    fn an_unfinished_request_is_not_unclear() {
        check("GET /", Place::Start);
        check("POST / HTTP/1.1\r\nContent-Length: 9\r\n", Place::Head);
        check("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n12", Place::Body { left: 7 });
        let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{chunked}5\r\n12"), Place::Chunk { left: 5 });
        check(&format!("{chunked}0\r\nX: y\r\n"), Place::Trailer);
    }
}
