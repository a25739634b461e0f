//! Browser sessions and wrong tokens: both in memory only, both bounded.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderValue, SET_COOKIE};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::access::SessionError;
use super::request::Context;
use super::respond::{self, Response};
use super::targets::body_status;

/// A household has fewer browsers. A newer session ends the oldest.
const MOST_SESSIONS: usize = 100;
/// So many wrong tokens an address may send within [`WINDOW`].
const MOST_WRONG: usize = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered. A crowd beyond it forgets the oldest, not the owner.
const MOST_ADDRESSES: usize = 1_000;

/// The sessions of browsers that have shown the token.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

#[derive(Clone, Debug)]
struct Session {
    began: Instant,
    ended: CancellationToken,
}

impl Sessions {
    /// Begins a session; its random value, or `None` if the system has no random numbers.
    pub(super) fn begin(&self) -> Option<String> {
        let mut random = [0; 32];
        SystemRandom::new().fill(&mut random).ok()?;
        let value = random.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            let _written = write!(hex, "{byte:02x}");
            hex
        });
        let mut sessions = self.lock();
        if sessions.len() >= MOST_SESSIONS {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.began);
            if let Some(oldest) = oldest.map(|(value, _)| value.clone()) {
                remove(&mut sessions, &oldest);
            }
        }
        let session = Session { began: Instant::now(), ended: CancellationToken::new() };
        sessions.insert(value.clone(), session);
        Some(value)
    }

    /// Cancelled when the session ends; `None` if there is no such session.
    pub(super) fn find(&self, value: &str) -> Option<CancellationToken> {
        self.lock().get(value).map(|session| session.ended.clone())
    }

    /// Ends the session and its streams.
    pub(super) fn end(&self, value: &str) {
        remove(&mut self.lock(), value);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove(sessions: &mut HashMap<String, Session>, value: &str) {
    if let Some(session) = sessions.remove(value) {
        session.ended.cancel();
    }
}

/// The body of `POST /api/session`.
#[derive(Deserialize)]
struct Login {
    token: SecretString,
}

/// `POST /api/session`: the token for a cookie.
pub(super) fn begin(context: &Context) -> Response {
    let login = match &context.body {
        Ok(body) => serde_json::from_slice::<Login>(body),
        Err(error) => return respond::problem(body_status(error), &error.to_string()),
    };
    let Ok(login) = login else {
        // The library's text may quote the token.
        let message = r#"the body must be JSON of the form {"token": "..."}"#;
        return respond::problem(StatusCode::BAD_REQUEST, message);
    };
    let Context { api, client, .. } = context;
    match api.access.begin_session(login.token.expose_secret(), client) {
        Ok(None) => respond::no_content(),
        Ok(Some(cookie)) => with_cookie(respond::no_content(), &cookie),
        Err(SessionError::Wrong) => {
            let message =
                "the token is wrong; it stands under [http] in the bridge's configuration";
            respond::problem(StatusCode::UNAUTHORIZED, message)
        }
        Err(SessionError::Throttled(wait)) => respond::throttled(wait),
        Err(SessionError::Unavailable) => respond::internal_error(&"no random numbers"),
    }
}

/// `DELETE /api/session`.
pub(super) fn end(context: &Context) -> Response {
    let cookie = context.api.access.end_session(&context.head, &context.client);
    with_cookie(respond::no_content(), &cookie)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// When each address has sent wrong tokens lately.
#[derive(Debug, Default)]
pub(super) struct WrongTokens(Mutex<HashMap<IpAddr, Vec<Instant>>>);

impl WrongTokens {
    /// For how long an address that sent too many must wait; `None` if it need not.
    pub(super) fn wait(&self, address: IpAddr) -> Option<Duration> {
        let mut addresses = self.lock();
        let times = addresses.get_mut(&address)?;
        times.retain(|time| time.elapsed() < WINDOW);
        let oldest = times.first().filter(|_| times.len() >= MOST_WRONG)?;
        Some(WINDOW.saturating_sub(oldest.elapsed()))
    }

    /// Counts a wrong token; whether it is the last one before the address must wait.
    pub(super) fn note(&self, address: IpAddr) -> bool {
        let mut addresses = self.lock();
        if addresses.len() >= MOST_ADDRESSES && !addresses.contains_key(&address) {
            let last = |times: &Vec<Instant>| times.last().copied();
            let oldest = addresses.iter().min_by_key(|(_, times)| last(times));
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                addresses.remove(&oldest);
            }
        }
        let times = addresses.entry(address).or_default();
        times.retain(|time| time.elapsed() < WINDOW);
        times.push(Instant::now());
        times.len() == MOST_WRONG
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Vec<Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test]
    async fn a_session_lasts_until_it_is_ended() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.begin().unwrap(), sessions.begin().unwrap());
        assert_eq!((one.len(), one == other), (64, false));
        let ended = sessions.find(&one).unwrap();
        sessions.end(&one);
        assert!(ended.is_cancelled() && sessions.find(&one).is_none());
        assert!(sessions.find(&other).is_some() && sessions.find("").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_of_too_many_sessions_ends() {
        let sessions = Sessions::default();
        let first = sessions.begin().unwrap();
        let ended = sessions.find(&first).unwrap();
        for _ in 1..MOST_SESSIONS {
            advance(Duration::from_secs(1)).await;
            sessions.begin().unwrap();
        }
        assert!(!ended.is_cancelled());
        sessions.begin().unwrap();
        assert!(ended.is_cancelled());
        assert_eq!(sessions.lock().len(), MOST_SESSIONS);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_wrong_tokens_a_minute_lock_an_address_out() {
        let (wrong, address) = (WrongTokens::default(), IpAddr::from([10, 0, 0, 1]));
        for count in 1..=MOST_WRONG {
            assert_eq!(wrong.wait(address), None);
            assert_eq!(wrong.note(address), count == MOST_WRONG);
            advance(Duration::from_secs(1)).await;
        }
        assert_eq!(wrong.wait(address), Some(Duration::from_secs(50)));
        assert_eq!(wrong.wait(IpAddr::from([10, 0, 0, 2])), None);
        advance(Duration::from_secs(50)).await;
        assert_eq!(wrong.wait(address), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_addresses_is_forgotten_oldest_first() {
        let wrong = WrongTokens::default();
        for number in 0..=u32::try_from(MOST_ADDRESSES).unwrap() {
            wrong.note(IpAddr::from(number.to_be_bytes()));
            advance(Duration::from_millis(1)).await;
        }
        let addresses = wrong.lock();
        assert_eq!(addresses.len(), MOST_ADDRESSES);
        assert!(!addresses.contains_key(&IpAddr::from([0, 0, 0, 0])));
    }
}
