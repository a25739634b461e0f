//! The DTU by another configuration.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_dtu_that_is_configured_anew_keeps_pace_numbers_and_key() {
    let refresh = Duration::from_secs(35);
    let mut pair = Pair::with(&TWO, Settings { refresh, ..settings() });
    pair.dtu.enc_rand = Some([7; 16]);
    pair.poll().await.unwrap();
    let exclude = vec!["1164a0000002".parse().unwrap()];
    let performance_mode = true;
    let settings = Settings { refresh, performance_mode, exclude, ..settings() };
    let Pair { client, dtu } = pair;
    let mut pair = Pair { client: client.with_settings(settings), dtu };
    assert_eq!(pair.poll().await.unwrap().inverters.len(), 2);
    assert_eq!(pair.commands(), ["A301", "A311", "A311", "A305", "A311", "A311"]);
    let asked = &pair.dtu.asked;
    assert!(asked.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1), "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1].at - pair[0].at >= GAP), "{asked:?}");
    assert!(asked[4].at - asked[1].at >= refresh, "{asked:?}");
}
