//! How many files and sockets the process may hold open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to the most that the system allows; what it is then, `None` if there is none.
///
/// The usual limit of 1,024 is there for programs that use `select`, which cannot count further.
/// We do not, and a target is a socket, so a thousand of them would not find room below it.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // Some systems refuse what they have named; the old limit does for most plants.
        Err(error) => {
            tracing::debug!("the limit of open files stays {:?}: {error}", limit.current);
            limit.current
        }
    }
}
