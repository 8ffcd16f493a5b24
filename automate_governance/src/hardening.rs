//! What a process does at its start so that what it holds in memory stays there (S7, S8).

use std::io;

/// What could not be done.
#[derive(Debug, thiserror::Error)]
pub enum HardeningError {
    /// The operating system refused.
    #[error("core dumps could not be turned off: {0}")]
    CoreDumps(#[source] io::Error),
    /// The operating system refused.
    #[error("the memory and environment of the process could not be closed to others of the same user: {0}")]
    Dumpable(#[source] io::Error),
}

/// Turns core dumps off for this process and those that it starts, and on Linux closes its memory and
/// its environment (`/proc/PID/mem`, `/proc/PID/environ`, debuggers) to everybody but root: the master
/// key may be in either, and a variable cannot be taken out of the environment that a process was
/// started with.
///
/// # Errors
/// [`HardeningError`]; whoever calls it says so and goes on.
pub fn harden_process() -> Result<(), HardeningError> {
    imp::harden()
}

#[cfg(unix)]
mod imp {
    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::HardeningError;

    pub(super) fn harden() -> Result<(), HardeningError> {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        setrlimit(Resource::Core, none).map_err(|e| HardeningError::CoreDumps(e.into()))?;
        #[cfg(target_os = "linux")]
        {
            // A limit of 0 does not keep a core from a pipe in `core_pattern`; this does.
            use rustix::process::{DumpableBehavior, set_dumpable_behavior};
            set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| HardeningError::Dumpable(e.into()))?;
        }
        Ok(())
    }
}

#[cfg(not(unix))]
mod imp {
    use super::HardeningError;

    pub(super) fn harden() -> Result<(), HardeningError> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    /// In a process of its own: others of this one may want to be looked at.
    #[test]
    fn s7_a_hardened_process_leaves_no_core_and_shows_its_environment_to_nobody() {
        const MARK: &str = "AUTOMATE_TEST_HARDENED_CHILD";
        if std::env::var_os(MARK).is_some() {
            super::harden_process().unwrap();
            // Twice is as good as once.
            super::harden_process().unwrap();
            let limit = getrlimit(Resource::Core);
            assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
            return;
        }
        let name = "hardening::tests::s7_a_hardened_process_leaves_no_core_and_shows_its_environment_to_nobody";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(MARK, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }
}
