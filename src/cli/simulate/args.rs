//! What `simulate` can be told, and the DTU that follows from it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use clap::{ArgGroup, Args, value_parser};
use jiff::tz::TimeZone;

use crate::clock::WallClock;
use crate::sim::fault::{FAULTS, Fault, FaultHelp, PlannedFault, Wire};
use crate::sim::plant::{PlantShape, SimulatedPlant};
use crate::sim::protobuf::Kind;
use crate::sim::simulation::Simulation;

/// What `simulate` can be told.
#[derive(Clone, Debug, Args)]
#[command(
    group(ArgGroup::new("wire").required(true).multiple(true)),
    after_long_help = fault_help()
)]
pub struct SimulateArgs {
    /// Serve Modbus-TCP here, such as 127.0.0.1:5020; port 0 takes a free one
    #[arg(long, value_name = "ADDR", group = "wire")]
    pub modbus: Option<SocketAddr>,

    /// Serve the DTU's own protocol here, such as 127.0.0.1:10081; port 0 takes a free one
    #[arg(long, value_name = "ADDR", group = "wire")]
    pub protobuf: Option<SocketAddr>,

    /// Inverters behind the DTU
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..=1000))]
    pub inverters: u16,

    /// Ports of each inverter
    #[arg(long, value_name = "P", default_value_t = 4, value_parser = value_parser!(u8).range(1..=8))]
    pub ports_per_inverter: u8,

    /// Ports of all inverters together; the last inverters then have fewer
    #[arg(long, value_name = "TOTAL")]
    pub ports: Option<u16>,

    /// Three-phase inverters
    #[arg(long)]
    pub three_phase: bool,

    /// What kind of DTU `protobuf` is
    #[command(flatten)]
    pub kind: KindArgs,

    /// Milliseconds until a request is answered
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub latency: u64,

    /// Decides serial numbers, counters and clouds: the same seed gives the same plant
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// What goes wrong; may be given several times. --help lists the names
    #[arg(long = "fault", value_name = "NAME[=VALUE][@FROM..TO]")]
    pub faults: Vec<PlannedFault>,

    /// The sun stands high at any hour
    #[arg(long)]
    pub always_day: bool,

    /// Where the sun rises at 6, sets at 20 and a day begins
    #[arg(long, value_name = "TZ", default_value = "UTC", value_parser = time_zone)]
    pub timezone: TimeZone,
}

/// Which kind of DTU speaks its own protocol.
#[derive(Clone, Debug, Args)]
pub struct KindArgs {
    /// The protobuf DTU encrypts, as newer ones do
    #[arg(long, requires = "protobuf")]
    pub encrypted: bool,

    /// The protobuf DTU has an energy meter
    #[arg(long, requires = "protobuf")]
    pub meter: bool,

    /// How old the protobuf DTU's values get. Who asks earlier gets the old ones and begins the wait
    /// anew, as with a real one; 0 gives new ones always
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub refresh: u64,

    /// How many inverters, ports and meters the protobuf DTU puts into one packet
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u16).range(1..=500))]
    pub blocks_per_packet: u16,
}

/// Which kind of DTU speaks its own protocol.
pub(super) fn protobuf_kind(args: &KindArgs) -> Kind {
    Kind {
        encrypts: args.encrypted,
        has_meter: args.meter,
        refresh: Duration::from_secs(args.refresh),
        blocks_per_packet: args.blocks_per_packet.into(),
    }
}

