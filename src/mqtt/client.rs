//! One connection to the broker, and the only file that uses the MQTT library.
//!
//! The library would reconnect by itself, and resend what is old by then. So each connection gets
//! a client of its own, and the bridge's one reconnect loop does the rest.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Broker, ConnectReturnCode, ConnectionError, Event, EventLoop, Incoming, LastWill,
    MqttOptions, PublishOptions, QoS, StateError, mqttbytes,
};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, LIMIT, Refusal};
use super::retained::Message;
use crate::config::MqttConfig;
use crate::net::dial::Attempt;
use crate::net::tls::TlsFiles;

/// Messages that wait for the broker; whoever publishes more waits.
const QUEUE: usize = 16;
/// A ping after so much silence; the broker is given up when it does not answer the next one.
const KEEP_ALIVE_SECONDS: u16 = 30;
/// The document of an inverter with eight ports has some 20 KB; nobody may send us more.
const LARGEST: usize = 256 * 1024;
/// How long the farewell may take.
const CLOSING: Duration = Duration::from_millis(800);

/// An open connection.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// The connection is gone; [`Receiver::run`] knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disconnected;

/// Publishes and subscribes.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    client: AsyncClient,
    qos: QoS,
}

/// Receives, and does the network's work for both.
pub(super) struct Receiver {
    events: EventLoop,
    has_login: bool,
}

/// Connects and logs in. `will` is the topic at which the broker says `offline` when the bridge is
/// lost.
pub(super) async fn open(
    config: &MqttConfig,
    will: Option<String>,
) -> Result<(Sender, Receiver), Failure> {
    let attempt = Attempt::new(config.host.as_str(), config.port(), LIMIT);
    let client = config.client_cert.clone().zip(config.client_key.clone());
    let files = TlsFiles { ca_file: config.ca_file.clone(), client };
    let stream = attempt.tcp().await.map_err(Failure::Connect)?;
    let secured = attempt.secure(stream, config.tls.then_some(&files), &mut ()).await;
    let stream = secured.map_err(Failure::Connect)?;
    log_in(config, Box::new(stream), will, attempt.deadline()).await
}

/// Logs in over an open connection, until `until`.
async fn log_in(
    config: &MqttConfig,
    stream: Box<dyn Stream>,
    will: Option<String>,
    until: Instant,
) -> Result<(Sender, Receiver), Failure> {
    let qos = match config.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    };
    let options = options(config, stream, will, qos);
    let (client, mut events) = AsyncClient::builder(options).capacity(QUEUE).build();
    // Without this it would give up a login earlier than we do.
    events.network_options.set_connection_timeout(LIMIT.as_secs());
    let mut receiver = Receiver { events, has_login: config.username.is_some() };
    match timeout_at(until, receiver.accepted()).await {
        Ok(accepted) => accepted.map(|()| (Sender { client, qos }, receiver)),
        Err(_) => Err(Failure::LoginTimedOut),
    }
}

