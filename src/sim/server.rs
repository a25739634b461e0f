//! Accepts clients for one simulated DTU, in any language.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::conversation::{Ending, Language, converse};
use super::fault::Fault;
use super::simulation::Simulation;

/// More than a test needs, and few enough that a runaway client does not take the machine with it.
const MOST_CLIENTS: usize = 64;

/// Serves `simulation` until `stop`; returns when the last connection is closed.
pub async fn serve(
    listener: TcpListener,
    language: impl Language,
    simulation: Simulation,
    stop: CancellationToken,
) {
    let language = Arc::new(language);
    let clients = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let client = match accepted {
            Ok((client, _)) => client,
            Err(error) => {
                tracing::debug!("accepting a client: {error}");
                // Such as too many open files: it passes, but not at once.
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if is_turned_away(&simulation, clients.len()) {
            simulation.observed().turned_away();
            continue;
        }
        let (language, simulation) = (Arc::clone(&language), simulation.clone());
        let stop = stop.clone();
        drop(clients.spawn(async move {
            let talk = talk(client, &*language, &simulation);
            stop.run_until_cancelled(talk).await;
        }));
    }
    drop(listener);
    clients.close();
    clients.wait().await;
}

fn is_turned_away(simulation: &Simulation, clients: usize) -> bool {
    let faults = simulation.faults().active();
    faults.has(Fault::Close)
        || simulation.is_without_power(&faults)
        || (faults.has(Fault::RefuseSecondClient) && clients > 0)
        || clients >= MOST_CLIENTS
}

async fn talk(mut client: TcpStream, language: &impl Language, simulation: &Simulation) {
    // Bytes go out as they are written: delays are for the faults to decide.
    if let Err(error) = client.set_nodelay(true) {
        tracing::debug!("a client left before it was served: {error}");
        return;
    }
    match converse(&mut client, language, simulation).await {
        Ending::Close => {}
        Ending::Reset => {
            if let Err(error) = client.set_zero_linger() {
                tracing::debug!("resetting a connection: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::SocketAddr;

    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;
    use crate::clock::WallClock;
    use crate::sim::conversation::NotARequest;
    use crate::sim::faults::ActiveFaults;
    use crate::sim::plant::{PlantShape, SimulatedPlant};

    const GUARD: Duration = Duration::from_secs(5);

    /// Requests of four bytes, each answered by itself; a `!` is no request.
    struct Echo;

    impl Language for Echo {
        fn request_length(&self, begun: &[u8]) -> Result<Option<usize>, NotARequest> {
            if begun.contains(&b'!') { Err(NotARequest) } else { Ok(Some(4)) }
        }

        fn reply(&self, request: &[u8], _: &Simulation, _: &ActiveFaults) -> Vec<u8> {
            request.to_vec()
        }
    }

    struct Served {
        simulation: Simulation,
        address: SocketAddr,
        stop: CancellationToken,
        server: TaskTracker,
    }

    async fn served(faults: &[Fault]) -> Served {
        let clock = WallClock::from_fn(|| Timestamp::UNIX_EPOCH);
        let simulation = Simulation::new(SimulatedPlant::new(&PlantShape::default()), clock);
        for fault in faults {
            simulation.faults().set(*fault);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, server) = (CancellationToken::new(), TaskTracker::new());
        drop(server.spawn(serve(listener, Echo, simulation.clone(), stop.clone())));
        Served { simulation, address, stop, server }
    }

    impl Served {
        async fn dial(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }
    }

    async fn answer(client: &mut TcpStream) -> Result<String, ErrorKind> {
        let mut answer = [0; 4];
        let read = timeout(GUARD, client.read_exact(&mut answer)).await.unwrap();
        read.map(|_| String::from_utf8_lossy(&answer).into_owned()).map_err(|error| error.kind())
    }

    async fn ask(client: &mut TcpStream, request: &str) -> Result<String, ErrorKind> {
        client.write_all(request.as_bytes()).await.map_err(|error| error.kind())?;
        answer(client).await
    }

    #[tokio::test]
    async fn requests_are_answered_in_their_order_however_they_are_cut() {
        let dtu = served(&[]).await;
        let mut client = dtu.dial().await;
        assert_eq!(ask(&mut client, "abcdef").await, Ok("abcd".into()));
        assert_eq!(ask(&mut client, "ghijkl").await, Ok("efgh".into()));
        assert_eq!(answer(&mut client).await, Ok("ijkl".into()));
        assert_eq!(ask(&mut client, "!").await, Err(ErrorKind::UnexpectedEof));
    }

    #[track_caller]
    fn check_lost(got: &Result<String, ErrorKind>, kinds: &[ErrorKind]) {
        assert!(kinds.contains(got.as_ref().unwrap_err()), "{got:?}");
    }

    #[tokio::test]
    async fn a_fault_of_the_line_shows_and_can_be_mended() {
        use ErrorKind::{ConnectionReset, UnexpectedEof};
        let cases: [(Fault, &[ErrorKind]); 3] = [
            (Fault::Close, &[UnexpectedEof, ConnectionReset]),
            (Fault::CloseMidFrame, &[UnexpectedEof]),
            (Fault::Reset, &[ConnectionReset]),
        ];
        for (fault, kinds) in cases {
            let dtu = served(&[fault]).await;
            check_lost(&ask(&mut dtu.dial().await, "abcd").await, kinds);
            dtu.simulation.faults().clear_all();
            let mut client = dtu.dial().await;
            assert_eq!(ask(&mut client, "abcd").await, Ok("abcd".into()), "{fault:?}");
            dtu.simulation.faults().set(fault);
            check_lost(&ask(&mut client, "abcd").await, kinds);
        }
    }

    #[tokio::test]
    async fn a_late_answer_is_that_to_the_request_before() {
        let dtu = served(&[Fault::LateAnswer]).await;
        let mut client = dtu.dial().await;
        client.write_all(b"old.").await.unwrap();
        assert_eq!(ask(&mut client, "new.").await, Ok("old.".into()));
        let mut other = dtu.dial().await;
        other.write_all(b"one.").await.unwrap();
        assert_eq!(ask(&mut other, "two.").await, Ok("one.".into()));
    }

    #[tokio::test]
    async fn silence_is_no_answer_until_it_is_mended() {
        let dtu = served(&[Fault::Silence]).await;
        let mut client = dtu.dial().await;
        client.write_all(b"lost").await.unwrap();
        dtu.simulation.observed().wait_until(|c| c.requests == 1 && c.outstanding == 0).await;
        dtu.simulation.faults().clear(Fault::Silence);
        assert_eq!(ask(&mut client, "next").await, Ok("next".into()));
    }

    #[tokio::test]
    async fn a_second_client_is_turned_away_while_the_first_is_there() {
        let dtu = served(&[Fault::RefuseSecondClient]).await;
        let mut first = dtu.dial().await;
        assert_eq!(ask(&mut first, "1st.").await, Ok("1st.".into()));
        assert_eq!(answer(&mut dtu.dial().await).await, Err(ErrorKind::UnexpectedEof));
        assert_eq!(ask(&mut first, "1st.").await, Ok("1st.".into()));
        drop(first);
        let counts = dtu.simulation.observed().wait_until(|counts| counts.open == 0).await;
        assert_eq!((counts.turned_away, counts.most_open), (1, 1));
    }

    #[tokio::test]
    async fn what_clients_do_is_counted() {
        let dtu = served(&[]).await;
        let (mut first, mut second) = (dtu.dial().await, dtu.dial().await);
        ask(&mut first, "1st.").await.unwrap();
        ask(&mut second, "2nd.").await.unwrap();
        let counts = dtu.simulation.observed().counts();
        assert_eq!((counts.requests, counts.connections, counts.most_open), (2, 2, 2));
        assert_eq!(counts.most_outstanding, 1);
        assert!(counts.shortest_pause.is_some());
        dtu.simulation.faults().set(Fault::Slow(Duration::from_secs(3600)));
        first.write_all(b"1st.1st.").await.unwrap();
        let counts = dtu.simulation.observed().wait_until(|c| c.outstanding == 2).await;
        assert_eq!(counts.most_outstanding, 2);
        drop(first);
        dtu.simulation.observed().wait_until(|c| c.outstanding == 0 && c.open == 1).await;
    }

    #[tokio::test]
    async fn it_stops_in_the_middle_of_an_answer_and_frees_its_port() {
        let dtu = served(&[Fault::Slow(Duration::from_secs(3600))]).await;
        let mut client = dtu.dial().await;
        client.write_all(b"wait").await.unwrap();
        dtu.simulation.observed().wait_until(|counts| counts.outstanding == 1).await;
        dtu.stop.cancel();
        dtu.server.close();
        timeout(GUARD, dtu.server.wait()).await.unwrap();
        assert!(TcpStream::connect(dtu.address).await.is_err());
        assert_eq!(dtu.simulation.observed().counts().open, 0);
    }
}
