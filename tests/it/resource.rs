//! The resource service, on both databases: a small library of its own, and executions.

mod bed;
mod executions;
mod filtering;
mod hooks;
mod names;
mod paging;
mod scoping;
mod searched;
mod showing;
mod tally;
mod writing;
