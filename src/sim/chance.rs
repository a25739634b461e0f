//! Numbers that look drawn by lot and are the same in every run: a hash, no state.

/// A well-mixed number from a seed and what it is drawn for.
///
/// Mixing steps of `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014).
pub(super) fn draw(seed: u64, subject: u64) -> u64 {
    let mut mixed = seed ^ subject.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
        mixed ^= mixed >> 27;
    }
    mixed ^ (mixed >> 31)
}

/// The same, between 0 and 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(super) fn share(seed: u64, subject: u64) -> f64 {
    (draw(seed, subject) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_far_apart_and_cover_the_range() {
        let shares: Vec<f64> = (0..1000).map(|subject| share(7, subject)).collect();
        let mean = shares.iter().sum::<f64>() / 1000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
        assert!(shares.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 1e-9));
    }
}
