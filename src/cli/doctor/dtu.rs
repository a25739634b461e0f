//! One DTU: what the running bridge reports of it, or one poll, step by step over one connection.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::report::{BRIDGE, Kind, Step, Subject, count};
use super::{CONNECTED, Context};
use crate::app::{self, Storage};
use crate::cli::bridge_client::DtuReport;
use crate::cli::exit::seconds;
use crate::config::{DtuConfig, Protocol};
use crate::dtu::dial::{Dial as _, OpenConnection, TcpDialer};
use crate::dtu::modbus::ModbusDtu;
use crate::dtu::protobuf::{ProtobufDtu, Settings};
use crate::dtu::{Dtu as _, DtuError, PollError};
use crate::net::dial::Attempt;
use crate::net::error::ConnectError;
use crate::plant::identity::{Identity, KnownDtu, OTHER_DTU};
use crate::plant::model;
use crate::plant::reading::DtuReading;
use crate::plant::serial::InverterSerial;
use crate::problem::Problem;
use crate::snapshot::health::silence_limit;
use crate::snapshot::state::SharedInverters;
use crate::snapshot::warning::Warning;
use crate::store::{self, StoredPlant};

/// A DTU that reads its inverters has values of the last minute or two, in seconds.
const OLD: i64 = 300;
/// A DTU's clock that is off by less does no harm, in seconds.
const CLOCK_OFF: i64 = 120;
/// The step about what the values lack.
const VALUES: &str = "values";
/// For the connection to the port of the other protocol.
const GUESS_LIMIT: Duration = Duration::from_secs(1);

/// Tests one DTU; returns also the inverters that it listed, if it was polled.
pub(super) async fn test(config: &DtuConfig, context: &Context) -> (Subject, Vec<InverterSerial>) {
    let interval = config.interval_or(context.loaded.config.poll.interval);
    let (mut steps, is_working) = context.bridge().map_or_else(
        || (Vec::new(), false),
        |bridge| reported(config, bridge.health.dtus.get(&config.name), interval),
    );
    let mut listed = Vec::new();
    if context.force || !is_working {
        let other = OtherProtocol::than(config.protocol);
        steps.extend(poll(other, config, context, &mut listed).await);
    }
    (Subject { subject: config.name.clone(), kind: Kind::Dtu, steps }, listed)
}

/// The step about inverters that other DTUs, named first in the configuration, list as well.
pub(super) fn shared(shared: SharedInverters) -> Step {
    Step::failed(VALUES, Warning::Shares(shared).problem())
}

/// What is known of the DTU and its inverters: to the running bridge, or from its last run.
fn known(config: &DtuConfig, context: &Context) -> (KnownDtu, BTreeSet<InverterSerial>) {
    let configured = config.dtu_serial();
    let (serial, inverters) = match (context.bridge(), context.storage) {
        (Some(bridge), _) => {
            // It has judged by the inverters as well.
            let report = bridge.health.dtus.get(&config.name);
            let refused = report.filter(|report| {
                report.status == "error" && report.last_error_cause.as_deref() == Some(OTHER_DTU)
            });
            (refused.and_then(|report| report.serial_number.clone()), BTreeSet::new())
        }
        (None, Storage::StateDir) => {
            let stored = store::stored_plant(&context.loaded.config.state_dir).unwrap_or_default();
            let StoredPlant { inverters, mut dtus, .. } = stored;
            let mine = inverters.into_iter().filter(|(_, one)| one.dtu_name == config.name);
            let serial = dtus.remove(&config.name).and_then(|dtu| dtu.serial);
            (serial, mine.map(|(serial, _)| serial).collect())
        }
        (None, Storage::InMemory) => (None, BTreeSet::new()),
    };
    let remembered = serial.and_then(|serial| serial.parse().ok());
    (KnownDtu { configured, remembered }, inverters)
}

