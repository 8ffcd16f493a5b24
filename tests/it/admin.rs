//! The admin, page by page, on a real server.

mod doors;
mod executions;
mod form;
mod lists;
mod queues;
mod runs;
mod workflows;
