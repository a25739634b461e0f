//! A DNS server whose answers a test sets: addresses, errors or silence.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

/// The answer for a name.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These addresses.
    Addresses(Vec<Ipv4Addr>),
    /// NXDOMAIN: there is no such name.
    Unknown,
    /// SERVFAIL: the server failed.
    ServerFailure,
    /// Nothing.
    Silence,
}

/// The answers for each name, query by query; the last one is repeated.
#[derive(Clone, Default)]
pub(crate) struct Dns {
    answers: Arc<Mutex<BTreeMap<String, Vec<Answer>>>>,
}

impl Dns {
    /// Listens at the address that the resolver of the test's network uses.
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 53))).await.unwrap();
        let dns = Self::default();
        let answering = dns.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        drop(tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, peer)) = socket.recv_from(&mut question).await {
                if let Some(answer) = answering.answer(question.get(..length).unwrap()) {
                    drop(socket.send_to(&answer, peer).await);
                }
            }
        }));
        dns
    }

    /// Sets the answers for a name.
    pub(crate) fn set(&self, name: &str, answers: &[Answer]) {
        self.answers.lock().unwrap().insert(name.to_owned(), answers.to_vec());
    }

    /// The answer to a message, RFC 1035 section 4.1.
    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let id = message.get(..2)?;
        let mut name = Vec::new();
        let mut rest = message.get(12..)?;
        while let [length @ 1..=63, after @ ..] = rest {
            let (label, after) = after.split_at_checked(usize::from(*length))?;
            name.push(String::from_utf8_lossy(label).into_owned());
            rest = after;
        }
        let is_ipv4 = rest.get(1..3)? == [0, 1];
        let question = message.get(12..message.len() - rest.len() + 5)?;
        let (code, addresses) = match self.next(&name.join("."), is_ipv4) {
            Answer::Addresses(addresses) if is_ipv4 => (0, addresses),
            Answer::Addresses(_) => (0, Vec::new()),
            Answer::ServerFailure => (2, Vec::new()),
            Answer::Unknown => (3, Vec::new()),
            Answer::Silence => return None,
        };
        let count = u8::try_from(addresses.len()).ok()?;
        let mut answer = id.to_vec();
        answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend(question);
        for address in addresses {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }

    fn next(&self, name: &str, is_ipv4: bool) -> Answer {
        let mut answers = self.answers.lock().unwrap();
        let Some(answers) = answers.get_mut(name) else { return Answer::Unknown };
        // The question for the other family does not count.
        if is_ipv4 && answers.len() > 1 {
            answers.remove(0)
        } else {
            answers.first().unwrap().clone()
        }
    }
}