/// What the running bridge reports, and whether nobody else should poll the DTU.
fn reported(
    config: &DtuConfig,
    report: Option<&DtuReport>,
    interval: Duration,
) -> (Vec<Step>, bool) {
    let Some(report) = report else {
        let problem = Problem::new(
            "unknown_dtu",
            "the running bridge does not know this DTU: it has another configuration",
            "restart the bridge, or reload its configuration (SIGHUP)",
        );
        return (vec![Step::failed(BRIDGE, problem)], false);
    };
    // A poll that goes on may take minutes.
    let ages = [report.seconds_since_last_success, report.seconds_since_last_reply];
    let age = ages.into_iter().flatten().min();
    let is_recent = age.is_some_and(|age| age.unsigned_abs() <= silence_limit(interval).as_secs());
    match report.status.as_str() {
        "online" if is_recent => (online(config, report), true),
        "online" => {
            let age = seconds(age.unwrap_or(0));
            let problem = Problem::new(
                "not_polled",
                format!("the running bridge has not polled it for {age}"),
                "restart the bridge, and report this with its log",
            );
            (vec![Step::failed(BRIDGE, problem)], false)
        }
        "asleep" => {
            let detail = "asleep, as every night: the plant had stopped producing before the DTU \
                          stopped answering";
            (vec![Step::passed(BRIDGE, detail)], true)
        }
        "error" => (vec![failing(report)], false),
        _ => {
            let step = Step::skipped(BRIDGE, "the running bridge is polling it for the first time");
            (vec![step.note("run doctor again in a minute")], true)
        }
    }
}

fn failing(report: &DtuReport) -> Step {
    let cause = report.last_error.as_deref().unwrap_or("no reason given");
    let since = report.failing_since.as_deref().unwrap_or("its last poll");
    let polls = count(usize::try_from(report.failures_in_a_row).unwrap_or(usize::MAX), "poll");
    Step::failed_as(
        BRIDGE,
        report.last_error_cause.clone().unwrap_or("unknown".into()),
        format!("{cause} (since {since}, {polls} in a row)"),
        report.last_error_remedy.clone(),
    )
}

fn online(config: &DtuConfig, report: &DtuReport) -> Vec<Step> {
    let DtuReport { query_count, error_count, serial_number, firmware_version, .. } = report;
    let mut steps = vec![
        Step::passed(
            BRIDGE,
            format!("the running bridge reads it ({error_count} of {query_count} polls failed)"),
        )
        .note(CONNECTED),
        protocol_ok(config.protocol),
        serial(serial_number.as_deref(), None, firmware_version.as_deref()),
        match (report.inverters, report.ports) {
            (Some(inverters), Some(ports)) => listed(inverters, ports),
            _ => Step::skipped("inverters", "the running bridge does not report them yet"),
        },
        Step::passed(
            "age",
            format!("read {} ago", seconds(report.seconds_since_last_success.unwrap_or(0))),
        ),
    ];
    steps.extend(report.unread().map(|problem| Step::failed("records", problem)));
    steps.extend(
        report
            .problems
            .iter()
            .cloned()
            .map(|problem| Step::failed_as(VALUES, problem.label, problem.cause, problem.remedy)),
    );
    steps
}

/// The protocol that is not configured, and its port.
#[derive(Clone, Copy, Debug)]
struct OtherProtocol {
    protocol: Protocol,
    port: u16,
    /// Who speaks it.
    models: &'static str,
}

impl OtherProtocol {
    /// A simulated DTU has none.
    fn than(configured: Protocol) -> Option<Self> {
        let (protocol, models) = match configured {
            Protocol::Modbus => {
                (Protocol::Protobuf, "DTU-WLite, DTU-Lite, DTU-W100, DTU-G100 and HMS-…W inverters")
            }
            Protocol::Protobuf => (Protocol::Modbus, "DTU-Pro and DTU-Pro-S"),
            Protocol::Simulated => return None,
        };
        Some(Self { protocol, port: DtuConfig::new("", protocol, "").port(), models })
    }

    fn remedy(self) -> String {
        let Self { protocol, models, .. } = self;
        format!("set `protocol = \"{protocol}\"` without `port` (for {models})")
    }

    /// Improves the remedy of the step that failed if the device seems to speak this protocol.
    async fn improve(self, config: &DtuConfig, has_connected: bool, failed: Step) -> Step {
        if has_connected && config.port() == self.port {
            return failed.remedy(self.remedy());
        }
        let mut dialer = TcpDialer::new(config.host.clone(), self.port, "");
        if dialer.dial(GUESS_LIMIT).await.is_err() {
            return failed;
        }
        let Self { protocol, port, .. } = self;
        let found = format!("its port {port}, which is that of protocol \"{protocol}\", is open");
        // A device with both ports open may speak both protocols.
        if has_connected {
            failed.note(format!("{found}: try `protocol = \"{protocol}\"` without `port`"))
        } else {
            failed.remedy(self.remedy()).note(found)
        }
    }
}

