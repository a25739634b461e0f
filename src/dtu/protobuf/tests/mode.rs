//! What a DTU says of the performance mode.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt;

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_performance_mode_is_told_once() {
    for (answer, told) in [((33, 5), 1), ((33, 0), 0), ((1, 5), 0)] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = fmt().with_max_level(tracing::Level::WARN).with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        let _listening = tracing::subscriber::set_default(subscriber);
        let mut pair = Pair::with(&ONE, Settings { performance_mode: true, ..settings() });
        pair.dtu.mode_answer = answer;
        // It repeats itself, so it is told again.
        pair.dtu.step = 0;
        for _ in 0..3 {
            pair.poll().await.unwrap();
        }
        let asked = pair.commands().iter().filter(|command| *command == "A305").count();
        assert!(asked > 1, "{answer:?}");
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let line = "WARN hoymiles_bridge::dtu::protobuf::client: DTU Roof: refuses the performance mode \
                    (error code 5); remove `performance_mode`";
        assert_eq!(text.matches(line).count(), told, "{answer:?}: {text}");
        assert_eq!(text.lines().count(), told, "{answer:?}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_performance_mode_is_asked_for_when_configured_and_after_a_restart() {
    let mut pair = Pair::with(&ONE, Settings { performance_mode: true, ..settings() });
    pair.dtu.enc_rand = Some([7; 16]);
    pair.poll().await.unwrap();
    pair.poll().await.unwrap();
    assert_eq!(pair.commands(), ["A301", "A305", "A311", "A311"]);
    pair.dtu.step = 0;
    pair.poll().await.unwrap();
    pair.poll().await.unwrap();
    assert_eq!(pair.commands()[4..], ["A311", "A305", "A311"], "it stands still: told again");
    let failed = [Fault::Restart(Some([8; 16]))];
    pair.poll_with(&failed).await.unwrap();
    assert_eq!(pair.commands().last().map(String::as_str), Some("A311"));
    assert!(pair.dtu.asked.iter().any(|asked| asked.command == Command::COMMAND));
}
