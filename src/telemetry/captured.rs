//! Captures what a test logs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt;

/// Everything that this thread logs at info and above, without times.
#[derive(Clone, Debug, Default)]
pub(crate) struct CapturedLog(Arc<Mutex<Vec<u8>>>);

/// Ends the capture when dropped.
#[derive(Debug)]
pub(crate) struct Capture {
    _first: DefaultGuard,
    _second: Dispatch,
}

impl CapturedLog {
    /// Captures the log of this thread.
    pub(crate) fn start() -> (Self, Capture) {
        let log = Self::default();
        let subscriber = || {
            let writer = log.clone();
            fmt()
                .with_max_level(Level::INFO)
                .with_ansi(false)
                .with_target(false)
                .without_time()
                .with_writer(move || writer.clone())
                .finish()
        };
        // With one subscriber only, threads without one could disable the callsites for all.
        let second = Dispatch::new(subscriber());
        let capture = Capture { _first: set_default(subscriber()), _second: second };
        (log, capture)
    }

    /// Level and message of each line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for CapturedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
