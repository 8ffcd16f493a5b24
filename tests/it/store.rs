//! The engine's store, on both databases.

mod accepting;
mod advancing;
mod documents;
mod drafts;
mod history;
mod operating;
mod trouble;
