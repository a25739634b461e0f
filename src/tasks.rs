//! Every long-lived task of the daemon, and the one way to end them.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, info_span};

/// The tasks that make up the daemon. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// No task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled once the daemon shall end: each task watches it.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts `task`, which lasts as long as the daemon.
    ///
    /// If it ends or panics before the daemon does, the daemon ends with it: a bridge without its
    /// poller is worse than one that its supervisor restarts.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let ends_with_task = EndsDaemon { name, stop: self.stop.clone(), is_armed: true };
        let task = async move {
            let _ends_with_task = ends_with_task;
            task.await;
        };
        drop(self.tracker.spawn(task.instrument(info_span!("task", name))));
    }

    /// Starts `task`, which may end before the daemon does, but not by a panic: one target.
    pub fn spawn_short(&self, task: impl Future<Output = ()> + Send + 'static) {
        let ends_with_panic =
            EndsDaemon { name: "of one connection", stop: self.stop.clone(), is_armed: true };
        let task = async move {
            let mut ends_with_panic = ends_with_panic;
            task.await;
            ends_with_panic.is_armed = false;
        };
        drop(self.tracker.spawn(task));
    }

    /// Tells all tasks to end and waits for them, at most for `grace`; whether all of them did.
    pub async fn shut_down(self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

/// Stops the daemon when its task goes, however it goes.
struct EndsDaemon {
    name: &'static str,
    stop: CancellationToken,
    is_armed: bool,
}

impl Drop for EndsDaemon {
    fn drop(&mut self) {
        if self.is_armed && !self.stop.is_cancelled() {
            tracing::error!("task {} ended unexpectedly; the bridge stops", self.name);
            self.stop.cancel();
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

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_listen_is_left_behind_after_the_grace_period() {
        let tasks = Tasks::new();
        tasks.spawn_short(pending());
        assert!(!tasks.shut_down(Duration::from_secs(1)).await);
    }
}
