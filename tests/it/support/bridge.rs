//! The real binary as a child process, its log, and its HTTP API.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{client, within_guard};

/// A folder with a configuration and a state directory, from which bridges are started.
pub(crate) struct Home {
    pub(crate) folder: TempDir,
}

impl Home {
    /// A new folder whose configuration is `toml`, with a free port for HTTP and its own state.
    pub(crate) fn new(toml: &str) -> Self {
        let home = Self { folder: TempDir::new().unwrap() };
        home.configure(toml);
        home
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, toml: &str) {
        let state = self.folder.path().join("data").display().to_string();
        let text = format!(
            "state_dir = {state:?}\n{toml}\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"debug\"\n"
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("bridge.toml")
    }

    /// Starts the daemon.
    pub(crate) async fn run(&self) -> Bridge {
        Bridge::start(command(&["run", "--config", self.config().to_str().unwrap()])).await
    }
}

/// The binary with these arguments and an environment that cannot disturb it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hoymiles-bridge"));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A running daemon.
pub(crate) struct Bridge {
    child: Child,
    log: watch::Receiver<Vec<String>>,
    pub(crate) api: String,
}

impl Bridge {
    /// Starts `command` and waits until its HTTP API listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let log = collect(child.stdout.take().unwrap());
        let mut bridge = Self { child, log, api: String::new() };
        let line = bridge.logged("HTTP API on ").await;
        line.split("HTTP API on ").nth(1).unwrap().trim().clone_into(&mut bridge.api);
        bridge
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the daemon runs")
    }

    /// Waits for the first log line that contains `text`.
    pub(crate) async fn logged(&self, text: &str) -> String {
        self.logged_times(text, 1).await
    }

    /// Waits for the `count`th log line that contains `text`.
    pub(crate) async fn logged_times(&self, text: &str, count: usize) -> String {
        let mut log = self.log.clone();
        let what = format!("log line {text:?}");
        let found = within_guard(&what, async {
            let lines = log
                .wait_for(|lines| lines.iter().filter(|line| line.contains(text)).count() >= count)
                .await;
            lines.map(|lines| {
                lines.iter().filter(|line| line.contains(text)).nth(count - 1).cloned().unwrap()
            })
        });
        found.await.unwrap_or_else(|_| panic!("the log ended without {text:?}: {:#?}", self.log()))
    }

    /// The log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// The log as it grows.
    pub(crate) fn follow(&self) -> watch::Receiver<Vec<String>> {
        self.log.clone()
    }

    /// GET: status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let response = client().get(format!("{}{path}", self.api)).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The inverters once `is_it` is true of them.
    pub(crate) async fn inverters_when(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        within_guard("such inverters", async {
            loop {
                let (_, inverters) = self.get("/api/inverters").await;
                if is_it(&inverters) {
                    return inverters;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    /// POST with a JSON body: status and body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = client()
            .post(format!("{}{path}", self.api))
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Sends a signal by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status().await.unwrap();
        assert!(kill.success(), "kill -s {name} {pid}");
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let status = within_guard("end of the daemon", self.child.wait()).await.unwrap();
        let mut log = self.log.clone();
        // The collector ends when the pipe is empty.
        while log.changed().await.is_ok() {}
        (status, self.log())
    }

    /// Sends SIGTERM and waits.
    pub(crate) async fn stop(self) -> (ExitStatus, Vec<String>) {
        self.signal("TERM").await;
        self.ended().await
    }
}

fn collect(
    out: impl tokio::io::AsyncRead + Send + Unpin + 'static,
) -> watch::Receiver<Vec<String>> {
    let (sender, receiver) = watch::channel(Vec::new());
    let mut lines = BufReader::new(out).lines();
    #[expect(clippy::disallowed_methods, reason = "ends with the pipe")]
    drop(tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            sender.send_modify(|log| log.push(line));
        }
    }));
    receiver
}

/// Runs a command that ends by itself: exit code, standard output, standard error.
pub(crate) async fn output(arguments: &[&str], folder: Option<&Path>) -> (i32, String, String) {
    let mut command = command(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let output = within_guard("end of the command", command.output()).await.unwrap();
    (
        output.status.code().expect("it ended by itself"),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}
