//! Asks a DTU as the bridge does, step by step, over one connection.

use std::net::IpAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::super::report::{Step, cause_and_cure};
use super::Means;
use super::answer::{self, Extras};
use super::other::Other;
use crate::app;
use crate::config::{DtuConfig, Protocol};
use crate::dtu::dial::{Dial, TcpDialer};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::protobuf::{ProtobufDtu, Settings};
use crate::dtu::{Dtu as _, DtuError, PollError};
use crate::plant::reading::DtuReading;

/// All steps up to the one that fails.
pub(super) async fn probe(config: &DtuConfig, means: &Means<'_>) -> Vec<Step> {
    probe_beside(Other::beside(config.protocol), config, means).await
}

async fn probe_beside(other: Option<Other>, config: &DtuConfig, means: &Means<'_>) -> Vec<Step> {
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
    let accepts = stream.is_some();
    let mut is_silent = !accepts;
    if let Some(stream) = stream {
        let (spoken, failed) = speak(&config, stream, means).await;
        steps.extend(spoken);
        is_silent = failed.is_some_and(|error| error.is_silence());
    }
    if let (true, Some(other), Some(last)) = (is_silent, other, steps.last_mut())
        && let Some(hint) = other.hint(&config).await
    {
        let is_likely = !accepts || other.port == config.port();
        let at = if is_likely { 0 } else { last.cure.len() };
        last.cure.insert(at, hint);
        last.cure = vec![last.cure.join("; or: ")];
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
            let (cause, cure) = cause_and_cure(&error.to_string());
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

/// The steps, and why it failed if it did.
async fn speak(
    config: &DtuConfig,
    stream: TcpStream,
    means: &Means<'_>,
) -> (Vec<Step>, Option<DtuError>) {
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
            let mut dtu = ProtobufDtu::with_dialer(dialer, settings, means.clock.clone());
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
) -> (Vec<Step>, Option<DtuError>) {
    let spoken = || Step::fine("protocol", format!("{} is spoken", config.protocol)).taking(took);
    match outcome {
        Ok(reading) => {
            let mut steps = vec![spoken()];
            steps.extend(answer::steps(&reading, extras));
            (steps, None)
        }
        Err(PollError { error, partial }) => {
            let (mut cause, cure) = cause_and_cure(&error.to_string());
            if partial.port_count() > 0 {
                cause = format!("{cause}, after {} ports were read", partial.port_count());
            }
            let steps = if matches!(error, DtuError::NotMapped) {
                vec![spoken(), Step::wrong("inverters", cause, cure)]
            } else {
                vec![Step::wrong("protocol", cause, cure).taking(took)]
            };
            (steps, Some(error))
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use jiff::tz::TimeZone;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;
    use crate::clock::WallClock;
    use crate::tasks::Tasks;

    /// What to try where a DTU of that protocol says this to whoever asks, and hangs up.
    async fn cure(asked: &TcpListener, says: &[u8], protocol: Protocol, other_port: u16) -> String {
        let mut config = DtuConfig::new("DTU", protocol, "127.0.0.1");
        (config.port, config.retries) = (Some(asked.local_addr().unwrap().port()), 0);
        let tasks = Tasks::new();
        let means = Means {
            daemon: None,
            force: false,
            interval: Duration::from_secs(60),
            clock: WallClock::system(),
            zone: TimeZone::UTC,
            tasks: &tasks,
        };
        let other = Other { port: other_port, ..Other::beside(protocol).unwrap() };
        let hanging_up = async {
            while let Ok((mut stream, _)) = asked.accept().await {
                drop(stream.read(&mut [0; 512]).await);
                drop(stream.write_all(says).await);
            }
        };
        let steps = tokio::select! {
            steps = probe_beside(Some(other), &config, &means) => steps,
            () = hanging_up => Vec::new(),
        };
        let last = steps.last().unwrap();
        assert_eq!((last.step, last.ok), ("protocol", Some(false)), "{steps:?}");
        last.cure.concat()
    }

    fn port(socket: &TcpSocket) -> u16 {
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        socket.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn a_dtu_that_hangs_up_is_looked_for_once_at_its_other_protocol() {
        for (protocol, other, is_open, says, expected) in [
            (Protocol::Modbus, "protobuf", true, &b""[..], 1),
            (Protocol::Protobuf, "modbus", true, b"", 1),
            (Protocol::Modbus, "protobuf", false, b"", 0),
            (Protocol::Modbus, "protobuf", true, b"HTTP/1.1 400 Bad Request\r\n\r\n", 0),
        ] {
            let asked = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            let port = port(&socket);
            let (open, closed) =
                if is_open { (socket.listen(9).ok(), None) } else { (None, Some(socket)) };
            let cure = cure(&asked, says, protocol, port).await;
            let hint = format!("; or: its port {port} is open: set protocol = \"{other}\"");
            assert_eq!(cure.contains(&hint), expected == 1, "{cure}");
            // All that connected wait in its queue.
            let queue = open.map(|open| open.into_std().unwrap());
            let peeks = queue.map_or(0, |queue| queue.incoming().map_while(Result::ok).count());
            assert_eq!(peeks, expected, "{protocol} {is_open}");
            drop(closed);
        }
    }

    #[tokio::test]
    async fn a_silent_port_that_is_the_other_protocols_is_told_first() {
        let asked = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = asked.local_addr().unwrap().port();
        let cure = cure(&asked, b"", Protocol::Protobuf, port).await;
        let hint = format!("{port} is the port of the other protocol: set protocol = \"modbus\"");
        assert!(cure.starts_with(&format!("{hint} (and no other port); or: ")), "{cure}");
    }
}
