//! Warnings about DTUs that answer.

use super::*;

#[tokio::test(start_paused = true)]
async fn stale_values_are_logged_once() {
    let stale = || delivers(300).map(|reading| DtuReading { stale: true, ..reading });
    let mut answers = vec![delivers(300)];
    answers.extend((0..8).map(|_| stale()).chain([delivers(310)]));
    let log = run(answers).await.log;
    assert_eq!(log.len(), 5, "{log:#?}");
    assert!(log[1].contains("repeats its previous values"), "{log:#?}");
    assert!(log[2].starts_with("WARN Roof: the DTU answers, but repeats its"), "{log:#?}");
    assert_eq!(log[4], "INFO Roof: the DTU reports all inverters again");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_becomes_empty_is_logged_once() {
    let mut answers = vec![delivers(300)];
    answers.extend((0..8).map(|_| Ok(DtuReading::default())));
    let log = run(answers).await.log;
    assert_eq!(log.len(), 3, "{log:#?}");
    assert!(log[2].starts_with("WARN Roof: the DTU answers, but lists no inverter; "), "{log:#?}");
}
