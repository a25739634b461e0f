//! App info that comes in several packets.

use super::*;

/// Of each inverter, whether its program is known.
fn programs(reading: &DtuReading) -> Vec<bool> {
    reading.inverters.iter().map(|one| one.values.ac.firmware_version.is_some()).collect()
}

#[tokio::test(start_paused = true)]
async fn all_packets_are_asked_for_before_the_values() {
    for enc_rand in [None, Some([7; 16])] {
        let mut pair = Pair::new(&TWO);
        pair.dtu.enc_rand = enc_rand;
        pair.dtu.info = (3, 3);
        assert_eq!(programs(&pair.poll().await.unwrap()), [true; 3]);
        assert_eq!(pair.commands(), ["A301", "A301", "A301", "A311", "A311"]);
        let times: Vec<Instant> = pair.dtu.asked.iter().map(|asked| asked.at).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= GAP), "{times:?}");
        pair.poll().await.unwrap();
        assert_eq!(pair.commands()[5..], ["A311", "A311"], "once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dtu_that_does_not_give_all_of_them_is_read_all_the_same() {
    for enc_rand in [None, Some([7; 16])] {
        let mut pair = Pair::with(&TWO, Settings { retries: 0, ..settings() });
        pair.dtu.enc_rand = enc_rand;
        pair.dtu.info = (3, 1);
        assert_eq!(programs(&pair.poll().await.unwrap()), [true, false, false]);
        assert_eq!(pair.commands(), ["A301", "A301", "A311", "A311"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dtu_cannot_announce_app_info_without_end() {
    let mut pair = Pair::new(&ONE);
    pair.dtu.info = (i32::MAX, i32::MAX);
    pair.poll().await.unwrap();
    let count = pair.commands().iter().filter(|command| *command == "A301").count();
    assert_eq!(count, 16);
}
