//! The directory: registration, storage and removal of targets.

use std::sync::Mutex as StdMutex;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::*;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const FIRST: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// A directory whose clock is set by the test.
struct Bench {
    directory: Directory,
    store: Store,
    now: Arc<StdMutex<Timestamp>>,
}

impl Bench {
    fn new(configured: &[TargetConfig], store: Store) -> Self {
        let now = Arc::new(StdMutex::new(FIRST));
        let clock = {
            let now = Arc::clone(&now);
            WallClock::from_fn(move || *now.lock().unwrap())
        };
        let registration = RegistrationConfig { max_targets: 3, ..RegistrationConfig::default() };
        let saved = store.load().targets;
        let directory =
            Directory::new(configured, saved, &registration, store.clone(), clock).unwrap();
        Self { directory, store, now }
    }

    fn empty() -> Self {
        Self::new(&[], Store::in_memory())
    }

    async fn register(&self, url: &str, name: &str) {
        self.directory.register(url, name).await.unwrap();
    }

    fn names(&self) -> Vec<String> {
        self.directory.statuses(&TimeZone::UTC).into_iter().map(|status| status.name).collect()
    }

    fn target(&self, name: &str) -> Target {
        let entries = self.directory.entries();
        entries.iter().map(|entry| &entry.target).find(|one| one.name() == name).unwrap().clone()
    }

    fn url_of(&self, name: &str) -> String {
        let endpoint = self.target(name).endpoint().unwrap();
        endpoint.secret_url().expose_secret().to_owned()
    }

    fn pass(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now += time;
    }
}

fn configured(name: &str, url: &str, token: Option<&str>) -> TargetConfig {
    TargetConfig {
        name: name.to_owned(),
        url: SecretString::from(url),
        token: token.map(SecretString::from),
        ..TargetConfig::default()
    }
}

#[tokio::test]
async fn one_url_is_one_target_and_the_last_token_counts() {
    let bench = Bench::empty();
    bench.register("ws://127.0.0.1:1/ws?token=a", "Home Assistant").await;
    bench.register("ws://127.0.0.1:1/ws?token=b", "Another name").await;
    assert_eq!(bench.names(), ["Another name"]);
    assert_eq!(bench.url_of("Another name"), "ws://127.0.0.1:1/ws?token=b");
    assert_eq!(bench.store.load().targets.len(), 1);
}

#[tokio::test]
async fn a_known_target_takes_a_new_name_if_that_is_free() {
    let bench = Bench::empty();
    bench.register("ws://127.0.0.1:1/ws", "HA").await;
    bench.register("ws://127.0.0.2:1/ws", "HA").await;
    bench.register("ws://127.0.0.3:1/ws", "Third").await;
    bench.register("ws://127.0.0.2:1/ws", "HA").await;
    assert_eq!(bench.names(), ["HA", "HA (127.0.0.2)", "Third"], "taken");
    let old = bench.target("HA");
    bench.register("ws://127.0.0.1:1/ws", "House").await;
    bench.register("ws://127.0.0.2:1/ws", "HA").await;
    bench.register("ws://127.0.0.3:1/ws", "").await;
    assert_eq!(bench.names(), ["House", "HA", "Third"], "each in its place");
    assert_eq!(old.retired(), Some(Retired::Renamed));
    let again = Bench::new(&[], bench.store.clone());
    let mut names = again.names();
    names.sort();
    assert_eq!(names, ["HA", "House", "Third"]);
}

#[tokio::test]
async fn a_taken_name_gets_the_host_added() {
    let bench = Bench::empty();
    bench.register("ws://127.0.0.1:1/ws", "HA").await;
    bench.register("ws://127.0.0.2:1/ws", "HA").await;
    bench.register("ws://127.0.0.2:2/ws", "HA").await;
    assert_eq!(bench.names(), ["HA", "HA (127.0.0.2)", "HA (127.0.0.2:2)"]);
    let full = bench.directory.register("ws://127.0.0.4:1/ws", "HA").await;
    assert_eq!(full, Err(RegisterError::TooMany(3)));
    bench.register("ws://127.0.0.2:2/ws?token=new", "HA").await;
}

#[tokio::test]
async fn names_are_safe_for_a_log_line() {
    let bench = Bench::empty();
    for name in ["two\nlines", "\u{1b}[31mred", "a\u{200b}", " ", "\u{a0}", &"x".repeat(65)] {
        let refused = bench.directory.register("ws://127.0.0.1:1/ws", name).await;
        assert!(matches!(refused, Err(RegisterError::Malformed(_))), "{name:?}: {refused:?}");
    }
    bench.register("ws://127.0.0.1:1/ws", "").await;
    bench.register("ws://127.0.0.2:1/ws", " Küche ").await;
    assert_eq!(bench.names(), ["127.0.0.1", "Küche"]);
}

