//! Whether the port of the HTTP API is the bridge's to have.

use std::io;
use std::net::SocketAddr;

use super::super::daemon::AtPort;
use super::super::report::Step;
use super::holder::holder;
use crate::http;

const STEP: &str = "port";

/// Says who has the port, or whether it is free.
pub(super) fn look(listen: SocketAddr, at_port: &AtPort) -> Step {
    match at_port {
        AtPort::Bridge(daemon) if daemon.address == listen => runs_at(listen),
        AtPort::Bridge(daemon) if listen.port() == 0 => runs_at(daemon.address),
        AtPort::Bridge(daemon) => match http::listen(listen) {
            Ok(_) => runs_at(daemon.address).hinting(format!(
                "http.listen is {listen} since, which has no effect before the bridge is restarted"
            )),
            Err(error) => refused(listen, &error.source),
        },
        AtPort::Stranger(who) => taken(listen, who),
        AtPort::Silent => Step::wrong(
            STEP,
            format!("{listen} accepts connections and does not answer; it is {}", told(listen)),
            "if it is the bridge, it hangs: look at its log and restart it; if not, stop the other \
             program or change http.listen",
        ),
        AtPort::Nobody => match http::listen(listen) {
            Ok(_) if listen.port() == 0 => {
                let any = "http.listen has port 0, which is any that is free; no bridge runs here";
                Step::fine(STEP, any)
            }
            Ok(_) => Step::fine(STEP, format!("{listen} is free; no bridge runs here")),
            Err(error) => refused(listen, &error.source),
        },
    }
}

fn runs_at(address: SocketAddr) -> Step {
    Step::fine(STEP, format!("the bridge that runs here has {address}"))
}

fn taken(listen: SocketAddr, who: &str) -> Step {
    Step::wrong(
        STEP,
        format!("{listen} is taken by another program, {}: {who}", told(listen)),
        "stop that program (perhaps a bridge of before), or change http.listen",
    )
}

fn told(listen: SocketAddr) -> String {
    let unseen =
        || "a process that cannot be seen from here (another user's, or outside)".to_owned();
    holder(listen).unwrap_or_else(unseen)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn refused(listen: SocketAddr, error: &io::Error) -> Step {
    let detail = format!("cannot listen on {listen}: {error}");
    match error.kind() {
        io::ErrorKind::AddrInUse => taken(listen, "a part of it, or without an answer from here"),
        io::ErrorKind::PermissionDenied => {
            Step::wrong(STEP, detail, "take a port above 1023 for http.listen")
        }
        io::ErrorKind::AddrNotAvailable => Step::wrong(
            STEP,
            detail,
            "this machine has no such address; use 0.0.0.0 in http.listen for all it has",
        ),
        _ => Step::wrong(STEP, detail, "change http.listen"),
    }
}
