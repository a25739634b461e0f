//! A stream for log lines that never holds up who writes to it.
//!
//! The standard streams of a daemon are pipes, and whoever reads them may stop reading: then a
//! plain write waits for ever, and with it the bridge. Here a line waits a moment for a stalled
//! reader; after that lines are counted instead of written, until the reader goes on.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

/// How long the first line waits for a reader that is behind.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const NO_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// A pipe that is ready takes as many bytes at least without waiting (POSIX, `PIPE_BUF`).
const PORTION: usize = 512;

/// A stream for log lines.
pub(super) struct Output(Mutex<State>);

struct State {
    file: File,
    /// Lines not written since the reader stalled.
    lost: u64,
    /// The last line was cut off by a stall.
    is_torn: bool,
}

impl Output {
    /// Writes to a copy of the stream's descriptor: unbuffered, so that nothing is lost at the end.
    pub(super) fn new(stream: impl AsFd) -> io::Result<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned()?);
        Ok(Self(Mutex::new(State { file, lost: 0, is_torn: false })))
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        // A panic while it was locked leaves a torn line at worst.
        Line(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Takes one whole line at a time.
pub(super) struct Line<'a>(MutexGuard<'a, State>);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line);
        // An error would be reported on standard error, which may be the stream that fails.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn line(&mut self, line: &[u8]) {
        if self.lost > 0 {
            let end = if self.is_torn { "\n" } else { "" };
            let notice = format!("{end}({} log lines were lost: nobody read them)\n", self.lost);
            if !self.write(notice.as_bytes(), &NO_PATIENCE) {
                self.lost = self.lost.saturating_add(1);
                return;
            }
            self.lost = 0;
            self.is_torn = false;
        }
        if !self.write(line, &PATIENCE) {
            self.lost = 1;
        }
    }

    /// Whether the stream took it, or is gone so that nothing waits for it.
    fn write(&mut self, text: &[u8], patience: &Timespec) -> bool {
        for (index, portion) in text.chunks(PORTION).enumerate() {
            let mut rest = portion;
            while !rest.is_empty() {
                if !is_ready(&self.file, patience) {
                    self.is_torn |= index > 0 || rest.len() < portion.len();
                    return false;
                }
                match self.file.write(rest) {
                    Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                    Err(error) if error.kind() == ErrorKind::Interrupted => (),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.is_torn |= index > 0 || rest.len() < portion.len();
                        return false;
                    }
                    // Closed, or a full disk: nobody can be told.
                    Err(_) => return true,
                }
            }
        }
        true
    }
}

/// Whether a write would not wait. A stream that cannot tell is taken to be ready.
fn is_ready(file: &File, patience: &Timespec) -> bool {
    let mut polled = [PollFd::new(file, PollFlags::OUT)];
    poll(&mut polled, Some(patience)).map_or(true, |ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, pipe};

    use super::*;

    #[test]
    fn a_reader_that_has_stalled_does_not_hold_up_the_writer_and_learns_what_it_missed() {
        let (mut reader, writer) = pipe().unwrap();
        let output = Output::new(&writer).unwrap();
        drop(writer);
        // More than any pipe takes.
        for number in 0..40_000 {
            writeln!(output.make_writer(), "line {number} {}", "x".repeat(900)).unwrap();
        }
        let lost = output.make_writer().0.lost;
        assert!(lost > 30_000, "{lost}");

        let mut text = vec![0; 16_384];
        reader.read_exact(&mut text).unwrap();
        output.make_writer().write_all(b"after the stall\n").unwrap();
        drop(output);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let expected =
            format!("\n({lost} log lines were lost: nobody read them)\nafter the stall\n");
        assert!(rest.ends_with(&expected), "{}", &rest[rest.len() - 100..]);
    }

    #[test]
    fn a_reader_that_has_gone_away_does_not_matter() {
        let (reader, writer) = pipe().unwrap();
        let output = Output::new(&writer).unwrap();
        drop(reader);
        output.make_writer().write_all(b"a line\n").unwrap();
        assert_eq!(output.make_writer().0.lost, 0);
    }
}
