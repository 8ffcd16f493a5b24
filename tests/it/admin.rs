//! The admin, page by page, on a real server.

mod doors;
mod form;
