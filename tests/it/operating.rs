//! Operating executions: signals, explanations, runs from a step, and operations over many.

mod bulk;
mod commands;
mod ends;
mod explaining;
mod killed;
mod rerunning;
mod signalling;
