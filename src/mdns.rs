//! Announces the bridge in its local network by mDNS, so that Home Assistant offers it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use mdns_sd::{IfKind, ServiceDaemon, ServiceInfo};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::problem::Problem;

const SERVICE: &str = "_hoymiles-bridge._tcp.local.";
/// So much of the instance id makes a name that is unique at home.
const ID_LENGTH: usize = 8;
/// On shutdown, for announcing that the bridge is gone.
const GOODBYE_TIME: Duration = Duration::from_millis(300);
/// What container runtimes put into a container.
const CONTAINER_MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Whether to announce an API that listens at `listen`; `enabled` is the owner's choice.
///
/// Nobody outside this machine reaches a loopback address, and nobody outside a container's own
/// network hears what is announced there.
pub fn is_useful(listen: SocketAddr, enabled: Option<bool>) -> bool {
    let is_in_bridge_network = || {
        let is_container = CONTAINER_MARKS.iter().any(|mark| Path::new(mark).exists());
        is_container && has_only_virtual_links(Path::new("/sys/class/net"))
    };
    if listen.ip().to_canonical().is_loopback() {
        return false;
    }
    enabled.unwrap_or_else(|| {
        let is_apart = is_in_bridge_network();
        if is_apart {
            debug!("not announced by mDNS: the container has a network of its own");
        }
        !is_apart
    })
}

/// Whether the other end of each link is in another network namespace, as in a container that does
/// not use the host's network.
fn has_only_virtual_links(links: &Path) -> bool {
    let number = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        text.trim().parse::<u32>().ok()
    };
    let Ok(links) = fs::read_dir(links) else { return false };
    links.flatten().filter(|link| link.file_name() != "lo").all(|link| {
        let link = link.path();
        number(&link.join("ifindex")) != number(&link.join("iflink"))
    })
}

/// Announces the bridge until `stop`.
pub async fn announce(listen: SocketAddr, instance: &str, stop: CancellationToken) {
    let announced = match start(listen, instance) {
        Ok(announced) => announced,
        Err(error) => {
            let problem = Problem::new(
                "mdns_failed",
                format!("Home Assistant cannot discover this bridge: mDNS: {error}"),
                "enter the bridge's address in Home Assistant, and set mdns.enabled = false",
            );
            warn!("{problem}");
            return stop.cancelled().await;
        }
    };
    info!("announced by mDNS as {}", announced.name);
    stop.cancelled().await;
    // It has a thread of its own, and waits without tokio.
    let ended = tokio::task::spawn_blocking(move || announced.end()).await;
    debug!("mDNS ended: {ended:?}");
}

struct Announced {
    daemon: ServiceDaemon,
    name: String,
}

impl Announced {
    fn end(self) -> mdns_sd::Result<()> {
        let gone = self.daemon.unregister(&self.name)?;
        // Without an answer, the announcement ends by its time to live.
        drop(gone.recv_timeout(GOODBYE_TIME));
        self.daemon.shutdown().map(drop)
    }
}

fn start(listen: SocketAddr, instance: &str) -> mdns_sd::Result<Announced> {
    let id: String = instance.chars().take(ID_LENGTH).collect();
    let properties =
        [("instance", instance), ("version", env!("CARGO_PKG_VERSION")), ("path", "/")];
    let (name, host) = (format!("Hoymiles bridge {id}"), format!("hoymiles-bridge-{id}.local."));
    let service = |addresses: &[IpAddr]| {
        ServiceInfo::new(SERVICE, &name, &host, addresses, listen.port(), &properties[..])
    };
    let daemon = ServiceDaemon::new()?;
    let service = if listen.ip().is_unspecified() {
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        if listen.is_ipv4() {
            daemon.disable_interface(IfKind::IPv6)?;
        }
        service(&[])?.enable_addr_auto()
    } else {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::Addr(listen.ip()))?;
        service(&[listen.ip()])?
    };
    let name = service.get_fullname().to_owned();
    daemon.register(service)?;
    Ok(Announced { daemon, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_is_never_announced() {
        for listen in ["127.0.0.1:8080", "127.0.0.9:1", "[::1]:8080", "[::ffff:127.0.0.1]:8080"] {
            assert!(!is_useful(listen.parse().unwrap(), Some(true)), "{listen}");
        }
        for listen in ["0.0.0.0:8080", "[::]:8080", "192.168.1.5:8080"] {
            assert!(is_useful(listen.parse().unwrap(), Some(true)), "{listen}");
            assert!(!is_useful(listen.parse().unwrap(), Some(false)), "{listen}");
        }
    }

    #[test]
    fn a_container_with_a_network_of_its_own_is_recognised() {
        let links = tempfile::tempdir().unwrap();
        let add = |name: &str, index: &str, link: &str| {
            let folder = links.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("ifindex"), format!("{index}\n")).unwrap();
            fs::write(folder.join("iflink"), format!("{link}\n")).unwrap();
        };
        add("lo", "1", "1");
        add("eth0", "2", "41");
        add("tunl0", "3", "0");
        assert!(has_only_virtual_links(links.path()));
        add("wlan0", "4", "4");
        assert!(!has_only_virtual_links(links.path()), "the host's network");
    }
}