/// Polls the DTU once, up to the step that fails.
async fn poll(
    other: Option<OtherProtocol>,
    config: &DtuConfig,
    context: &Context,
    listed: &mut Vec<InverterSerial>,
) -> Vec<Step> {
    // A simulated one lives as long as this process.
    let config = match app::with_simulated_plant(&context.tasks, config.clone()).await {
        Ok(config) => config,
        Err(error) => {
            let address = ([127, 0, 0, 1], config.port()).into();
            return vec![Step::failed("tcp", ConnectError::tcp(address, &error).problem())];
        }
    };
    let began = Instant::now();
    let attempt = Attempt::new(config.host.as_str(), config.port(), config.timeout);
    let mut steps = match attempt.resolve(&mut ()).await {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(|one| one.ip().to_string()).collect();
            vec![Step::passed("name", addresses.join(", ")).took(began.elapsed())]
        }
        Err(error) => return vec![Step::failed("name", error.problem()).took(began.elapsed())],
    };
    let (connected, error) = tcp(&config).await;
    let has_connected = connected.has_passed();
    steps.push(connected);
    let error = match error {
        Ok(stream) => speak(&config, stream, context, (&mut steps, listed)).await,
        Err(error) => Some(error),
    };
    if let (Some(error), Some(other)) = (error, other)
        && error.is_silence()
        && let Some(failed) = steps.pop()
    {
        steps.push(other.improve(&config, has_connected, failed).await);
    }
    steps
}

async fn tcp(config: &DtuConfig) -> (Step, Result<TcpStream, DtuError>) {
    let began = Instant::now();
    let dialled = dialer(config).dial(config.timeout).await;
    let step = match &dialled {
        Ok(stream) => {
            let peer = stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
            Step::passed("tcp", format!("{peer} accepts connections"))
        }
        Err(error) => Step::failed("tcp", error.problem()),
    };
    (step.took(began.elapsed()), dialled)
}

fn dialer(config: &DtuConfig) -> TcpDialer {
    match config.protocol {
        Protocol::Modbus | Protocol::Simulated => ModbusDtu::dialer(config),
        Protocol::Protobuf => ProtobufDtu::dialer(config),
    }
}

/// Polls over an open connection; the error if that fails.
async fn speak(
    config: &DtuConfig,
    stream: TcpStream,
    context: &Context,
    (steps, listed): (&mut Vec<Step>, &mut Vec<InverterSerial>),
) -> Option<DtuError> {
    let dialer = OpenConnection::new(stream, dialer(config));
    let began = Instant::now();
    let (outcome, details, pauses) = match config.protocol {
        Protocol::Modbus | Protocol::Simulated => {
            let mut dtu = ModbusDtu::with_dialer(config, dialer);
            (dtu.poll().await, ProtobufDetails::default(), dtu.pauses())
        }
        Protocol::Protobuf => {
            // A test must not change how the DTU works.
            let zone = context.loaded.zone.clone();
            let settings = Settings { performance_mode: false, ..Settings::of(config, zone) };
            let polled_at = context.clock.now().as_second();
            let mut dtu = ProtobufDtu::with_dialer(dialer, settings, context.clock.clone());
            let outcome = dtu.poll().await;
            let (encrypts, clock_ahead) = (dtu.encrypts(), dtu.clock_ahead());
            (outcome, ProtobufDetails { encrypts, clock_ahead, polled_at }, dtu.pauses())
        }
    };
    let took = began.elapsed().saturating_sub(pauses);
    match outcome {
        Ok(reading) => {
            steps.push(protocol_ok(config.protocol).took(took));
            let (known, inverters) = known(config, context);
            listed.extend(reading.inverters.iter().map(|inverter| inverter.serial));
            let is_known = listed.iter().any(|serial| inverters.contains(serial));
            let identity = known.judge(reading.dtu_serial, is_known);
            steps.extend(read(&reading, details, &identity));
            None
        }
        Err(PollError { error: DtuError::NotMapped, .. }) => {
            steps.push(protocol_ok(config.protocol).took(took));
            steps.push(Step::failed("inverters", DtuError::NotMapped.problem()));
            None
        }
        Err(PollError { error, partial }) => {
            let mut problem = error.problem();
            if partial.port_count() > 0 {
                let ports = count(partial.port_count(), "port");
                problem.cause = format!("{}, after {ports}", problem.cause);
            }
            steps.push(Step::failed("protocol", problem).took(took));
            Some(error)
        }
    }
}

/// What a DTU reports only over protobuf.
#[derive(Clone, Copy, Debug, Default)]
struct ProtobufDetails {
    encrypts: Option<bool>,
    /// By how many seconds its clock is ahead of ours.
    clock_ahead: Option<i64>,
    /// In Unix seconds.
    polled_at: i64,
}

