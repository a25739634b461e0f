//! What is logged while a test listens.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Dispatch, Level};
use tracing_subscriber::fmt;

/// Everything that this thread logs at info and above, without times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>);

/// Ends the listening.
#[derive(Debug)]
pub(crate) struct Listening {
    _first: DefaultGuard,
    _second: Dispatch,
}

impl Heard {
    /// Listens to this thread.
    pub(crate) fn listening() -> (Self, Listening) {
        let heard = Self::default();
        let subscriber = || {
            let writer = heard.clone();
            fmt()
                .with_max_level(Level::INFO)
                .with_ansi(false)
                .with_target(false)
                .without_time()
                .with_writer(move || writer.clone())
                .finish()
        };
        // If only one listened, threads without any could decide that nobody wants to hear it.
        let second = Dispatch::new(subscriber());
        let listening = Listening { _first: set_default(subscriber()), _second: second };
        (heard, listening)
    }

    /// Level and message of each line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
