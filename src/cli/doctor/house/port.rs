//! Whether the port of the HTTP API is the bridge's to have.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::super::daemon::AtPort;
use super::super::report::Step;
use crate::cli::healthcheck::reachable;

const STEP: &str = "port";

/// Says who has the port, or whether it is free.
pub(super) async fn look(listen: SocketAddr, at_port: &AtPort) -> Step {
    match at_port {
        AtPort::Bridge(_) => Step::fine(STEP, format!("the bridge that runs here has {listen}")),
        AtPort::Stranger(who) => taken(listen, who),
        AtPort::Silent => Step::wrong(
            STEP,
            format!("{} accepts connections and does not answer", reachable(listen)),
            "if it is the bridge, it hangs: look at its log and restart it; if not, stop the other \
             program or change http.listen",
        ),
        AtPort::Nobody => match TcpListener::bind(listen).await {
            Ok(_) => Step::fine(STEP, format!("{listen} is free; no bridge runs here")),
            Err(error) => refused(listen, &error),
        },
    }
}

fn taken(listen: SocketAddr, who: &str) -> Step {
    Step::wrong(
        STEP,
        format!("{listen} is taken by another program: {who}"),
        "stop that program (perhaps a bridge of before), or change http.listen",
    )
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list is another's, and open")]
fn refused(listen: SocketAddr, error: &io::Error) -> Step {
    let detail = format!("cannot listen on {listen}: {error}");
    match error.kind() {
        io::ErrorKind::AddrInUse => taken(listen, "it does not accept connections"),
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