/// The steps that follow from a reading.
fn read(reading: &DtuReading, details: ProtobufDetails, identity: &Identity) -> Vec<Step> {
    let dtu_serial = reading.dtu_serial;
    let inverters = reading.inverters.len();
    let live = reading.inverters.iter().filter(|inverter| inverter.is_live()).count();
    let mut list = if inverters == 0 && reading.has_excluded {
        Step::passed("inverters", "all that it lists are in `exclude`")
    } else {
        listed(inverters, reading.port_count())
    };
    if live == 0 && list.has_passed() {
        list = list.note("the DTU reaches none of them now; if it is day, check the inverters and their distance to it");
    }
    let serial = serial(
        dtu_serial.map(|serial| serial.to_string()).as_deref(),
        dtu_serial.and_then(model::dtu_name),
        reading.dtu_firmware.as_deref(),
    );
    let serial = match identity {
        Identity::Known => serial,
        Identity::Exchanged { before, .. } => {
            serial.note(format!("the DTU was exchanged: its serial number was {before}"))
        }
        Identity::Other(other) => Step::failed("serial", other.problem()),
    };
    let mut steps =
        vec![serial, list, Step::passed("reach", format!("the DTU reaches {live} of {inverters}"))];
    steps.extend(reading.unread.problem().map(|problem| Step::failed("records", problem)));
    if let Some(encrypts) = details.encrypts {
        steps.push(Step::passed("encryption", if encrypts { "on" } else { "off" }));
    }
    steps.push(age(reading, details));
    steps.push(clock(details));
    steps
}

fn protocol_ok(protocol: Protocol) -> Step {
    let name = match protocol {
        Protocol::Modbus | Protocol::Simulated => "Modbus",
        Protocol::Protobuf => "protobuf",
    };
    Step::passed("protocol", format!("{name} OK"))
}

