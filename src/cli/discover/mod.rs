//! `discover`: looks for DTUs on this machine's own networks.

pub(super) mod networks;
pub(super) mod probe;
pub(super) mod report;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use ipnet::Ipv4Net;

use self::probe::{Identity, PROTOCOLS, Probe, candidate, probe};
use super::bridge_client::{Health, PortOwner, running_bridge};
use super::{Global, exit, run};
use crate::config::load::file_exists;
use crate::config::{DtuConfig, LogFormat, Protocol};
use crate::dtu::DtuError;
use crate::net::dial::Attempt;
use crate::telemetry::logging;

/// Addresses that are probed at a time.
const AT_A_TIME: usize = 64;
/// For the look-up of a configured host name.
const NAME_LIMIT: Duration = Duration::from_secs(2);

/// Options of `discover`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Look in this network, such as 192.168.1.0/24, instead of this machine's own ones; at most a /22
    #[arg(long, value_name = "CIDR", value_parser = networks::parse)]
    network: Option<Ipv4Net>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found at an open port.
#[derive(Debug)]
struct Found {
    address: SocketAddr,
    protocol: Protocol,
    is_dtu: Result<Dtu, DtuError>,
}

#[derive(Debug)]
struct Dtu {
    identity: Identity,
    /// Its name in the configuration.
    configured_as: Option<String>,
    /// Whether it was left to the running bridge.
    is_polled_by_bridge: bool,
}

/// What `discover` found, where, and next to what.
#[derive(Debug)]
pub(super) struct Discovery {
    networks: Vec<Ipv4Net>,
    found: Vec<Found>,
    /// The names of configured DTUs.
    names: Vec<String>,
}

/// Prints what was found; 0, or 1 if that is no DTU.
pub(super) async fn discover(global: &Global, arguments: Arguments) -> ExitCode {
    // What does not answer is no problem here.
    let level = global.log_level.as_deref().unwrap_or("error");
    if let Err(error) = logging::init_stderr(level, LogFormat::Text) {
        return exit::failed(&error.into());
    }
    let networks = match networks_to_search(arguments.network) {
        Ok(networks) => networks,
        Err(error) => return exit::failed(&error),
    };
    if !arguments.json
        && let Err(error) = announce_search(&networks)
    {
        return exit::failed(&error);
    }
    let discovery = search(networks, KnownDtus::of(global).await).await;
    let printed = if arguments.json {
        exit::print_json(&report::json(&discovery))
    } else {
        exit::print(&(report::text(&discovery) + &report::sections(&discovery)))
    };
    let has_found = discovery.dtus().next().is_some();
    if !has_found {
        exit::say(&report::nothing_found(&discovery.networks));
    }
    printed.map_or_else(|code| code, |()| exit::status(has_found))
}

/// The named network, or this machine's own ones.
pub(super) fn networks_to_search(named: Option<Ipv4Net>) -> anyhow::Result<Vec<Ipv4Net>> {
    if let Some(network) = named {
        return Ok(vec![network]);
    }
    let own = networks::own().map_err(|error| {
        anyhow::anyhow!("cannot list this machine's networks ({error}); {}", report::NAME_ONE)
    })?;
    if own.is_empty() {
        anyhow::bail!("this machine is in no private IPv4 network; {}", report::NAME_ONE);
    }
    Ok(own)
}

pub(super) fn announce_search(networks: &[Ipv4Net]) -> anyhow::Result<()> {
    exit::try_print(&report::announcement(networks))
}

/// Probes every address of the networks where nothing is configured yet.
pub(super) async fn search_new(networks: Vec<Ipv4Net>) -> Discovery {
    search(networks, KnownDtus::default()).await
}

/// Probes every address of the networks, except those of DTUs that the running bridge polls.
async fn search(networks: Vec<Ipv4Net>, known: KnownDtus) -> Discovery {
    let addresses: Vec<Ipv4Addr> = networks.iter().flat_map(Ipv4Net::hosts).collect();
    let known_dtus = &known;
    let probes = stream::iter(addresses).map(|address| probe_address(address, known_dtus));
    let mut found: Vec<Found> = probes.buffer_unordered(AT_A_TIME).concat().await;
    found.sort_by_key(|found| found.address);
    Discovery { networks, found, names: known.names }
}

/// Both ports, one after the other, since a DTU serves one client at a time.
async fn probe_address(address: Ipv4Addr, known: &KnownDtus) -> Vec<Found> {
    if let Some(found) = known.polled_by_bridge(address) {
        return vec![found];
    }
    let mut all = Vec::new();
    for protocol in PROTOCOLS {
        let config = candidate(protocol, &address.to_string());
        let is_dtu = match probe(&config).await {
            Probe::Closed(_) => continue,
            Probe::Dtu(identity) => Ok(Dtu {
                identity,
                configured_as: known.name_of(address).cloned(),
                is_polled_by_bridge: false,
            }),
            Probe::NoDtu(error) => Err(error),
        };
        let address = SocketAddr::from((address, config.port()));
        all.push(Found { address, protocol, is_dtu });
    }
    all
}

/// The DTUs of the configuration, and what the running bridge reports of them.
#[derive(Debug, Default)]
struct KnownDtus {
    by_address: BTreeMap<IpAddr, DtuConfig>,
    names: Vec<String>,
    /// Of the running bridge.
    health: Option<Health>,
}

impl KnownDtus {
    /// Without a configuration, none.
    async fn of(global: &Global) -> Self {
        if global.config.is_none() && !file_exists() {
            return Self::default();
        }
        let loaded = match run::loaded(global) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!("the configured DTUs are not known: {error}");
                return Self::default();
            }
        };
        let health = match running_bridge(&loaded).await {
            PortOwner::Bridge(bridge) => Some(bridge.health),
            PortOwner::Nobody | PortOwner::Other(_) | PortOwner::Silent => None,
        };
        let dtus = loaded.config.dtus;
        let names = dtus.iter().map(|dtu| dtu.name.clone()).collect();
        let on_network = dtus.into_iter().filter(|dtu| dtu.protocol != Protocol::Simulated);
        let resolved = on_network.map(async |dtu| {
            let attempt = Attempt::new(dtu.host.as_str(), dtu.port(), NAME_LIMIT);
            let addresses = attempt.resolve(&mut ()).await.unwrap_or_default();
            addresses.into_iter().map(|address| (address.ip(), dtu.clone())).collect::<Vec<_>>()
        });
        let by_address = futures_util::future::join_all(resolved).await;
        Self { by_address: by_address.into_iter().flatten().collect(), names, health }
    }

    fn name_of(&self, address: Ipv4Addr) -> Option<&String> {
        self.by_address.get(&address.into()).map(|dtu| &dtu.name)
    }

    /// The DTU at that address if the running bridge polls it.
    fn polled_by_bridge(&self, address: Ipv4Addr) -> Option<Found> {
        let dtu = self.by_address.get(&address.into())?;
        let report = self.health.as_ref()?.dtus.get(&dtu.name)?;
        let identity = Identity {
            serial: report.serial_number.as_ref().and_then(|serial| serial.parse().ok()),
            firmware: report.firmware_version.clone(),
            inverters: report.inverters,
        };
        let configured_as = Some(dtu.name.clone());
        Some(Found {
            address: SocketAddr::from((address, dtu.port())),
            protocol: dtu.protocol,
            is_dtu: Ok(Dtu { identity, configured_as, is_polled_by_bridge: true }),
        })
    }
}
