//! Pseudo-random numbers without state: a hash of a seed and a subject, the same in every run.

/// Mixing steps of `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, 2014).
pub(super) fn random(seed: u64, subject: u64) -> u64 {
    let mut mixed = seed ^ subject.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
        mixed ^= mixed >> 27;
    }
    mixed ^ (mixed >> 31)
}

/// The same, between 0 and 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(super) fn random_share(seed: u64, subject: u64) -> f64 {
    (random(seed, subject) >> 11) as f64 / (1_u64 << 53) as f64
}
