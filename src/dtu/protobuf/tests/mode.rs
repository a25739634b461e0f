//! What a DTU says of the performance mode.

use super::*;
use crate::telemetry::heard::Heard;

#[tokio::test(start_paused = true)]
async fn a_refused_performance_mode_is_told_once() {
    for (answer, told) in [((33, 5), 1), ((33, 0), 0), ((1, 5), 0)] {
        let (heard, _listening) = Heard::listening();
        let mut pair = Pair::with(&ONE, Settings { performance_mode: true, ..settings() });
        pair.dtu.mode_answer = answer;
        // It repeats itself, so it is told again.
        pair.dtu.step = 0;
        for _ in 0..3 {
            pair.poll().await.unwrap();
        }
        let asked = pair.commands().iter().filter(|command| *command == "A305").count();
        assert!(asked > 1, "{answer:?}");
        let line =
            "WARN DTU Roof: refuses the performance mode (error code 5); remove `performance_mode`";
        assert_eq!(heard.lines(), vec![line; told], "{answer:?}");
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