/// The DTU and its plant.
pub(super) fn simulation(args: &SimulateArgs) -> anyhow::Result<Simulation> {
    let (inverters, ports_per_inverter) = (args.inverters.into(), args.ports_per_inverter.into());
    let total_ports = args.ports.map(usize::from);
    let most = inverters * ports_per_inverter;
    ensure!(
        total_ports.is_none_or(|total| (inverters..=most).contains(&total)),
        "--ports must be from {inverters} to {most}, for {inverters} inverters of 1 to \
         {ports_per_inverter} ports"
    );
    for planned in &args.faults {
        shows_somewhere(planned.fault, args)?;
    }
    let shape =
        PlantShape { inverters, ports_per_inverter, total_ports, seed: args.seed, dtu_index: 0 };
    let mut plant = SimulatedPlant::new(&shape).in_time_zone(args.timezone.clone());
    if args.always_day {
        plant = plant.where_it_is_always_day();
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

/// A fault that nobody would see makes a test of a healthy DTU.
fn shows_somewhere(fault: Fault, args: &SimulateArgs) -> anyhow::Result<()> {
    let name = fault.name();
    let wire = FAULTS.iter().find(|help| help.name == name).and_then(FaultHelp::wire);
    let (language, option, is_served) = match wire {
        Some(Wire::Modbus) => ("Modbus", "--modbus", args.modbus.is_some()),
        Some(Wire::Protobuf) => ("protobuf", "--protobuf", args.protobuf.is_some()),
        None => return Ok(()),
    };
    ensure!(
        is_served,
        "the fault `{name}` shows over {language} only; serve that with {option} ADDR"
    );
    Ok(())
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("no time zone is called `{name}`"))
}

fn fault_help() -> String {
    let mut help = String::from(
        "Faults, with the usual value of those that take one. FROM and TO are seconds since the \
         start; either may be missing:\n",
    );
    for fault in FAULTS {
        let written = match fault.value {
            "" => fault.name.to_owned(),
            value => format!("{}={value}", fault.name),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(help, "  {written:<33} {}", fault.effect);
    }
    help
}

/// What stands on the command line behind `simulate`.
#[cfg(test)]
pub(super) fn parsed(line: &str) -> Result<SimulateArgs, clap::Error> {
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        simulate: SimulateArgs,
    }

    let words = std::iter::once("simulate").chain(line.split_whitespace());
    Line::try_parse_from(words).map(|line| line.simulate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plant_is_as_the_command_line_says() {
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
    fn a_protobuf_dtu_is_as_the_command_line_says() {
        let line = "--protobuf [::1]:0 --encrypted --meter --refresh 0 --blocks-per-packet 7";
        let refresh = Duration::ZERO;
        let kind = Kind { encrypts: true, has_meter: true, refresh, blocks_per_packet: 7 };
        assert_eq!(protobuf_kind(&parsed(line).unwrap().kind), kind);
        assert_eq!(protobuf_kind(&parsed("--protobuf [::1]:0").unwrap().kind), Kind::default());
        let args = parsed("--protobuf [::1]:0 --three-phase --ports-per-inverter 6").unwrap();
        let truth = simulation(&args).unwrap().truth();
        assert!(truth.inverters.iter().all(|inverter| inverter.serial.prefix() == 0x1382));
    }

    #[test]
    fn faults_of_a_language_that_is_served_are_planned() {
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
    fn what_makes_no_sense_is_refused_with_what_was_expected() {
        check_refused("", "--modbus <ADDR>");
        check_refused("--modbus [::1]:0 --encrypted", "--protobuf <ADDR>");
        check_refused("--protobuf [::1]:0 --blocks-per-packet 0", "1..=500");
        check_refused("--modbus here", "invalid socket address");
        check_refused("--modbus [::1]:0 --inverters 0", "1..=1000");
        check_refused("--modbus [::1]:0 --ports 13", "--ports must be from 3 to 12");
        check_refused("--modbus [::1]:0 --ports 2", "--ports must be from 3 to 12");
        check_refused("--modbus [::1]:0 --fault sloth", "no fault is called `sloth`; there are:");
        let only = "the fault `exception` shows over Modbus only; serve that with --modbus ADDR";
        check_refused("--protobuf [::1]:0 --fault exception=2", only);
        check_refused("--protobuf [::1]:0 --fault not-mapped@60..", "`not-mapped`");
        let only = "the fault `bad-crc` shows over protobuf only; serve that with --protobuf ADDR";
        check_refused("--modbus [::1]:0 --fault bad-crc", only);
        check_refused("--modbus [::1]:0 --timezone Mars", "no time zone is called `Mars`");
    }

    #[test]
    fn the_help_names_every_fault() {
        let help = fault_help();
        assert!(FAULTS.iter().all(|fault| help.contains(fault.name)));
    }
}
