//! Every long-lived task of the daemon, and the one way to stop them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

/// The tasks that make up the daemon. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    /// Of a group: the tasks of the daemon daemon.
    daemon: Option<Box<Self>>,
}

impl Tasks {
    /// No task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the daemon stops: each task watches it.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// A group of tasks that can be stopped alone.
    #[must_use]
    pub fn group(&self) -> Self {
        let stop = self.stop.child_token();
        Self { stop, tracker: TaskTracker::new(), daemon: Some(Box::new(self.clone())) }
    }

    /// Starts `task`, which lasts as long as the daemon, or as its group.
    ///
    /// If it ends or panics before that, the daemon stops: a bridge without its poller is worse than one
    /// that is restarted.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let ends_with_task = self.ends_daemon(name);
        let task = async move {
            let _ends_with_task = ends_with_task;
            task.await;
        };
        self.track(task.instrument(info_span!("task", name)));
    }

    /// Starts `task`, which may end before the daemon does, but must not panic: one target.
    pub fn spawn_short(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ends_with_panic = self.ends_daemon("of one connection");
        let task = async move {
            let mut ends_with_panic = ends_with_panic;
            task.await;
            ends_with_panic.is_armed = false;
        };
        self.track(task);
    }

    fn ends_daemon(&self, name: &'static str) -> EndsDaemon {
        let daemon = self.daemon.as_ref().map_or(&self.stop, |daemon| &daemon.stop).clone();
        EndsDaemon { name, stop: self.stop.clone(), daemon, is_armed: true }
    }

    fn track(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.daemon {
            Some(daemon) => drop(self.tracker.spawn(daemon.tracker.track_future(task))),
            None => drop(self.tracker.spawn(task)),
        }
    }

    /// Stops all tasks and waits for them for at most `grace`; whether all of them ended.
    pub async fn shut_down(self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

/// Stops the daemon when its task ends or panics without having been stopped.
struct EndsDaemon {
    name: &'static str,
    stop: CancellationToken,
    daemon: CancellationToken,
    is_armed: bool,
}

impl Drop for EndsDaemon {
    fn drop(&mut self) {
        if self.is_armed && !self.stop.is_cancelled() {
            tracing::error!("task {} ended unexpectedly; stopping the bridge", self.name);
            self.daemon.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_stops_the_others() {
        let tasks = Tasks::new();
        let stop = tasks.stop();
        tasks.spawn("healthy", {
            let stop = tasks.stop();
            async move { stop.cancelled().await }
        });
        tasks.spawn("broken", async { panic!("planted") });
        tokio::time::timeout(Duration::from_secs(5), stop.cancelled()).await.unwrap();
        assert!(tasks.shut_down(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_short_task_may_end_but_not_by_a_panic() {
        let tasks = Tasks::new();
        let stop = tasks.stop();
        tasks.spawn_short(async {});
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert!(!stop.is_cancelled());
        tasks.tracker.reopen();
        tasks.spawn_short(async { panic!("planted") });
        tokio::time::timeout(Duration::from_secs(5), stop.cancelled()).await.unwrap();
    }

    #[tokio::test]
    async fn a_group_stops_alone_but_a_panic_in_it_stops_all() {
        let tasks = Tasks::new();
        let (one, other) = (tasks.group(), tasks.group());
        for group in [&one, &other] {
            let stop = group.stop();
            group.spawn("member", async move { stop.cancelled().await });
        }
        assert!(one.shut_down(Duration::from_secs(5)).await);
        assert!(!tasks.stop().is_cancelled() && !other.stop().is_cancelled());
        other.spawn("broken", async { panic!("planted") });
        tokio::time::timeout(Duration::from_secs(5), tasks.stop().cancelled()).await.unwrap();
        assert!(other.stop().is_cancelled());
        assert!(tasks.shut_down(Duration::from_secs(5)).await, "it waits for its groups too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_stop_is_abandoned_after_the_grace_period() {
        let tasks = Tasks::new();
        tasks.spawn_short(pending());
        assert!(!tasks.shut_down(Duration::from_secs(1)).await);
    }
}
