//! `simulate`: a DTU for testing, with a plant behind it and faults by name.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use clap::{ArgGroup, Args, value_parser};
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::WallClock;
use crate::config::Protocol;
use crate::config::host::parse_listen_address;
use crate::net::error::listen_problem;
use crate::sim::Simulation;
use crate::sim::faults::{FAULTS, Fault, FaultHelp, PlannedFault};
use crate::sim::modbus::{MAX_PORTS, Modbus};
use crate::sim::plant::{PlantShape, SimulatedPlant};
use crate::sim::protobuf::{Protobuf, ProtobufOptions};
use crate::sim::server::serve;

/// The arguments of `simulate`.
#[derive(Clone, Debug, Args)]
#[command(
    group(ArgGroup::new("wire").required(true).multiple(true)),
    after_long_help = fault_help()
)]
pub(super) struct SimulateArgs {
    /// Serve Modbus-TCP at this address, such as 127.0.0.1:5020; port 0 picks a free one
    #[arg(long, value_name = "ADDR", group = "wire", value_parser = parse_listen_address)]
    modbus: Option<SocketAddr>,

    /// Serve the DTU's own protocol at this address, such as 127.0.0.1:10081; port 0 picks a free one
    #[arg(long, value_name = "ADDR", group = "wire", value_parser = parse_listen_address)]
    protobuf: Option<SocketAddr>,

    /// Inverters behind the DTU
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..=1000))]
    inverters: u16,

    /// Ports of each inverter
    #[arg(long, value_name = "P", default_value_t = 4, value_parser = value_parser!(u8).range(1..=8))]
    ports_per_inverter: u8,

    /// Total number of ports; the last inverters then have fewer
    #[arg(long, value_name = "TOTAL")]
    ports: Option<u16>,

    /// Three-phase inverters
    #[arg(long)]
    three_phase: bool,

    /// Options of the protobuf DTU
    #[command(flatten)]
    options: ProtobufArgs,

    /// Delay of each reply in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,

    /// Determines serial numbers, counters and clouds: the same seed gives the same plant
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// Add a fault; may be repeated. --help lists the names
    #[arg(long = "fault", value_name = "NAME[=VALUE][@FROM..TO]")]
    faults: Vec<PlannedFault>,

    /// The sun never sets
    #[arg(long)]
    always_day: bool,

    /// Time zone in which the sun rises at 6:00 and sets at 20:00
    #[arg(long, value_name = "TZ", default_value = "UTC", value_parser = time_zone)]
    timezone: TimeZone,
}

/// The arguments of `simulate` about the DTU's own protocol.
#[derive(Clone, Debug, Args)]
pub(super) struct ProtobufArgs {
    /// The protobuf DTU encrypts, as newer firmware does
    #[arg(long, requires = "protobuf")]
    encrypted: bool,

    /// The protobuf DTU has an energy meter
    #[arg(long, requires = "protobuf")]
    meter: bool,

    /// Seconds between two readings of the protobuf DTU. An earlier request gets the old values and
    /// restarts the wait, as with a real one; 0: values are always new
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    refresh: u64,

    /// Inverters, ports and meters in one packet of the protobuf DTU
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u16).range(1..=500))]
    blocks_per_packet: u16,
}

fn protobuf_options(args: &ProtobufArgs) -> ProtobufOptions {
    ProtobufOptions {
        encrypts: args.encrypted,
        has_meter: args.meter,
        refresh: Duration::from_secs(args.refresh),
        blocks_per_packet: args.blocks_per_packet.into(),
    }
}

fn simulation(args: &SimulateArgs) -> anyhow::Result<Simulation> {
    let (inverters, ports_per_inverter) = (args.inverters.into(), args.ports_per_inverter.into());
    let total_ports = args.ports.map(usize::from);
    let most = inverters * ports_per_inverter;
    ensure!(
        total_ports.is_none_or(|total| (inverters..=most).contains(&total)),
        "--ports must be from {inverters} to {most}, for {inverters} inverters of 1 to \
         {ports_per_inverter} ports"
    );
    for planned in &args.faults {
        check_shows(planned.fault, args)?;
    }
    let shape =
        PlantShape { inverters, ports_per_inverter, total_ports, seed: args.seed, dtu_index: 0 };
    let mut plant = SimulatedPlant::new(&shape).in_time_zone(args.timezone.clone());
    if args.always_day {
        plant = plant.with_endless_day();
    }
    if args.three_phase {
        plant = plant.with_three_phases();
    }
    let simulation = Simulation::new(plant, WallClock::system())
        .with_latency(Duration::from_millis(args.latency));
    for fault in &args.faults {
        simulation.faults().set(*fault);
    }
    Ok(simulation)
}

