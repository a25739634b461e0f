//! A simulated DTU, as the process that users start with `simulate`.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::bridge::command;
use super::within_guard;

/// A running `simulate`.
pub(crate) struct Plant {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Plant {
    /// On a free port, with these further options.
    pub(crate) async fn start(options: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", options).await
    }

    pub(crate) async fn start_at(address: &str, options: &[&str]) -> Self {
        Self::speaking("--modbus", address, options).await
    }

    /// With the DTUs' own protocol.
    pub(crate) async fn start_protobuf(options: &[&str]) -> Self {
        Self::start_protobuf_at("127.0.0.1:0", options).await
    }

    pub(crate) async fn start_protobuf_at(address: &str, options: &[&str]) -> Self {
        Self::speaking("--protobuf", address, options).await
    }

    async fn speaking(language: &str, address: &str, options: &[&str]) -> Self {
        let arguments = [&["simulate", "--always-day", language, address], options].concat();
        let mut child = command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = within_guard("address of the simulated DTU", async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, rest)) = line.split_once("listens on ") {
                    let address = rest.split([' ', ':']).take(2).collect::<Vec<_>>().join(":");
                    return address.parse().unwrap();
                }
            }
            panic!("the simulator ended")
        })
        .await;
        // The pipe must be read, or the simulator blocks when it is full.
        #[expect(clippy::disallowed_methods, reason = "ends with the pipe")]
        drop(tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} }));
        Self { address, child }
    }

    /// The `[[dtu]]` section for it.
    pub(crate) fn dtu(&self, name: &str) -> String {
        format!(
            "[[dtu]]\nname = \"{name}\"\nprotocol = \"modbus\"\nhost = \"127.0.0.1\"\nport = {}\n\
             timeout = \"1s\"\nretries = 1\ninterval = \"5s\"\n",
            self.address.port()
        )
    }

    /// Stops it at once, like a power cut.
    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}
