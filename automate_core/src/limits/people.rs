//! Bounds of the pages about people and about the processes that work.

use std::time::Duration;

/// People who are moved into a group and out of it in one change.
pub const GROUP_MOVES: usize = 200;
/// Members that a group's form shows, to be taken out; further ones are changed in their own forms.
pub const GROUP_MEMBERS_SHOWN: u64 = 500;
/// How often a process notes that it lives: one row, written over. Far from what claims and
/// checkpoints write, on SQLite too.
pub const PROCESS_BEAT: Duration = Duration::from_secs(15);
/// Beats that a process may miss; after them it is said to be gone.
pub const PROCESS_BEATS_MISSED: u32 = 3;
/// How long a process that has not said goodbye stays on the list.
pub const PROCESS_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Processes that are listed.
pub const PROCESSES_SHOWN: u64 = 200;
/// How long a process waits, when it stops, for its row to be taken away.
pub const PROCESS_GOODBYE: Duration = Duration::from_secs(2);