fn serial(serial: Option<&str>, model: Option<&str>, firmware: Option<&str>) -> Step {
    let Some(serial) = serial else {
        return Step::skipped("serial", "the DTU does not report its serial number");
    };
    let firmware = firmware.map(|version| format!("firmware {version}"));
    let parts = [Some(serial), model, firmware.as_deref()];
    Step::passed("serial", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn listed(inverters: usize, ports: usize) -> Step {
    if inverters == 0 {
        return Step::failed("inverters", Warning::ListsNone.problem());
    }
    let (inverters, ports) = (count(inverters, "inverter"), count(ports, "port"));
    Step::passed("inverters", format!("{inverters} with {ports}"))
}

fn age(reading: &DtuReading, details: ProtobufDetails) -> Step {
    let (Some(taken), Some(ahead)) = (reading.dtu_time, details.clock_ahead) else {
        return Step::skipped("age", "this protocol does not report the age of the values");
    };
    // Both times are of the DTU's clock, which need not be right.
    let age = details.polled_at.saturating_add(ahead).saturating_sub(taken).max(0);
    let cause = format!("the values are {} old", seconds(age));
    if age <= OLD {
        return Step::passed("age", cause);
    }
    let remedy = "stop other programs that poll the DTU more often than every 35 s, which keeps \
                  it from reading its inverters; then restart the DTU";
    Step::failed("age", Problem::new("values_old", cause, remedy))
}

fn clock(details: ProtobufDetails) -> Step {
    let Some(ahead) = details.clock_ahead else {
        return Step::skipped("clock", "this protocol does not report the DTU's clock");
    };
    let difference = seconds(ahead.saturating_abs());
    if ahead.saturating_abs() <= CLOCK_OFF {
        return Step::passed("clock", format!("the DTU's clock and ours differ by {difference}"));
    }
    let side = if ahead > 0 { "ahead of" } else { "behind" };
    Step::passed("clock", format!("the DTU's clock is {difference} {side} ours")).note(
        "the bridge does not need it, but the DTU's daily counter does: to set its clock, \
         connect the DTU to the internet or to the S-Miles app for a moment",
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;
    use crate::cli::bridge_client::PortOwner;
    use crate::config::load::load_builtin;

    fn find<'a>(steps: &'a [Step], name: &str) -> &'a Step {
        steps.iter().find(|step| step.name == name).unwrap()
    }

    #[test]
    fn old_values_fail_and_a_wrong_clock_has_a_note() {
        let now = 1_780_000_000;
        for (age, ahead, is_fresh, has_note) in [
            (20, 1, true, false),
            (20, -1_780_000_000, true, true),
            (3_600, 0, false, false),
            (0, 3_600, true, true),
        ] {
            let dtu_time = Some(now + ahead - age);
            let reading = DtuReading { dtu_time, ..DtuReading::default() };
            let details =
                ProtobufDetails { encrypts: Some(true), clock_ahead: Some(ahead), polled_at: now };
            let steps = read(&reading, details, &Identity::Known);
            assert_eq!(find(&steps, "age").has_passed(), is_fresh, "{steps:?}");
            let clock = find(&steps, "clock");
            assert_eq!(*clock != Step::passed("clock", clock.detail()), has_note, "{clock:?}");
            assert!(find(&steps, "inverters").has_failed(), "an empty list is no plant");
        }
    }

    #[test]
    fn repeats_the_problems_that_the_bridge_reports() {
        let config = DtuConfig::new("Roof", Protocol::Protobuf, "192.168.1.191");
        let report: DtuReport = serde_json::from_value(json!({
            "status": "online", "seconds_since_last_success": 7, "inverters": 1, "ports": 2,
            "last_error": null,
            "problems": [{"label": "values_repeated", "cause": "it repeats", "remedy": "restart"}],
        }))
        .unwrap();
        let (steps, is_working) = reported(&config, Some(&report), Duration::from_secs(60));
        assert!(is_working);
        let failed: Vec<_> = steps.iter().filter(|step| step.has_failed()).collect();
        let problem = Problem::new("values_repeated", "it repeats", "restart");
        assert_eq!(failed, [&Step::failed("values", problem)]);
    }

    /// The last step of a test of a DTU that sends these bytes to every client and hangs up.
    async fn hangs_up(
        listener: &TcpListener,
        sends: &[u8],
        protocol: Protocol,
        other_port: u16,
    ) -> Value {
        let mut config = DtuConfig::new("DTU", protocol, "127.0.0.1");
        (config.port, config.retries) = (Some(listener.local_addr().unwrap().port()), 0);
        let demo = "[[dtu]]\nname = \"DTU\"\nprotocol = \"simulated\"\n";
        let loaded = load_builtin("test", demo, []).unwrap();
        let context = Context::with(loaded, Storage::InMemory, PortOwner::Nobody, false);
        let other = OtherProtocol { port: other_port, ..OtherProtocol::than(protocol).unwrap() };
        let serving = async {
            while let Ok((mut stream, _)) = listener.accept().await {
                drop(stream.read(&mut [0; 512]).await);
                drop(stream.write_all(sends).await);
            }
        };
        let mut listed = Vec::new();
        let steps = tokio::select! {
            steps = poll(Some(other), &config, &context, &mut listed) => steps,
            () = serving => Vec::new(),
        };
        let last = serde_json::to_value(steps.last().unwrap()).unwrap();
        assert_eq!((&last["step"], &last["ok"]), (&json!("protocol"), &json!(false)), "{last}");
        last
    }

    #[tokio::test]
    async fn a_dtu_that_hangs_up_is_dialled_once_at_the_port_of_its_other_protocol() {
        for (protocol, other, is_open, sends, expected) in [
            (Protocol::Modbus, "protobuf", true, &b""[..], 1),
            (Protocol::Protobuf, "modbus", true, b"", 1),
            (Protocol::Modbus, "protobuf", false, b"", 0),
            (Protocol::Modbus, "protobuf", true, b"HTTP/1.1 400 Bad Request\r\n\r\n", 0),
        ] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let port = socket.local_addr().unwrap().port();
            let (open, closed) =
                if is_open { (socket.listen(9).ok(), None) } else { (None, Some(socket)) };
            let last = hangs_up(&listener, sends, protocol, port).await;
            let note = last["notes"][0].as_str().unwrap_or_default();
            let guess = format!("is open: try `protocol = \"{other}\"` without `port`");
            assert_eq!(note.contains(&guess), expected == 1, "{last}");
            // All connections wait in its queue.
            let queue = open.map(|open| open.into_std().unwrap());
            let dialled = queue.map_or(0, |queue| queue.incoming().map_while(Result::ok).count());
            assert_eq!(dialled, expected, "{protocol} {is_open}");
            drop(closed);
        }
    }

    #[tokio::test]
    async fn a_silent_port_of_the_other_protocol_is_recognised() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let last = hangs_up(&listener, b"", Protocol::Protobuf, port).await;
        let remedy = last["remedy"].as_str().unwrap();
        assert!(remedy.contains("set `protocol = \"modbus\"` without `port`"), "{last}");
        assert!(remedy.contains("DTU-Pro"), "{last}");
    }
}