/// A fault that cannot show would make it a test of a healthy DTU.
fn check_shows(fault: Fault, args: &SimulateArgs) -> anyhow::Result<()> {
    let name = fault.name();
    let (language, option, is_served) = match fault.help().and_then(FaultHelp::protocol) {
        Some(Protocol::Modbus) => ("Modbus", "--modbus", args.modbus.is_some()),
        Some(Protocol::Protobuf) => ("protobuf", "--protobuf", args.protobuf.is_some()),
        Some(Protocol::Simulated) | None => return Ok(()),
    };
    ensure!(is_served, "the fault `{name}` affects {language} only; add {option} ADDR");
    Ok(())
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("no time zone is called `{name}`"))
}

fn fault_help() -> String {
    let mut help = String::from(
        "Faults, with the kind of value that some take. FROM and TO are seconds since the start; \
         either may be missing:\n",
    );
    for fault in FAULTS {
        let written = match fault.value {
            "" => fault.name.to_owned(),
            value => format!("{}={value}", fault.name),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(help, "  {written:<28} {}", fault.effect);
    }
    help
}

/// Serves the DTU until `stop`.
pub(super) async fn simulate(args: SimulateArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let simulation = simulation(&args)?;
    let ports = simulation.plant().port_count();
    ensure!(
        args.modbus.is_none() || ports <= MAX_PORTS,
        "a DTU lists {MAX_PORTS} ports over Modbus, not {ports}"
    );
    let sockets = Sockets::open(&args).await?;
    if let Some(listener) = &sockets.modbus {
        announce("Modbus-TCP", listener.local_addr()?, &simulation);
    }
    if let Some(listener) = &sockets.protobuf {
        announce("protobuf", listener.local_addr()?, &simulation);
    }
    sockets.serve(protobuf_options(&args.options), &simulation, &stop).await;
    Ok(())
}

#[derive(Debug)]
struct Sockets {
    modbus: Option<TcpListener>,
    protobuf: Option<TcpListener>,
}

impl Sockets {
    async fn open(args: &SimulateArgs) -> anyhow::Result<Self> {
        Ok(Self {
            modbus: listener("--modbus", args.modbus).await?,
            protobuf: listener("--protobuf", args.protobuf).await?,
        })
    }

    async fn serve(
        self,
        options: ProtobufOptions,
        simulation: &Simulation,
        stop: &CancellationToken,
    ) {
        let protobuf = Protobuf::new(options, simulation);
        let serve_modbus = async {
            if let Some(listener) = self.modbus {
                serve(listener, Modbus, simulation.clone(), stop.clone()).await;
            }
        };
        let serve_protobuf = async {
            if let Some(listener) = self.protobuf {
                serve(listener, protobuf, simulation.clone(), stop.clone()).await;
            }
        };
        tokio::join!(serve_modbus, serve_protobuf);
    }
}

async fn listener(
    option: &str,
    address: Option<SocketAddr>,
) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).map_err(|error| anyhow!("{}", listen_problem(address, option, &error)))
}

