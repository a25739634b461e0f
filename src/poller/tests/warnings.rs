//! DTUs that answer, and yet something is wrong.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_dtu_that_repeats_itself_is_told_once() {
    let stale = || delivers(300).map(|reading| DtuReading { stale: true, ..reading });
    let mut says = vec![delivers(300)];
    says.extend((0..8).map(|_| stale()).chain([delivers(310)]));
    let log = run(says).await.log;
    assert_eq!(log.len(), 5, "{log:#?}");
    assert!(log[1].contains("repeats its previous values"), "{log:#?}");
    assert!(log[2].starts_with("WARN Roof: the DTU answers, but repeats its"), "{log:#?}");
    assert_eq!(log[4], "INFO Roof: the DTU reports all inverters again");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_has_become_empty_is_told_once() {
    let mut says = vec![delivers(300)];
    says.extend((0..8).map(|_| Ok(DtuReading::default())));
    let log = run(says).await.log;
    assert_eq!(log.len(), 3, "{log:#?}");
    assert!(log[2].starts_with("WARN Roof: the DTU answers, but lists no inverter; "), "{log:#?}");
}
