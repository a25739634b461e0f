//! Runs each seed of the fuzz targets, including those that once caused a crash.

use std::panic::catch_unwind;
use std::path::Path;

use crate::fuzz::TARGETS;

#[test]
fn no_seed_of_a_fuzz_target_crashes_the_bridge() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    assert_eq!(seeds.read_dir().unwrap().count(), TARGETS.len());
    for (name, run) in TARGETS {
        let mut count = 0;
        for seed in seeds.join(name).read_dir().unwrap() {
            let path = seed.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            assert!(catch_unwind(|| run(&bytes)).is_ok(), "{}", path.display());
            count += 1;
        }
        assert_ne!(count, 0, "{name} has seeds");
    }
}