#[tokio::test]
async fn registered_targets_survive_a_restart_and_deleted_ones_do_not() {
    let bench = Bench::empty();
    bench.register("ws://127.0.0.1:1/ws?token=a", "A").await;
    bench.register("ws://127.0.0.2:1/ws?token=b", "B").await;
    bench.directory.forget("A").await.unwrap();
    assert_eq!(bench.directory.forget("A").await, Err(ForgetError::Unknown));
    let again = Bench::new(&[], bench.store.clone());
    assert_eq!(again.names(), ["B"]);
    assert_eq!(again.url_of("B"), "ws://127.0.0.2:1/ws?token=b");
}

#[tokio::test]
async fn a_configured_target_uses_a_new_token_until_it_is_refused() {
    let config = [configured("HA", "ws://127.0.0.1:1/ws", Some("own"))];
    let bench = Bench::new(&config, Store::in_memory());
    assert_eq!(bench.url_of("HA"), "ws://127.0.0.1:1/ws?token=own");
    bench.register("ws://127.0.0.1:1/ws?token=new", "x").await;
    assert_eq!(bench.url_of("HA"), "ws://127.0.0.1:1/ws?token=new");
    assert_eq!(bench.directory.forget("HA").await, Err(ForgetError::Configured));

    let again = Bench::new(&config, bench.store.clone());
    assert_eq!((again.names(), again.url_of("HA")), (vec!["HA".to_owned()], bench.url_of("HA")));
    again.directory.note_refused_token(&again.target("HA")).await;
    assert_eq!(again.url_of("HA"), "ws://127.0.0.1:1/ws?token=own");
    assert!(again.store.load().targets.is_empty());
}

#[tokio::test]
async fn a_configured_target_that_registered_follows_the_configuration() {
    let own = [configured("HA", "ws://127.0.0.1:1/ws", None)];
    let moved = [configured("HA", "ws://127.0.0.2:1/ws", None)];
    let registration = RegistrationConfig::default();
    let bench = Bench::new(&own, Store::in_memory());
    bench.register("ws://127.0.0.1:1/ws?token=new", "x").await;
    bench.register("ws://127.0.0.9:1/ws", "HA").await;
    // The same after a restart.
    let again = Bench::new(&moved, bench.store.clone());
    assert_eq!(again.names(), ["HA", "HA (127.0.0.9)"]);
    assert_eq!(again.url_of("HA"), "ws://127.0.0.2:1/ws");

    bench.directory.reconfigure(&moved, &registration).await.unwrap();
    assert_eq!(bench.names(), ["HA", "HA (127.0.0.9)"]);
    assert_eq!(bench.url_of("HA"), "ws://127.0.0.2:1/ws");
    assert_eq!(bench.store.load().targets.len(), 1, "the old token is deleted");

    // What left the configuration and has registered is a registered target.
    bench.register("ws://127.0.0.2:1/ws?token=new", "x").await;
    bench.directory.reconfigure(&[], &registration).await.unwrap();
    assert_eq!(bench.names(), ["HA", "HA (127.0.0.9)"]);
    assert!(bench.target("HA").is_registered());
}

#[tokio::test]
async fn a_registered_target_that_fails_for_a_week_is_removed() {
    let bench = Bench::empty();
    bench.register("ws://127.0.0.1:1/ws", "A").await;
    let target = bench.target("A");
    bench.directory.note_failure(&target).await;
    bench.pass(DAY * 6);
    bench.directory.note_failure(&target).await;
    // A restart keeps the time of the first failure.
    let again = Bench::new(&[], bench.store.clone());
    let target = again.target("A");
    again.pass(DAY * 6);
    again.directory.note_success(&target).await;
    again.directory.note_failure(&target).await;
    again.pass(DAY * 6);
    again.directory.note_failure(&target).await;
    assert_eq!(again.names(), ["A"]);
    again.pass(DAY);
    again.directory.note_failure(&target).await;
    assert_eq!(again.names(), Vec::<String>::new());
    assert!(target.endpoint().is_none());
    assert!(again.store.load().targets.is_empty());
}

#[tokio::test]
async fn an_unset_clock_removes_no_target() {
    let bench = Bench::empty();
    bench.register("ws://127.0.0.1:1/ws", "A").await;
    *bench.now.lock().unwrap() = Timestamp::UNIX_EPOCH;
    bench.directory.note_failure(&bench.target("A")).await;
    *bench.now.lock().unwrap() = FIRST;
    bench.directory.note_failure(&bench.target("A")).await;
    assert_eq!(bench.names(), ["A"]);
}

#[tokio::test]
async fn registration_can_be_disabled() {
    let registration = RegistrationConfig { enabled: false, ..RegistrationConfig::default() };
    let (store, clock) = (Store::in_memory(), WallClock::from_fn(|| FIRST));
    let directory = Directory::new(&[], Vec::new(), &registration, store, clock).unwrap();
    let refused = directory.register("ws://127.0.0.1:1/ws", "A").await;
    assert_eq!(refused, Err(RegisterError::Disabled));
}
