//! The admin, page by page, on a real server.

mod doors;
mod lists;
mod runs;
mod workflows;
