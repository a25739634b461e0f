//! Memory, file descriptors and threads of a process, as the kernel counts them.

use std::fmt;
use std::fs;

/// By how much the memory may grow over the whole test, in KiB: noise of the allocator.
const GROWTH: u64 = 6 * 1_024;
/// How many more descriptors and threads the load may use at once than the idle bridge.
const MORE_DESCRIPTORS: usize = 60;
const MORE_THREADS: usize = 12;

/// At one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) descriptors: usize,
    threads: usize,
    /// Resident, in KiB.
    memory: u64,
}

impl Usage {
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

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, threads, memory } = self;
        write!(f, "{descriptors} descriptors, {threads} threads, {memory} KiB")
    }
}

/// Compares the last quarter of the test with the second; the first fills pools and buffers.
#[track_caller]
pub(super) fn check_flat(before: &Usage, samples: &[Usage]) {
    let quarter = samples.len() / 4;
    let second = samples.get(quarter..2 * quarter).unwrap();
    let last = samples.get(3 * quarter..).unwrap();
    let (early, late) = (median(second), median(last));
    assert!(late <= early + GROWTH, "{early} KiB have become {late} KiB");
    for usage in samples {
        assert!(usage.descriptors <= before.descriptors + MORE_DESCRIPTORS, "{usage}");
        assert!(usage.threads <= before.threads + MORE_THREADS, "{usage}");
    }
}

fn median(samples: &[Usage]) -> u64 {
    let mut memory: Vec<u64> = samples.iter().map(|usage| usage.memory).collect();
    memory.sort_unstable();
    *memory.get(memory.len() / 2).expect("there are samples")
}