fn announce(protocol: &str, address: SocketAddr, simulation: &Simulation) {
    let plant = simulation.plant();
    tracing::info!(
        "Simulated DTU ({protocol}) listens on {address}: {} ports of {} inverters",
        plant.port_count(),
        plant.inverter_count(),
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::time::timeout;

    use super::*;
    use crate::config::DtuConfig;
    use crate::dtu::Dtu;
    use crate::dtu::modbus::ModbusDtu;
    use crate::dtu::protobuf::ProtobufDtu;
    use crate::plant::reading::{DtuReading, InverterReading};

    fn parsed(line: &str) -> Result<SimulateArgs, clap::Error> {
        use clap::Parser as _;

        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            simulate: SimulateArgs,
        }

        let words = std::iter::once("simulate").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.simulate)
    }

    #[test]
    fn plant_follows_the_command_line() {
        let args = parsed(
            "--modbus [::1]:0 --inverters 19 --ports-per-inverter 2 --ports 37 --latency 150 \
             --seed 7 --fault slow=5 --fault night@60.. --always-day --timezone Europe/Berlin",
        );
        let simulation = simulation(&args.unwrap()).unwrap();
        assert_eq!(simulation.plant().port_count(), 37);
        assert_eq!(simulation.plant().inverter_count(), 19);
        assert_eq!(simulation.latency(), Duration::from_millis(150));
        let active = simulation.faults().active();
        assert!(active.has(Fault::Slow(Duration::from_millis(5))));
        assert!(!active.has(Fault::Night));
        assert!(simulation.truth().inverters.iter().all(|inverter| inverter.awake));
    }

    #[test]
    fn protobuf_dtu_follows_the_command_line() {
        let line = "--protobuf [::1]:0 --encrypted --meter --refresh 0 --blocks-per-packet 7";
        let refresh = Duration::ZERO;
        let want =
            ProtobufOptions { encrypts: true, has_meter: true, refresh, blocks_per_packet: 7 };
        assert_eq!(protobuf_options(&parsed(line).unwrap().options), want);
        assert_eq!(
            protobuf_options(&parsed("--protobuf [::1]:0").unwrap().options),
            ProtobufOptions::default()
        );
        let args = parsed("--protobuf [::1]:0 --three-phase --ports-per-inverter 6").unwrap();
        let truth = simulation(&args).unwrap().truth();
        assert!(truth.inverters.iter().all(|inverter| inverter.serial.prefix() == 0x1382));
    }

    #[test]
    fn accepts_faults_of_a_served_protocol() {
        for line in [
            "--modbus [::1]:0 --fault exception",
            "--protobuf [::1]:0 --fault bad-crc",
            "--protobuf [::1]:0 --fault night",
            "--modbus [::1]:0 --protobuf [::1]:0 --fault exception --fault bad-crc",
        ] {
            assert!(simulation(&parsed(line).unwrap()).is_ok(), "{line}");
        }
    }

    #[track_caller]
    fn check_refused(line: &str, says: &str) {
        let error = match parsed(line) {
            Ok(args) => simulation(&args).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(says), "{line}: {error}");
    }

    #[test]
    fn refuses_senseless_arguments_and_says_what_is_expected() {
        check_refused("", "--modbus <ADDR>");
        check_refused("--modbus [::1]:0 --encrypted", "--protobuf <ADDR>");
        check_refused("--protobuf [::1]:0 --blocks-per-packet 0", "1..=500");
        check_refused("--modbus here", "\"here\" is not an IP address with a port; expected");
        check_refused("--protobuf localhost:5020", "write 127.0.0.1:5020");
        check_refused("--modbus [::1]:0 --inverters 0", "1..=1000");
        check_refused("--modbus [::1]:0 --ports 13", "--ports must be from 3 to 12");
        check_refused("--modbus [::1]:0 --ports 2", "--ports must be from 3 to 12");
        check_refused("--modbus [::1]:0 --fault sloth", "no fault is called `sloth`; there are:");
        let only = "the fault `exception` affects Modbus only; add --modbus ADDR";
        check_refused("--protobuf [::1]:0 --fault exception=2", only);
        check_refused("--protobuf [::1]:0 --fault not-mapped@60..", "`not-mapped`");
        let only = "the fault `bad-crc` affects protobuf only; add --protobuf ADDR";
        check_refused("--modbus [::1]:0 --fault bad-crc", only);
        check_refused("--modbus [::1]:0 --timezone Mars", "no time zone is called `Mars`");
    }

    #[test]
    fn help_lists_every_fault() {
        let help = fault_help();
        assert!(FAULTS.iter().all(|fault| help.contains(fault.name)));
    }

    const GUARD: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn refuses_more_ports_than_a_list_holds() {
        let args = parsed("--modbus [::1]:0 --inverters 30").unwrap();
        let error = simulate(args, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "a DTU lists 99 ports over Modbus, not 120");
    }

    /// What both protocols report of each inverter and does not change within a moment.
    fn inverters(reading: &DtuReading) -> BTreeMap<String, (Vec<u8>, Option<u32>)> {
        let ports = |one: &InverterReading| one.ports.iter().map(|port| port.number).collect();
        let inverters = reading.inverters.iter();
        inverters
            .map(|one| (one.serial.to_string(), (ports(one), one.values.alarm_count)))
            .collect()
    }

    #[tokio::test]
    async fn serves_both_protocols_at_once() {
        let args = parsed(
            "--modbus 127.0.0.1:0 --protobuf 127.0.0.1:0 --always-day --encrypted --inverters 2 \
             --ports-per-inverter 2",
        );
        let args = args.unwrap();
        let sockets = Sockets::open(&args).await.unwrap();
        let port =
            |socket: &Option<TcpListener>| socket.as_ref().unwrap().local_addr().unwrap().port();
        let ports = (port(&sockets.modbus), port(&sockets.protobuf));
        let (simulation, stop) = (simulation(&args).unwrap(), CancellationToken::new());
        let serving = sockets.serve(protobuf_options(&args.options), &simulation, &stop);
        let polling = async {
            let config = |protocol, port| DtuConfig {
                port: Some(port),
                request_gap: Some(Duration::ZERO),
                ..DtuConfig::new("DTU", protocol, "127.0.0.1")
            };
            let mut modbus = ModbusDtu::new(&config(Protocol::Modbus, ports.0));
            let config = config(Protocol::Protobuf, ports.1);
            let mut protobuf = ProtobufDtu::new(&config, WallClock::system(), TimeZone::UTC);
            let readings = (modbus.poll().await.unwrap(), protobuf.poll().await.unwrap());
            stop.cancel();
            readings
        };
        let both = async { tokio::join!(serving, polling).1 };
        let (modbus, protobuf) = timeout(GUARD, both).await.unwrap();
        assert_eq!(modbus.dtu_serial, protobuf.dtu_serial);
        let (modbus, protobuf) = (inverters(&modbus), inverters(&protobuf));
        assert_eq!(modbus, protobuf);
    }
}
