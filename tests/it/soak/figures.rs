//! What a process takes of the computer, as the kernel counts it.

use std::fmt;
use std::fs;

/// How much the memory may grow over the whole time, in KiB: the allocator's own unrest.
const GROWTH: u64 = 6 * 1_024;
/// How many descriptors and threads the trouble may take at once, beside those of the quiet.
const MORE_DESCRIPTORS: usize = 60;
const MORE_THREADS: usize = 12;

/// At one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) descriptors: usize,
    threads: usize,
    /// Resident, in KiB.
    memory: u64,
}

impl Figures {
    pub(super) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        Self {
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(),
            threads: usize::try_from(number("Threads:")).unwrap(),
            memory: number("VmRSS:"),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, memory } = self;
        write!(f, "{descriptors} descriptors, {threads} threads, {memory} KiB")
    }
}

/// That the last quarter of the time is as the second was; the first fills pools and buffers.
#[track_caller]
pub(super) fn check_flat(before: &Figures, samples: &[Figures]) {
    let quarter = samples.len() / 4;
    let second = samples.get(quarter..2 * quarter).unwrap();
    let last = samples.get(3 * quarter..).unwrap();
    let (early, late) = (median(second), median(last));
    assert!(late <= early + GROWTH, "{early} KiB have become {late} KiB");
    for figures in samples {
        assert!(figures.descriptors <= before.descriptors + MORE_DESCRIPTORS, "{figures}");
        assert!(figures.threads <= before.threads + MORE_THREADS, "{figures}");
    }
}

fn median(samples: &[Figures]) -> u64 {
    let mut memory: Vec<u64> = samples.iter().map(|figures| figures.memory).collect();
    memory.sort_unstable();
    *memory.get(memory.len() / 2).expect("there are samples")
}
