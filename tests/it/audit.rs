//! The audit log, on both databases: whole when we write it, and not whole when anybody else does.

mod appending;
mod bed;
mod commands;
mod tampering;
