//! The engine over real stores: the guarantees that need a driver, a database and time.

pub(crate) mod actions;
pub(crate) mod bed;

mod accepting;
mod clocks;
mod drafts;
mod ending;
mod policies;
mod recovering;
mod secrets;
mod testing;
mod waiting;