fn options(
    config: &MqttConfig,
    stream: Box<dyn Stream>,
    will: Option<String>,
    qos: QoS,
) -> MqttOptions {
    let broker = Broker::tcp(config.host.clone(), config.port());
    let mut options = MqttOptions::new(config.client_id(), broker);
    options
        .set_keep_alive(KEEP_ALIVE_SECONDS)
        .set_clean_session(true)
        .set_max_packet_size(LARGEST, LARGEST)
        .set_request_channel_capacity(QUEUE);
    if let Some(topic) = will {
        options.set_last_will(LastWill::new(topic, "offline", qos, true));
    }
    match (&config.username, &config.password) {
        (Some(name), Some(password)) => {
            options.set_credentials(name, password.expose_secret().to_owned());
        }
        (Some(name), None) => {
            options.set_username(name);
        }
        (None, _) => {}
    }
    let ready = Mutex::new(Some(stream));
    options.set_socket_connector(move |_, _| {
        let stream = ready.lock().ok().and_then(|mut stream| stream.take());
        async move { stream.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
    });
    options
}

impl Sender {
    /// Subscribes to a topic.
    pub(super) async fn subscribe(&self, topic: &str) -> Result<(), Disconnected> {
        self.client.subscribe(topic, self.qos).await.map_err(|_| Disconnected)
    }

    /// Publishes in this order, retained; returns when the broker has acknowledged all of them.
    pub(super) async fn publish(&self, messages: Vec<Message>) -> Result<(), Disconnected> {
        let mut notices = Vec::with_capacity(messages.len());
        for Message { topic, payload } in messages {
            let retained = PublishOptions::new(self.qos).retained();
            let notice = self.client.publish_tracked(topic, payload, retained).await;
            notices.push(notice.map_err(|_| Disconnected)?);
        }
        for notice in notices {
            notice.wait_completion_async().await.map_err(|_| Disconnected)?;
        }
        Ok(())
    }

    /// Disconnects properly, so that the broker does not publish our last will.
    pub(super) async fn disconnect(&self, receiver: &mut Receiver) {
        let disconnecting = async {
            if self.client.disconnect().await.is_ok() {
                while receiver.events.poll().await.is_ok() {}
            }
        };
        // Nothing is left to do if it does not arrive.
        drop(timeout(CLOSING, disconnecting).await);
    }

    /// Publishes a last message and disconnects.
    pub(super) async fn disconnect_with(&self, receiver: &mut Receiver, last: Message) {
        let retained = PublishOptions::new(self.qos).retained();
        if self.client.try_publish(last.topic, last.payload, retained).is_ok() {
            self.disconnect(receiver).await;
        }
    }
}

impl Receiver {
    async fn accepted(&mut self) -> Result<(), Failure> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Incoming::ConnAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    return Err(self.failure(error).at_login());
                }
            }
        }
    }

    /// Receives until the connection ends, and says why it did. Nothing is sent unless this runs.
    pub(super) async fn run(&mut self, mut on_message: impl FnMut(&[u8], &[u8])) -> Failure {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Incoming::Publish(message))) => {
                    on_message(&message.topic, &message.payload);
                }
                Ok(_) => {}
                Err(error) => return self.failure(error),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the lists are another's, and open")]
    fn failure(&self, error: ConnectionError) -> Failure {
        match error {
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                    if self.has_login { Failure::LoginRefused } else { Failure::LoginRequired }
                }
                ConnectReturnCode::BadClientId => Failure::Refused(Refusal::ClientId),
                ConnectReturnCode::ServiceUnavailable => Failure::Refused(Refusal::Unavailable),
                _ => Failure::Refused(Refusal::Version),
            },
            ConnectionError::Io(error)
            | ConnectionError::MqttState(
                StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)),
            ) => Failure::of_io(&error),
            ConnectionError::MqttState(StateError::ConnectionAborted) => Failure::Closed,
            ConnectionError::MqttState(StateError::Deserialization(_))
            | ConnectionError::NotConnAck(_) => Failure::NotMqtt,
            ConnectionError::MqttState(StateError::AwaitPingResp)
            | ConnectionError::FlushTimeout
            | ConnectionError::NetworkTimeout => Failure::Silent,
            other => Failure::Broken(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::net::TcpListener;

    use super::*;
    use crate::mqtt::try_out;
    use crate::net::error::ConnectError;

    /// The failure against a server that reads a little, answers this and hangs up.
    async fn failure(answer: &'static [u8], tls: bool) -> Failure {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 16];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            // The client gets an end of the stream, and no reset.
            while stream.read(&mut request).await.is_ok_and(|count| count > 0) {}
        };
        let config = MqttConfig {
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            username: Some("me".to_owned()),
            tls,
            ..MqttConfig::default()
        };
        let (outcome, ()) = tokio::join!(try_out(&config), server);
        outcome.unwrap_err()
    }

    #[tokio::test]
    async fn each_refused_login_has_its_own_failure() {
        let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        for (answer, tls, expected) in [
            (http.as_slice(), false, Failure::NotMqtt),
            (b"", false, Failure::HungUp),
            (http, true, Failure::Connect(ConnectError::NotTls)),
            (b"", true, Failure::Connect(ConnectError::HungUp)),
            (b"\x20\x02\x00\x01", false, Failure::Refused(Refusal::Version)),
            (b"\x20\x02\x00\x02", false, Failure::Refused(Refusal::ClientId)),
            (b"\x20\x02\x00\x03", false, Failure::Refused(Refusal::Unavailable)),
            (b"\x20\x02\x00\x04", false, Failure::LoginRefused),
            (b"\x20\x02\x00\x05", false, Failure::LoginRefused),
        ] {
            assert_eq!(failure(answer, tls).await, expected, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_without_an_answer_times_out() {
        let (ours, theirs) = duplex(1024);
        let (began, config) = (Instant::now(), MqttConfig::default());
        let outcome = log_in(&config, Box::new(ours), None, began + LIMIT).await;
        assert_eq!(outcome.err(), Some(Failure::LoginTimedOut));
        assert_eq!(began.elapsed(), LIMIT);
        drop(theirs);
    }
}
