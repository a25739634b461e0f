//! Asks a DTU as the bridge does, step by step, over one connection.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::super::report::{Step, cause_and_cure};
use super::Means;
use super::answer::{self, Extras};
use crate::app;
use crate::config::{DtuConfig, Protocol};
use crate::dtu::dial::{Dial, TcpDialer};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::protobuf::{ProtobufDtu, Settings};
use crate::dtu::{Dtu as _, DtuError, PollError};
use crate::plant::reading::DtuReading;

/// Whether the other protocol's port is open is a hint, not worth a long wait.
const PEEK: Duration = Duration::from_secs(1);

/// All steps up to the one that fails.
pub(super) async fn probe(config: &DtuConfig, means: &Means<'_>) -> Vec<Step> {
    // A simulated one lives as long as this process.
    let config = match app::with_simulated_plant(means.tasks, config.clone()).await {
        Ok(config) => config,
        Err(error) => return vec![Step::wrong("tcp", error.to_string(), "is loopback up?")],
    };
    let mut steps = vec![name(&config).await];
    if has_failed(&steps) {
        return steps;
    }
    let (step, stream) = tcp(&config).await;
    steps.push(step);
    if let Some(stream) = stream {
        steps.extend(speak(&config, stream, means).await);
    }
    steps
}

fn has_failed(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.ok == Some(false))
}

async fn name(config: &DtuConfig) -> Step {
    let host = config.host.as_str();
    if host.parse::<IpAddr>().is_ok() {
        return Step::fine("name", format!("{host} is an address, nothing to look up"));
    }
    let began = Instant::now();
    let cure = "check `host`, or use the DTU's IP address, which the router knows; names that end in .local do \
                not resolve in a container";
    let step = match timeout(config.timeout, lookup_host((host, config.port()))).await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<String> =
                addresses.map(|address| address.ip().to_string()).collect();
            Step::fine("name", format!("{host} is {}", addresses.join(", ")))
        }
        Ok(Err(error)) => {
            Step::wrong("name", format!("the name {host} does not resolve ({error})"), cure)
        }
        Err(_) => {
            let limit = config.timeout;
            Step::wrong(
                "name",
                format!("no name server answered for {host} within {limit:?}"),
                cure,
            )
        }
    };
    step.taking(began.elapsed())
}

async fn tcp(config: &DtuConfig) -> (Step, Option<TcpStream>) {
    let began = Instant::now();
    let dialled = dialer(config).dial(config.timeout).await;
    let took = began.elapsed();
    match dialled {
        Ok(stream) => {
            let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            (Step::fine("tcp", format!("{peer} accepts connections")).taking(took), Some(stream))
        }
        Err(error) => {
            let (cause, mut cure) = cause_and_cure(&error.to_string());
            if let Some(hint) = other_protocol(config).await {
                cure = format!("{hint}; or: {cure}");
            }
            (Step::wrong("tcp", cause, cure).taking(took), None)
        }
    }
}

fn dialer(config: &DtuConfig) -> TcpDialer {
    match config.protocol {
        Protocol::Modbus | Protocol::Simulated => ModbusDtu::dialer(config),
        Protocol::Protobuf => ProtobufDtu::dialer(config),
    }
}

/// Whether the DTU has the port of its other protocol open.
async fn other_protocol(config: &DtuConfig) -> Option<String> {
    let other = match config.protocol {
        Protocol::Modbus => DtuConfig::new("", Protocol::Protobuf, &config.host),
        Protocol::Protobuf => DtuConfig::new("", Protocol::Modbus, &config.host),
        Protocol::Simulated => return None,
    };
    let is_open = dialer(&other).dial(PEEK).await.is_ok();
    is_open.then(|| {
        format!(
            "its port {} is open: set protocol = \"{}\" (and no other port)",
            other.port(),
            other.protocol
        )
    })
}

async fn speak(config: &DtuConfig, stream: TcpStream, means: &Means<'_>) -> Vec<Step> {
    let dialer = HandedOver { stream: Some(stream), then: dialer(config) };
    let began = Instant::now();
    let (outcome, extras, pauses) = match config.protocol {
        Protocol::Modbus | Protocol::Simulated => {
            let mut dtu = ModbusDtu::with_dialer(config, dialer);
            (dtu.poll().await, Extras::default(), dtu.pauses())
        }
        Protocol::Protobuf => {
            // To look is not to change how the DTU works.
            let settings =
                Settings { performance_mode: false, ..Settings::of(config, means.zone.clone()) };
            let asked_at = means.clock.now().as_second();
            let mut dtu =
                ProtobufDtu::with_dialer(dialer, settings, means.clock.clone()).beside_a_bridge();
            let outcome = dtu.poll().await;
            let (encrypts, clock_ahead) = (dtu.encrypts(), dtu.clock_ahead());
            (outcome, Extras { encrypts, clock_ahead, asked_at }, dtu.pauses())
        }
    };
    told(config, outcome, extras, began.elapsed().saturating_sub(pauses))
}

fn told(
    config: &DtuConfig,
    outcome: Result<DtuReading, PollError>,
    extras: Extras,
    took: Duration,
) -> Vec<Step> {
    let spoken = || Step::fine("protocol", format!("{} is spoken", config.protocol)).taking(took);
    match outcome {
        Ok(reading) => {
            let mut steps = vec![spoken()];
            steps.extend(answer::steps(&reading, extras));
            steps
        }
        Err(PollError { error, partial }) => {
            let (mut cause, cure) = cause_and_cure(&error.to_string());
            if matches!(error, DtuError::NotMapped) {
                return vec![spoken(), Step::wrong("inverters", cause, cure)];
            }
            if partial.port_count() > 0 {
                cause = format!("{cause}, after {} ports were read", partial.port_count());
            }
            vec![Step::wrong("protocol", cause, cure).taking(took)]
        }
    }
}

/// Gives out the connection that is open already, and dials only when that is used up.
struct HandedOver {
    stream: Option<TcpStream>,
    then: TcpDialer,
}

impl Dial for HandedOver {
    type Stream = TcpStream;

    async fn dial(&mut self, limit: Duration) -> Result<TcpStream, DtuError> {
        match self.stream.take() {
            Some(stream) => Ok(stream),
            None => self.then.dial(limit).await,
        }
    }
}
