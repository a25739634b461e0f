//! Footprint of the bridge: the size of the binary, memory, and time to the first answer. The real
//! binary in its own process, as Linux accounts for it in `/proc`. It is built with the features of
//! benchmarks and tests, so the released one is a little smaller.
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use hoymiles_bridge::sim::modbus::Modbus;
use hoymiles_bridge::tasks::Tasks;
use rustix::process::{Pid, Signal, kill_process};
use support::plant::{self, INVERTERS, PORTS};
use support::target::Targets;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

const BINARY: &str = env!("CARGO_BIN_EXE_hoymiles-bridge");
const MOST_BYTES: u64 = 12_000_000;
const MOST_KIB_IN_DEMO: u64 = 12 * 1024;
/// The WebSocket library keeps a buffer of the last update for each target.
const MOST_KIB_WHEN_LARGE: u64 = 48 * 1024;
const MOST_TO_FIRST_ANSWER: Duration = Duration::from_millis(100);
const TARGETS: usize = 100;
/// Polls of each DTU before memory is measured.
const POLLS: usize = 3;
const STARTS: usize = 10;
/// Nothing here takes so long.
const GUARD: Duration = Duration::from_secs(60);
/// Requested once, because code that has not run takes no memory.
const PATHS: [&str; 5] = ["/health", "/stats", "/metrics", "/api/ports", "/api/targets"];

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` passes it; other builds are neither small nor fast.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let tasks = Tasks::new();
    let bytes = std::fs::metadata(BINARY).context(BINARY)?.len();
    println!("binary: {bytes} bytes; limit {MOST_BYTES}");
    let demo = timeout(GUARD, demo(&tasks)).await.context("demo")??;
    println!("demo, {POLLS} polls: {demo}; limit {MOST_KIB_IN_DEMO} KiB resident");
    let home = tempfile::tempdir()?;
    let large = timeout(GUARD, large(&tasks, home.path())).await.context("large")??;
    println!(
        "{INVERTERS} inverters x {PORTS} ports, {TARGETS} targets, {POLLS} polls: {large}; limit \
         {MOST_KIB_WHEN_LARGE} KiB resident"
    );
    let slowest = timeout(GUARD, starts(&tasks, home.path())).await.context("starts")??;
    println!(
        "start with that plant on disk to the first answer: slowest of {STARTS} {slowest:.2?}; \
         limit {MOST_TO_FIRST_ANSWER:?}"
    );
    tasks.shut_down(Duration::from_secs(5)).await;
    ensure!(!is_bench || bytes <= MOST_BYTES, "the binary is too large");
    ensure!(!is_bench || demo.resident_kib <= MOST_KIB_IN_DEMO, "too much memory in demo");
    ensure!(!is_bench || large.resident_kib <= MOST_KIB_WHEN_LARGE, "too much memory when large");
    ensure!(!is_bench || slowest <= MOST_TO_FIRST_ANSWER, "too slow to start");
    Ok(())
}

async fn demo(tasks: &Tasks) -> anyhow::Result<Memory> {
    let mut command = Command::new(BINARY);
    command.arg("demo").env_clear().env("HOYMILES__HTTP__LISTEN", "127.0.0.1:0");
    let mut bridge = Bridge::start(tasks, command).await?;
    bridge.polls.wait_for(|polls| *polls >= POLLS).await?;
    bridge.measure().await
}

/// A large plant with its targets; the state in `home` is for the next start.
async fn large(tasks: &Tasks, home: &Path) -> anyhow::Result<Memory> {
    let dtus = plant::start(tasks, Modbus).await?;
    let mut targets = Targets::start(tasks).await?;
    let state_dir = home.join("data").display().to_string();
    let mut text =
        format!("state_dir = '{state_dir}'\npoll.interval = '5s'\nhttp.listen = '127.0.0.1:0'\n");
    for dtu in &dtus {
        writeln!(
            text,
            "[[dtu]]\nname = '{}'\nprotocol = 'modbus'\nhost = '{}'\nport = {}",
            dtu.name,
            dtu.host,
            dtu.port()
        )?;
    }
    for nth in 0..TARGETS {
        writeln!(text, "[[target]]\nname = 'Target {nth}'\nurl = '{}'", targets.url(nth))?;
    }
    std::fs::write(home.join("bridge.toml"), text)?;
    let begun = Instant::now();
    let mut bridge = Bridge::start(tasks, run(home)).await?;
    let served = targets.wait_for(TARGETS).await?;
    println!("{TARGETS} targets served {:.2?} after the start", served.at.duration_since(begun));
    bridge.polls.wait_for(|polls| *polls >= dtus.len() * POLLS).await?;
    let mut bytes = 0;
    while bytes < INVERTERS * PORTS * 300 {
        bytes = targets.wait_for(1).await?.bytes;
    }
    bridge.measure().await
}

/// The slowest of some starts.
async fn starts(tasks: &Tasks, home: &Path) -> anyhow::Result<Duration> {
    let mut slowest = Duration::ZERO;
    for _ in 0..STARTS {
        let bridge = Bridge::start(tasks, run(home)).await?;
        slowest = slowest.max(bridge.answered_after);
        let inverters = bridge.get("/api/inverters").await?;
        let ports = inverters.matches("port_number").count();
        ensure!(ports == INVERTERS * PORTS, "{ports} ports after a restart");
        bridge.stop().await?;
    }
    Ok(slowest)
}

fn run(home: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(home.join("bridge.toml")).arg("run").env_clear();
    command
}

/// What a process has in memory.
struct Memory {
    resident_kib: u64,
    most_resident_kib: u64,
    threads: u64,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resident_kib, most_resident_kib, threads } = self;
        write!(f, "{resident_kib} KiB, at most {most_resident_kib} KiB, {threads} threads")
    }
}

/// A running daemon.
struct Bridge {
    child: Child,
    address: SocketAddr,
    answered_after: Duration,
    /// How many connections the log has reported.
    polls: watch::Receiver<usize>,
}

impl Bridge {
    /// Starts `command` and waits for its first answer.
    async fn start(tasks: &Tasks, mut command: Command) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let log = child.stdout.take().context("the log")?;
        let mut log = BufReader::new(log).lines();
        let address = loop {
            let line = log.next_line().await?.context("the bridge ended")?;
            if let Some((_, address)) = line.split_once("HTTP API on http://") {
                break address.parse()?;
            }
        };
        let (count, polls) = watch::channel(0);
        let mut bridge = Self { child, address, answered_after: Duration::ZERO, polls };
        bridge.get("/ready").await?;
        bridge.answered_after = begun.elapsed();
        // The pipe must be read, or log lines are lost.
        tasks.spawn_short(async move {
            while let Ok(Some(line)) = log.next_line().await {
                count.send_modify(|polls| *polls += usize::from(line.contains(" ports of ")));
            }
        });
        Ok(bridge)
    }

    /// Head and body of the answer.
    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        Ok(answer)
    }

    /// Requests every path once, measures memory and stops it.
    async fn measure(self) -> anyhow::Result<Memory> {
        for path in PATHS {
            self.get(path).await?;
        }
        let pid = self.child.id().context("the bridge ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.ok_or_else(|| anyhow!("no {key} in /proc/{pid}/status"))
        };
        let memory = Memory {
            resident_kib: number("VmRSS:")?,
            most_resident_kib: number("VmHWM:")?,
            threads: number("Threads:")?,
        };
        self.stop().await?;
        Ok(memory)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        kill_process(pid.context("the bridge ended")?, Signal::TERM)?;
        let status = self.child.wait().await?;
        ensure!(status.success(), "the bridge ended with {status}");
        Ok(())
    }
}
