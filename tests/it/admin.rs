//! The admin, page by page, on a real server.

mod doors;
mod executions;
mod lists;
mod queues;
mod runs;
mod workflows;
